"""A graph as a picture (SVG): a box a step, data from top to bottom; what is long is folded into its layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby

from ..costs.mapping import layer_of
from ..costs.needs import PRODUCTS
from ..graph import Graph, Node, Value
from . import wording as w
from .columns import Column, columns
from .layered import Place
from .layers import macs
from .svg import COLORS, area, bar, path, picture, tail, text

MOST = 60  # boxes of a drawing
BOX, HIGH, GAP, DOWN, BEND = 150, 34, 14, 20, 16  # pixels: box, between boxes and layers, room of a passing line
GUTTER, PORT = 34, 4  # pixels between columns, half of a port
MEANING = {"blue": "products", "orange": "tables", "green": "other arithmetic", "gray": "moves, rounding"}
LEGEND = 470  # pixels
MOVES = {"reshape", "transpose", "slice", "expand", "pad", "split", "concat", "gather", "select"}
ROUNDS = {"requant", "shift", "shift_by", "block_quantize", "scaled_add"}
TABLES = {"lut", "pwl"}


Point = tuple[float, float]


@dataclass
class Box:
    """Nodes that are drawn as one, or an input: two lines of text, and what is told when it is pointed at."""

    head: str
    name: str
    tip: str
    kind: str
    values: tuple[Value, ...]
    reads: set[str] = field(default_factory=set)


def draw_graph(graph: Graph, most: int = MOST) -> str:
    """The picture, of at most about `most` boxes."""
    boxes = boxes_of(graph, most)
    owner = {v.name: i for i, box in enumerate(boxes) for v in box.values}
    edges = sorted({(owner[r], i) for i, box in enumerate(boxes) for r in box.reads if r in owner and owner[r] != i})
    outputs, left, parts, where = {v.name for v in graph.outputs}, 0.0, list[str](), dict[int, Point]()
    made = columns(len(boxes), edges, BOX + GAP, BEND)
    foot = max((c.layout.layers for c in made), default=1) * (HIGH + DOWN) + 4
    for column in made:
        parts += _wires(column, left, where, foot)
        parts += _lines(column, left)
        for i, place in list(zip(column.members, column.layout.places, strict=True))[column.ports :]:
            where[i] = left + place.x, _y(place)
            parts.append(_box(boxes[i], *where[i], bool(outputs & {v.name for v in boxes[i].values})))
        left += column.layout.width + GUTTER
    parts += _legend(foot + 20)
    return picture(parts, max(left - GUTTER, LEGEND), foot + 28, f"drawing of graph {w.name(graph.name, 60)}")


def boxes_of(graph: Graph, most: int = MOST) -> list[Box]:
    """Inputs, then steps; where these are too many, parts of the model as its names tell them."""
    inputs = [Box("state" if v.name in graph.states else "input", w.name(v.name, 60), _told(v), "violet", (v,))
              for v in graph.inputs]  # fmt: skip
    steps, room = _steps(graph), max(most - len(inputs), 8)
    if len(steps) <= room:
        return [*inputs, *(_step_box(s) for s in steps)]
    return [*inputs, *(_part_box(name, nodes) for name, nodes in _parts(graph, steps, room))]


def _parts(graph: Graph, steps: Sequence[list[Node]], room: int) -> list[tuple[str, list[Node]]]:
    """Runs of steps whose layers' names begin alike, as finely as there is room.

    Why runs: neighbours in the graph's order, taken together, never make a circle.
    """
    layers = layer_of(graph)
    names = [layers[s[-1].outs[0].name].split(".") for s in steps]
    for depth in range(max(map(len, names)), 0, -1):
        runs = groupby(zip(names, steps, strict=True), key=lambda pair: ".".join(pair[0][:depth]))
        parts = [(name, [n for _, step in run for n in step]) for name, run in runs]
        if len(parts) <= room:
            return parts
    while len(parts) > room:  # names that say nothing: neighbours together
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [(pair[-1][0], [n for _, nodes in pair for n in nodes]) for pair in pairs]
    return parts


def _steps(graph: Graph) -> list[list[Node]]:
    """Each node, with the roundings of its result that alone read it."""
    readers = Counter(v.name for n in graph.nodes for v in n.ins)
    outputs, steps, maker = {v.name for v in graph.outputs}, list[list[Node]](), dict[str, list[Node]]()
    for node in graph.nodes:
        read = node.ins[0].name
        alone = len(node.ins) == 1 and readers[read] == 1 and read not in outputs
        step = maker.get(read)
        if node.op.name in ROUNDS and alone and step is not None and len(step[-1].outs) == 1:
            step.append(node)
        else:
            step = [node]
            steps.append(step)
        maker |= {v.name: step for v in node.outs}
    return steps


def _step_box(nodes: Sequence[Node]) -> Box:
    """One step: its ops, and what it makes."""
    values, reads, tip = _facts(nodes)
    runs = [(name, len(list(run))) for name, run in groupby(n.op.name for n in nodes)]
    head = " + ".join(f"{n} {name}" if n > 1 else name for name, n in runs)
    return Box(head, w.name(values[-1].name, 60), tip, _kind(nodes), values, reads)


def _part_box(name: str, nodes: Sequence[Node]) -> Box:
    """A part of the model: its name, and how much is in it."""
    values, reads, tip = _facts(nodes)
    work = sum(macs(n) for n in nodes)
    size = f"{len(nodes)} nodes" if len(nodes) > 1 else nodes[0].op.name
    return Box(w.name(name, 60), size + (f", {w.large(work)} MACs" if work else ""), tip, _kind(nodes), values, reads)


def _facts(nodes: Sequence[Node]) -> tuple[tuple[Value, ...], set[str], str]:
    """What nodes make, what they read from outside, and all about them in a sentence."""
    values = tuple(v for n in nodes for v in n.outs)
    reads = {v.name for n in nodes for v in n.ins} - {v.name for v in values}
    ops, work = Counter(n.op.name for n in nodes), sum(macs(n) for n in nodes)
    told = ", ".join(f"{n} {name}" if n > 1 else name for name, n in ops.items())
    return values, reads, f"{_told(values[-1])}; {told}" + (f"; {work:,} MACs" if work else "")


def _kind(nodes: Sequence[Node]) -> str:
    if any(isinstance(n.op, PRODUCTS) for n in nodes):
        return "blue"
    names = {n.op.name for n in nodes}
    if names & TABLES:
        return "orange"
    return "gray" if names <= MOVES | ROUNDS else "green"


def _told(v: Value) -> str:
    return f"{w.name(v.name, 200)}: {v.type.fmt.name} {w.shape(v.type.shape)}"


def _y(p: Place) -> float:
    return p.layer * (HIGH + DOWN) + 8


def _wires(column: Column, left: float, where: Mapping[int, Point], foot: float) -> list[str]:
    """From boxes of earlier columns, along the foot of the page, up the gutter, to this column's ports."""
    parts = []
    for i, box in enumerate(column.members[: column.ports]):
        x, y = where[box][0], where[box][1] + HIGH
        port, up = column.layout.places[i], left - GUTTER / 2 - 5 * i
        to, head = left + port.x, _y(port) + HIGH - 2 * PORT
        turn = f"M{x:.1f} {y:.1f}V{foot:.1f}H{up:.1f}V{head - 8:.1f}H{to:.1f}V{head:.1f}"
        parts.append(path(turn, opacity=0.5))
        dot = f'cx="{to:.1f}" cy="{head + PORT:.1f}" r="{PORT}" fill="currentColor" fill-opacity="0.6"'
        parts.append(f"<g><title>from the column before</title><circle {dot}/></g>")
    return parts


