"""linear [+ clamp] -> matmul (bias and input zero point folded into its start) + requant.

Weights in blocks: block_matmul, whose accumulator's lsb is as fine as INT32 allows, + bias + requant.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..blockformats import BIAS, BlockFormat, BlockTensor, quantize_blocks, weight_format_named
from ..formats import INT32, UINT8, Reals
from ..front import FrontNode
from ..graph import Value
from ..ops import Add, BlockMatMul, MatMul
from ..qtensor import QTensor, QType, quantize
from ..ranges import Interval, Operand, format_interval
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
    if isinstance(fmt, BlockFormat) or source.blocks:
        x, *exponents = source.blocks or (x,)
        acc = in_blocks(ctx, node, x, block_weights(ctx, node, weight), f"{name}.acc", *exponents)
    else:
        w, start = weighted(ctx, node, x, weight, out, axis=1)
        acc = accumulated(ctx, node, MatMul(), x, w, start, name=f"{name}.acc")
    y = ctx.requantize(acc, name, out, clamp=clamp)
    ctx.define(node.out, y)
    ctx.define(name, y)


def block_weights(ctx: Lowering, node: FrontNode, weight: Reals) -> BlockTensor:
    """The weights (k, n) in their blocks; formats of elements, under operands in blocks, have one scale a column."""
    fmt, operand = ctx.weight_format(node), ctx.roles.operands.get(node.ins[0])
    read = weight_format_named(operand) if operand else None
    if not isinstance(fmt, BlockFormat):
        assert isinstance(read, BlockFormat)  # else there are no blocks
        w = quantize(weight, fmt, axis=1)
        shape, scale = (read.groups(len(weight)), weight.shape[1]), w.type.scale
        whole = BlockFormat(name=fmt.name, element=fmt, block=read.block, scale=UINT8, base="channel")
        ones = QTensor(QType(shape, UINT8, scale, axis=1), np.ones(shape, UINT8.dtype))
        return BlockTensor(whole, 0, QTensor(QType(weight.shape, fmt), w.codes), ones)
    if isinstance(read, BlockFormat) and read.block != fmt.block:
        raise ValueError(
            f"linear {node.out!r}: operands in blocks of {read.block} ({read.name}), weights in blocks of {fmt.block} "
            f"({fmt.name}); give both the same block, or the weights a format of elements"
        )
    return quantize_blocks(weight, fmt, axis=0)


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
        room = reach_of(op, ins)
        if room and room.shifted(int(codes.max())).union(room.shifted(int(codes.min()))).inside(format_interval(INT32)):
            break
        op = replace(op, lsb_exp=op.lsb_exp + 1, rounding="half_up")
    acc = g.add(op, x, *parts, name=name if not codes.any() else f"{name}.blocks")
    if not codes.any():
        return acc
    scale, axis = (acc.type.scale, 0) if isinstance(acc.type.scale, tuple) else (acc.type.scale, None)
    start = QTensor(QType(codes.shape, INT32, scale, axis=axis), codes.astype(INT32.dtype))
    return ctx.exact(Add(), acc, g.constant(f"{node.out}.bias", start), name=name)


def reach_of(op: BlockMatMul, ins: list[Operand]) -> Interval | None:
    """What the op can reach; None where int64 does not hold it but would with a coarser accumulator."""
    try:
        return op.reach(*ins)
    except ValueError:
        if op.lsb_exp >= op.max_exp:  # nothing is shifted left any more: the type rule's own words
            raise
        return None
