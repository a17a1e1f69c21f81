"""matmul of two values and softmax: scores that only a softmax reads stay in their accumulator."""

from __future__ import annotations

from ..blocks import LogSoftmax
from ..contracts import contract_named, suited
from ..front import FrontNode
from ..ops import MatMul
from .context import Lowering
from .masks import softmax_mask

SCORED = ("softmax", "log_softmax")


def lower_matmul(ctx: Lowering, node: FrontNode) -> None:
    """``gain * a @ b``; the zero point of `a` is 0 by its role, that of `b` is subtracted."""
    op = MatMul(gain=float(node.attrs.get("gain", 1.0)))
    sides = [ctx.value(i, node) for i in node.ins]
    readers = ctx.front.consumers(node.out)
    if readers and all(n.op in SCORED for n in readers) and node.out not in ctx.front.outputs:
        ctx.define(node.out, ctx.exact(op, *sides, name=node.out))
        return
    acc, out = ctx.exact(op, *sides, name=f"{node.out}.acc"), ctx.type_of(node.out)
    rule = suited(contract_named(ctx.settings(node.out).contract), float(acc.type.lsb / out.lsb))
    ctx.define(node.out, ctx.requantize(acc, node.out, out, contract=rule))


def lower_softmax(ctx: Lowering, node: FrontNode) -> None:
    """The block, with the recipe's widths."""
    r, x = ctx.settings(node.out), ctx.value(node.ins[0], node)
    mask = softmax_mask(ctx, node)
    y = r.softmax(
        ctx.graph, x, ctx.type_of(node.out), mask=mask,
        contract=contract_named(r.contract), rounding=r.rounding, tables=r.tables, name=node.out,
    )  # fmt: skip
    ctx.define(node.out, y)


def lower_log_softmax(ctx: Lowering, node: FrontNode) -> None:
    """The block, with the widths of the recipe's softmax."""
    r, x = ctx.settings(node.out), ctx.value(node.ins[0], node)
    y = LogSoftmax(softmax=r.softmax)(
        ctx.graph, x, ctx.type_of(node.out),
        contract=contract_named(r.contract), rounding=r.rounding, tables=r.tables, name=node.out,
    )  # fmt: skip
    ctx.define(node.out, y)
