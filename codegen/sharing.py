"""Which values may share memory: views, which need no step at all, and results that are written over an input.

Why a step may write over an input: its loop goes through the result in ascending order, reads of that input the element
at the result's own index and nothing else, and reads it before it stores. The result begins at the same byte and its
elements are no wider, so element i of the result ends where element i of the input ends, or before. Pointers of these
steps must therefore not be `restrict`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from hwsim.graph import Graph, Node, Value
from hwsim.ops import Reshape, Slice, Split

from .fusion import MAPS

ELEMENTWISE = ("add", "mul", "scaled_add", "float_divide", "shift_by", "select", "normalize")


@dataclass(frozen=True)
class View:
    """Where a value lies: in the buffer of `root`, from its element `start` on."""

    root: str
    start: int = 0


def overwritable(node: Node) -> list[Value]:
    """Inputs whose places the results of the step that `node` heads may take, should they end there."""
    if node.op.name in MAPS:
        return [node.ins[0]]
    if node.op.name in ELEMENTWISE:
        return [v for v in node.ins if v.type.sample_shape == node.outs[0].type.sample_shape]
    return []


def parts(node: Node) -> list[int] | None:
    """First element of each result in the only input, where all are contiguous pieces of it; else None.

    Reshapes are; slices and splits of the outermost axis that is longer than 1.
    """
    op, x = node.op, node.ins[0].type
    if isinstance(op, Reshape):
        return [0]
    if not isinstance(op, Slice | Split) or any(d != 1 for d in x.sample_shape[: op.axis - x.batched]):
        return None
    if isinstance(op, Slice):
        return [op.start * x.elements // int(x.shape[op.axis])] if op.step == 1 else None
    return list(accumulate((v.type.elements for v in node.outs[:-1]), initial=0))


def views(graph: Graph, heads: Iterable[Node], *, pieces: bool) -> dict[str, View]:
    """Values that need no step, by name: what they are part of.

    Args:
        graph: says which values are the caller's buffers and which are constants.
        heads: the first node of each step in order; a step that fuses another node is no view.
        pieces: views of a part too, which keep the whole alive.
    """
    outputs, ports = {v.name for v in graph.outputs}, {v.name for v in (*graph.inputs, *graph.outputs)}
    found: dict[str, View] = {}
    for node in heads:
        starts = parts(node)
        if starts is None or node.ins[0].name in graph.constants or not (pieces or isinstance(node.op, Reshape)):
            continue
        x, y = found.get(node.ins[0].name, View(node.ins[0].name)), node.outs[0]
        if not outputs.intersection(v.name for v in node.outs):
            found |= {v.name: View(x.root, x.start + s) for v, s in zip(node.outs, starts, strict=True)}
        elif x.root not in ports and graph.known[x.root].type.elements == y.type.elements:
            # All of it is the caller's: what makes the input writes there at once.
            found = {name: View(y.name) if v.root == x.root else v for name, v in found.items()}
            found[x.root] = View(y.name)
    return found
