"""A layered drawing in columns, as text is set in a newspaper: a long chain fills the width of a page.

A column ends where a single value leads on, which is drawn as a line from the foot of a column to the head of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from .layered import Layout, depths, layered

WIDE = 5  # columns of a page
LEAST = 7  # layers of a column


@dataclass(frozen=True)
class Column:
    """One column: its boxes, then ports, which stand for boxes of earlier columns; edges are by number in `members`."""

    members: list[int]
    ports: int
    layout: Layout


def columns(count: int, edges: Sequence[tuple[int, int]], width: float, bend: float) -> list[Column]:
    """Boxes 0..count - 1 in columns, each laid out by itself; see `layered`."""
    depth = depths(count, sorted(edges))
    cuts, made = _cuts(depth, edges), []
    for first, last in zip([0, *cuts], [*cuts, max(depth, default=0) + 1], strict=True):
        boxes = [i for i in range(count) if first <= depth[i] < last]
        inside = set(boxes)
        ports = sorted({a for a, b in edges if b in inside and a not in inside})
        members = [*ports, *boxes]  # Why ports first: edges lead from smaller to larger numbers
        number = {box: i for i, box in enumerate(members)}
        own = [(number[a], number[b]) for a, b in edges if b in inside]
        made.append(Column(members, len(ports), layered(len(members), own, width, bend)))
    return made


def _cuts(depth: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[int]:
    """Layers that begin a column: those that a single box of an earlier column leads to."""
    layers = max(depth, default=0) + 1
    tall = max(LEAST, ceil(layers / WIDE))
    sources: list[set[int]] = [set() for _ in range(layers)]
    for a, b in edges:
        for layer in range(depth[a] + 1, depth[b] + 1):
            sources[layer].add(a)
    cuts, start = list[int](), 0
    while layers - start > tall + 1:
        good = [i for i in range(start + 3, layers - 1) if len(sources[i]) == 1]
        if not good:
            break
        near = [i for i in good if i <= start + tall]
        start = near[-1] if near else good[0]
        cuts.append(start)
    return cuts
