"""layer_norm and rms_norm -> their blocks; identity -> a requantization, or an operand."""

from __future__ import annotations

from ..blocks import RMSNorm
from ..contracts import contract_named
from ..front import FrontNode
from ..ops import Mul
from .context import PLAIN, Lowering
from .elementwise import parameter
from .operands import lower_operand


def lower_layer_norm(ctx: Lowering, node: FrontNode) -> None:
    """The block, with the recipe's widths."""
    r, x = ctx.settings(node.out), ctx.value(node.ins[0], node)
    weight, bias = (ctx.param(node, i) if len(node.ins) > i else None for i in (1, 2))
    y = r.layernorm(
        ctx.graph, x, ctx.type_of(node.out), weight=weight, bias=bias, eps=node.attrs["eps"],
        contract=contract_named(r.contract), rounding=r.rounding, tables=r.tables, name=node.out,
    )  # fmt: skip
    ctx.define(node.out, y)


def lower_rms_norm(ctx: Lowering, node: FrontNode) -> None:
    """The block, with the widths of the recipe's layernorm."""
    r, x = ctx.settings(node.out), ctx.value(node.ins[0], node)
    weight = ctx.param(node, 1) if len(node.ins) > 1 else None
    block = RMSNorm(width=r.layernorm.width, mantissa=r.layernorm.mantissa)
    y = block(
        ctx.graph, x, ctx.type_of(node.out), weight=weight, eps=node.attrs["eps"],
        contract=contract_named(r.contract), rounding=r.rounding, tables=r.tables, name=node.out,
    )  # fmt: skip
    ctx.define(node.out, y)


def lower_identity(ctx: Lowering, node: FrontNode) -> None:
    """The same reals in the type of their own; with a gain an exact product before that."""
    x = ctx.value(node.ins[0], node)
    if len(node.ins) > 1:
        x = ctx.exact(Mul(), x, parameter(ctx, node.ins[1], node, PLAIN), name=f"{node.out}.acc")
    if "operand" in node.attrs:
        lower_operand(ctx, node, x)
        return
    ctx.define(node.out, ctx.requantize(x, node.out, ctx.type_of(node.out)))