def _lines(column: Column, left: float) -> list[str]:
    """Curves from the foot of each box through their bends to the head of another, and arrows."""
    plan, curves = column.layout, []
    for (i, j), bends in plan.bends.items():
        a, b = plan.places[i], plan.places[j]
        x, y = left + a.x, _y(a) + HIGH
        curve = [f"M{x:.1f} {y:.1f}"]
        for p in (*bends, b):
            to, end = left + p.x, _y(p)
            half = (end - y) / 2
            curve.append(f"C{x:.1f} {y + half:.1f} {to:.1f} {end - half:.1f} {to:.1f} {end:.1f}")
            x, y = to, end
            if p is not b:
                curve.append(f"v{HIGH}")
                y += HIGH
        curves.append("".join(curve))
    heads = sorted({j for _, j in plan.bends})
    arrows = [f"M{left + plan.places[j].x - 3.5:.1f} {_y(plan.places[j]) - 6:.1f}h7l-3.5 6z" for j in heads]
    return [path("".join(curves), opacity=0.5), area("".join(arrows), "currentColor", 0.6)]


def _legend(y: float) -> list[str]:
    """What colours mean."""
    parts, x = [], 2.0
    for tone, what in MEANING.items():
        parts += [area(bar(x, y - 8, 9, 9), COLORS[tone], 0.6), text(what, x + 13, y, size=10, soft=True)]
        x += 28 + 5.4 * len(what)
    return [*parts, text("thick: outputs", x, y, size=10, soft=True)]


def _box(box: Box, middle: float, y: float, output: bool) -> str:
    x, tone, end = middle - BOX / 2, COLORS[box.kind], HIGH / 2 if box.kind == "violet" else 5.0
    look = f'fill="{tone}" fill-opacity="0.16" stroke="{tone}" stroke-width="{2.5 if output else 1}"'
    rect = f'<rect x="{x:.1f}" y="{y:.1f}" width="{BOX}" height="{HIGH}" rx="{end:g}" {look}/>'
    room = BOX - 2 * end
    head = text(tail(box.head, room, 11), middle, y + 14, anchor="middle", bold=True)
    name = text(tail(box.name, room, 10), middle, y + 27, size=10, anchor="middle", soft=True)
    return f"<g><title>{escape(box.tip)}</title>{rect}{head}{name}</g>"
