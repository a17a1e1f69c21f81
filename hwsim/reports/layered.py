"""Where the boxes of a drawing stand: layers by longest path, few crossings, short straight lines.

Source: K. Sugiyama, S. Tagawa, M. Toda, Methods for visual understanding of hierarchical system structures, 1981: a
line over several layers has a bend in each, layers are ordered by the mean place of their neighbours, down and up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 8


@dataclass(frozen=True)
class Place:
    """Centre of a box: layer from the top, x in units of the width that was given."""

    layer: int
    x: float


@dataclass(frozen=True)
class Layout:
    """Boxes by number, the bends of each line, the width of all."""

    places: list[Place]
    bends: dict[tuple[int, int], list[Place]]
    layers: int
    width: float


def layered(count: int, edges: Iterable[tuple[int, int]], width: float, bend: float) -> Layout:
    """Boxes 0..count - 1, each edge from a smaller number to a larger one.

    Args:
        count: boxes.
        edges: pairs.
        width: of a box with its gap.
        bend: room that a line takes which passes a layer.
    """
    pairs = sorted(set(edges))
    depth = depths(count, pairs)
    widths, layer_of, chains = [width] * count, list(depth), {}
    for a, b in pairs:
        chain = [a]
        for layer in range(depth[a] + 1, depth[b]):
            chain.append(len(widths))
            widths.append(bend)
            layer_of.append(layer)
        chains[a, b] = [*chain, b]
    links = [(p, q) for chain in chains.values() for p, q in pairwise(chain)]
    layers: list[list[int]] = [[] for _ in range(max(layer_of, default=-1) + 1)]
    for box, layer in enumerate(layer_of):
        layers[layer].append(box)
    above, below = _neighbours(len(widths), links)
    _order(layers, above, below)
    x = _straighten(layers, widths, above, below)
    left = min((x[i] - widths[i] / 2 for i in range(len(x))), default=0.0)
    right = max((x[i] + widths[i] / 2 for i in range(len(x))), default=0.0)
    places = [Place(layer_of[i], x[i] - left) for i in range(len(widths))]
    bends = {pair: [places[i] for i in chain[1:-1]] for pair, chain in chains.items()}
    return Layout(places[:count], bends, len(layers), right - left)


def depths(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Longest path from a source; a source stands just above what first reads it."""
    depth, readers = [0] * count, {a for a, _ in pairs}
    into = {b for _, b in pairs}
    for a, b in sorted(pairs, key=lambda p: (p[1], p[0])):
        depth[b] = max(depth[b], depth[a] + 1)
    for a in readers - into:
        depth[a] = min(depth[b] for first, b in pairs if first == a) - 1
    return depth


def _neighbours(count: int, links: Sequence[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    return above, below


def _order(layers: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    """Sort each layer by the mean place of its neighbours, down and up in turns."""
    for sweep in range(SWEEPS):
        beside = below if sweep % 2 else above
        place = {box: i for boxes in layers for i, box in enumerate(boxes)}
        for boxes in reversed(layers) if sweep % 2 else layers:
            mean = {b: sum(place[n] for n in beside[b]) / len(beside[b]) if beside[b] else place[b] for b in boxes}
            boxes.sort(key=lambda b: (mean[b], place[b]))
            place.update({box: i for i, box in enumerate(boxes)})


def _straighten(
    layers: list[list[int]], widths: list[float], above: list[list[int]], below: list[list[int]]
) -> list[float]:
    """Centres: each box next to the mean of its neighbours, in the order and at the distance that the layer keeps."""
    x = [0.0] * len(widths)
    for boxes in layers:
        at = -sum(widths[b] for b in boxes) / 2
        for b in boxes:
            x[b], at = at + widths[b] / 2, at + widths[b]
    for sweep in range(2 * SWEEPS):
        beside = below if sweep % 2 else above
        for boxes in reversed(layers) if sweep % 2 else layers:
            wanted = [sum(x[n] for n in beside[b]) / len(beside[b]) if beside[b] else x[b] for b in boxes]
            for b, place in zip(boxes, apart(wanted, [widths[b] for b in boxes]), strict=True):
                x[b] = place
    return x


def apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """The places nearest to `wanted` (least squares) where no two overlap: neighbours that collide become one block."""
    blocks: list[list[float]] = []  # sum of wanted starts, boxes, width
    for want, width in zip(wanted, widths, strict=True):
        blocks.append([want - width / 2, 1, width])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] + blocks[-2][2] > blocks[-1][0] / blocks[-1][1]:
            start, n, w = blocks.pop()
            blocks[-1] = [blocks[-1][0] + start - n * blocks[-1][2], blocks[-1][1] + n, blocks[-1][2] + w]
    made, rest = [], list(widths)
    for start, n, _ in blocks:
        at = start / n
        for width in rest[: int(n)]:
            made.append(at + width / 2)
            at += width
        rest = rest[int(n) :]
    return made
