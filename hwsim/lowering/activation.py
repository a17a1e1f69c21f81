"""Functions of one value: a table over all its codes where it has at most 8 bits, a clamping requant for wide ReLUs."""

from __future__ import annotations

from ..blocks import pointwise
from ..front import FrontNode
from ..front_ops import UNARY
from .context import CLAMPS, Lowering


def lower_unary(ctx: Lowering, node: FrontNode) -> None:
    """A function that no layer before it could absorb; the layout does not matter.

    A table of a 16-bit value has 65,536 entries: exact, and its flash shows in every report.
    """
    source, out = ctx.stored(node.ins[0], node), ctx.type_of(node.out)
    x, fn, settings = source.value, UNARY[node.op], dict(node.attrs)
    if node.op in CLAMPS and x.type.fmt.bits > 8:
        y = ctx.requantize(x, node.out, out, clamp=node.op)
    else:
        y = pointwise(ctx.graph, x, lambda v: fn(v, **settings), out, name=node.out)
    ctx.define(node.out, y, source.layout, source.image)
