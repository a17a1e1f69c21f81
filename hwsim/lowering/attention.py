"""matmul of two values and softmax: scores that only a softmax reads stay in their accumulator."""

from __future__ import annotations

import numpy as np

from ..contracts import contract_named, suited
from ..formats import UINT1
from ..front import FrontNode
from ..graph import Value
from ..ops import MatMul
from ..qtensor import QTensor, QType
from .context import Lowering


def lower_matmul(ctx: Lowering, node: FrontNode) -> None:
    """``gain * a @ b``; the zero point of `a` is 0 by its role, that of `b` is subtracted."""
    op = MatMul(gain=float(node.attrs.get("gain", 1.0)))
    sides = [ctx.value(i, node) for i in node.ins]
    readers = ctx.front.consumers(node.out)
    if readers and all(n.op == "softmax" for n in readers) and node.out not in ctx.front.outputs:
        ctx.define(node.out, ctx.exact(op, *sides, name=node.out))
        return
    acc, out = ctx.exact(op, *sides, name=f"{node.out}.acc"), ctx.type_of(node.out)
    rule = suited(contract_named(ctx.settings(node.out).contract), float(acc.type.lsb / out.lsb))
    ctx.define(node.out, ctx.requantize(acc, node.out, out, contract=rule))


def lower_softmax(ctx: Lowering, node: FrontNode) -> None:
    """The block, with the recipe's widths."""
    r, x = ctx.settings(node.out), ctx.value(node.ins[0], node)
    mask = constant_mask(ctx, node) if len(node.ins) > 1 else None
    out, contract = ctx.type_of(node.out), contract_named(r.contract)
    y = r.softmax(ctx.graph, x, out, mask=mask, contract=contract, rounding=r.rounding, name=node.out)
    ctx.define(node.out, y)


def constant_mask(ctx: Lowering, node: FrontNode) -> Value:
    """The mask parameter as UINT1, with as many axes as a sample."""
    keep = ctx.param(node, 1) != 0
    rank = len(ctx.shapes[node.ins[0]])
    keep = keep.reshape((1,) * (rank - keep.ndim) + keep.shape[max(0, keep.ndim - rank) :])
    codes = keep.astype(UINT1.dtype)
    return ctx.graph.constant(f"{node.out}.mask", QTensor(QType(np.shape(codes), UINT1), codes))
