"""linear [+ clamp] -> matmul (bias and input zero point folded into its start) + requant."""

from __future__ import annotations

from ..front import FrontNode
from ..ops import MatMul
from .context import FLAT, Lowering
from .weights import weighted


def lower_linear(ctx: Lowering, node: FrontNode) -> None:
    """See the module. A flattened image is read as it lies: its weights are permuted instead."""
    source = ctx.stored(node.ins[0], node)
    weight = ctx.param(node, 1).T
    if source.layout == FLAT:
        channels, height, width = source.image
        weight = weight.reshape(channels, height, width, -1).transpose(1, 2, 0, 3).reshape(weight.shape)
        x = source.value
    else:
        x = ctx.value(node.ins[0], node)
    name, clamp = ctx.absorb_clamp(node)
    out = ctx.type_of(name)
    w, start = weighted(ctx, node, x, weight, out, axis=1)
    acc = ctx.exact(MatMul(), x, w, start, name=f"{name}.acc")
    y = ctx.requantize(acc, name, out, clamp=clamp)
    ctx.define(node.out, y)
    ctx.define(name, y)
