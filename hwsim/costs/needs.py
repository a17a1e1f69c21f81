"""What a node asks of the vector units: families, widths by proven reach, operations.

A unit is as wide as its node's values can provably get; what is never below 0 needs no bit for a sign. Where a node
has no unit of its own, another one that can do it stands in, at that one's cost: a shift and a shift by a value are
requantizations whose multiplier is 1, a selection and a product with -1, 0 or 1 count as additions, a maximum as a step
of a sum, and blocks are quantized by the maximum of each block and one requantization an element.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Graph, Node
from ..ops import (
    MOVEMENT,
    Add,
    BlockMatMul,
    BlockQuantize,
    Conv2d,
    Gather,
    Lut,
    MatMul,
    Mul,
    Normalize,
    Pool,
    Pwl,
    Reduce,
    Requant,
    Select,
    Shift,
    ShiftBy,
)
from ..ranges import Interval

PRODUCTS = (MatMul, Conv2d, BlockMatMul)
FREE: dict[str, tuple[type, ...]] = {  # by kind of numbers: what leaves every number as it is
    "codes": MOVEMENT,
    "float": (*MOVEMENT, Requant, Shift, ShiftBy, Normalize, BlockQuantize, Select),
}


@dataclass(frozen=True, kw_only=True)
class Need:
    """Operations of one family of vector units.

    Args:
        family: of `hwsim.costs.families`.
        least: smallest parameters of a unit that can do it.
        operations: elements that pass it, one a cycle and lane, of one sample.
        load: words of a table that are written first.
        groups: sums that are independent of each other; a sum stays in its lane.
    """

    family: str
    least: dict[str, int]
    operations: int
    load: int = 0
    groups: int = 0


def width(reach: Interval) -> int:
    """Bits of every integer of `reach`: with a sign only where one is below 0."""
    return reach.bits if reach.lo < 0 else max(1, reach.hi.bit_length())


def needs(graph: Graph, node: Node, numbers: str) -> tuple[Need, ...]:
    """What vector units do for a node; nothing where codes only move.

    Raises:
        ValueError: an op that no vector unit computes.
    """
    if isinstance(node.op, (*FREE[numbers], Gather)):
        return ()
    return _float_needs(node) if numbers == "float" else _code_needs(graph, node)


def _code_needs(graph: Graph, node: Node) -> tuple[Need, ...]:
    op, out = node.op, node.outs[0]
    ins, y = [width(graph.reach[v.name]) for v in node.ins], width(graph.reach[out.name])
    x, size = ins[0], out.type.elements
    match op:
        case Requant() | Shift() | ShiftBy():
            return (Need(family="requant", least={"bits": x, "out": y}, operations=size),)
        case Lut():
            entries = len(op.table)
            least = {"bits": (entries - 1).bit_length(), "out": op.fmt.bits}
            return (Need(family="lut", least=least, operations=size, load=entries),)
        case Pwl():
            return _pwl_needs(op, graph.reach[node.ins[0].name], y, size)
        case Add() | Select():
            values = ins[1:] if isinstance(op, Select) else ins
            return (Need(family="add", least={"bits": max(*values, y)}, operations=size),)
        case Mul() if any(graph.reach[v.name].magnitude <= 1 for v in node.ins):
            return (Need(family="add", least={"bits": max(*ins, y)}, operations=size),)
        case Mul():
            a, b = sorted(ins[:2], reverse=True)
            return (Need(family="multiply", least={"a": a, "b": b}, operations=size),)
        case Reduce() | Pool():
            return _sum_needs(node, x, y)
        case Normalize():
            return (Need(family="normalize", least={"bits": x}, operations=size),)
        case BlockQuantize():
            return (
                Need(family="reduce", least={"bits": x, "acc": x}, operations=size, groups=node.outs[1].type.elements),
                Need(family="requant", least={"bits": x, "out": op.fmt.bits}, operations=size),
            )
    raise ValueError(f"no vector unit computes {op.name} on codes")


def _pwl_needs(op: Pwl, x: Interval, y: int, size: int) -> tuple[Need, ...]:
    """Slopes, breakpoints and what intercepts have before their common zeros; a result that drops bits is rounded."""
    low = min((b & -b).bit_length() - 1 for b in op.intercepts if b) if any(op.intercepts) else 0
    words = (*op.breakpoints, *op.slopes, *(b >> low for b in op.intercepts))
    bits = max(width(x), *(Interval(w, w).bits for w in words))
    load = len(op.breakpoints) + len(op.slopes) + len(op.intercepts)
    table = Need(family="pwl", least={"bits": bits, "entries": len(op.slopes)}, operations=size, load=load)
    if not op.shift:
        return (table,)
    return (table, Need(family="requant", least={"bits": width(op.accumulator(x)), "out": y}, operations=size))


def _sum_needs(node: Node, x: int, y: int) -> tuple[Need, ...]:
    op, size = node.op, node.outs[0].type.elements
    assert isinstance(op, Reduce | Pool)
    count = op.count(node.ins[0].type) if isinstance(op, Reduce) else op.count
    bits = 2 * x if op.kind == "sum_square" else x
    sums = Need(family="reduce", least={"bits": bits, "acc": max(bits, y)}, operations=size * count, groups=size)
    if op.kind != "sum_square":
        return (sums,)
    return (Need(family="multiply", least={"a": x, "b": x}, operations=size * count), sums)


def _float_needs(node: Node) -> tuple[Need, ...]:
    """Rounding, shifting, normalizing and choosing take nothing of a float; a square is added as a product is."""
    op, size = node.op, node.outs[0].type.elements
    match op:
        case Lut() | Pwl():
            return (Need(family="float_pwl", least={}, operations=size),)
        case Add() | Mul():
            return (Need(family="float_mac", least={}, operations=size),)
        case Reduce() | Pool():
            count = op.count(node.ins[0].type) if isinstance(op, Reduce) else op.count
            return (Need(family="float_mac", least={}, operations=size * count, groups=size),)
    raise ValueError(f"no vector unit computes {op.name} on floats")
