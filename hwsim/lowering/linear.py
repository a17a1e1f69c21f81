"""linear [+ clamp] -> matmul (bias and input zero point folded into its start) + requant.

Weights in blocks: block_matmul, whose accumulator's lsb is as fine as INT32 allows, + bias + requant.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..blockformats import BIAS, BlockFormat, BlockTensor, quantize_blocks
from ..formats import INT32
from ..front import FrontNode
from ..graph import Value
from ..ops import Add, BlockMatMul, MatMul
from ..qtensor import QTensor, QType
from ..ranges import Operand, format_interval
from .context import FLAT, Lowering
from .weights import accumulated, bias_of, weighted

PARTS = ("weight", "scales", "zeros")  # of a tensor in blocks; symmetric ones have no zeros


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
    fmt = ctx.weight_format(node)
    if isinstance(fmt, BlockFormat):
        x, *exponents = source.blocks or (x,)
        acc = in_blocks(ctx, node, x, quantize_blocks(weight, fmt, axis=0), f"{name}.acc", *exponents)
    elif source.blocks:
        raise ValueError(
            f"linear {node.out!r}: operands in blocks need weights in blocks, not in {fmt.name}; give this layer both, "
            f'or neither, [overrides."{node.out}"] in the recipe'
        )
    else:
        w, start = weighted(ctx, node, x, weight, out, axis=1)
        acc = accumulated(ctx, node, MatMul(), x, w, start, name=f"{name}.acc")
    y = ctx.requantize(acc, name, out, clamp=clamp)
    ctx.define(node.out, y)
    ctx.define(name, y)


def in_blocks(ctx: Lowering, node: FrontNode, x: Value, b: BlockTensor, name: str, *exponents: Value) -> Value:
    """``x @ b + bias`` in INT32; what is finer than that allows is rounded away, block by block.

    `exponents` are those of the blocks of `x`, where it has any.
    """
    if named := ctx.settings(node.out).accumulator:
        raise ValueError(
            f"linear {node.out!r}: accumulator {named} with weights in {b.fmt.name}: blocks sum in INT32 as yet; give "
            f'it accumulator = "" and an empty datapath, or other weights, [overrides."{node.out}"] in the recipe'
        )
    g, bias = ctx.graph, bias_of(ctx, node, int(b.codes.type.shape[1]))
    parts = [g.constant(f"{node.out}.{what}", t) for what, t in zip(PARTS, b.parts, strict=False)]
    parts[2:2] = exponents
    ins = [Operand(v.type, g.reach[v.name], g.constants.get(v.name)) for v in (x, *parts)]
    op = BlockMatMul.exact(b, left=g.reach[exponents[0].name].shifted(-BIAS) if exponents else None)
    while True:
        lsb = np.atleast_1d(op.out_type(*(i.type for i in ins)).lsb)
        codes = np.rint(bias / lsb)
        room = op.reach(*ins)
        if room.shifted(int(codes.max())).union(room.shifted(int(codes.min()))).inside(format_interval(INT32)):
            break
        op = replace(op, lsb_exp=op.lsb_exp + 1, rounding="half_up")
    acc = g.add(op, x, *parts, name=name if not codes.any() else f"{name}.blocks")
    if not codes.any():
        return acc
    scale, axis = (acc.type.scale, 0) if isinstance(acc.type.scale, tuple) else (acc.type.scale, None)
    start = QTensor(QType(codes.shape, INT32, scale, axis=axis), codes.astype(INT32.dtype))
    return ctx.exact(Add(), acc, g.constant(f"{node.out}.bias", start), name=name)
