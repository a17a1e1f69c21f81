"""Functions of one value: the recipe's fitted table, else one of all codes; a clamping requant for wide ReLUs."""

from __future__ import annotations

from ..blocks import activation
from ..contracts import contract_named
from ..front import FrontNode
from .context import CLAMPS, Lowering
from .roles import function_of


def lower_unary(ctx: Lowering, node: FrontNode) -> None:
    """A function that no layer before it could absorb; the layout does not matter.

    A whole table of a 16-bit value has 65,536 entries: exact, and its flash shows in every report.
    """
    r, source, out = ctx.settings(node.out), ctx.stored(node.ins[0], node), ctx.type_of(node.out)
    x = source.value
    if node.op in CLAMPS and x.type.fmt.bits > 8:
        y = ctx.requantize(x, node.out, out, clamp=node.op)
    else:
        y = activation(
            ctx.graph, x, function_of(node), out,
            contract=contract_named(r.contract), rounding=r.rounding, tables=r.tables, name=node.out,
        )  # fmt: skip
    ctx.define(node.out, y, source.layout, source.image)
