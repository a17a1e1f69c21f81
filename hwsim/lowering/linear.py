"""linear [+ relu] -> matmul (bias and input zero point folded into its start) + requant."""

from __future__ import annotations

import numpy as np

from ..formats import INT32, Format, Reals, format_named
from ..front import FrontNode
from ..observers import pow2_up
from ..ops import MatMul
from ..qtensor import QTensor, QType, quantize
from .context import Lowering


def lower_linear(ctx: Lowering, node: FrontNode) -> None:
    """See the module."""
    x = ctx.value(node.ins[0], node)
    weight = ctx.front.params[node.ins[1]].astype(np.float64).T
    bias = ctx.front.params[node.ins[2]].astype(np.float64) if len(node.ins) > 2 else np.zeros(weight.shape[1])
    name, relu = ctx.absorb_relu(node)
    out, r = ctx.type_of(name), ctx.recipe.at(node.out)
    scale = weight_scales(weight, bias, x.type, out, format_named(r.weights), per_channel=r.per_channel)
    if ctx.power_of_two(r):
        scale = np.array([pow2_up(s) for s in scale])
    if r.per_channel:
        w = quantize(weight, format_named(r.weights), scale=scale.tolist(), axis=1)
    else:
        w = quantize(weight, format_named(r.weights), scale=float(scale[0]))
    wv = ctx.graph.constant(f"{node.out}.weight", w)
    bv = ctx.graph.constant(f"{node.out}.bias", fold_bias(bias, x.type, w))
    acc = ctx.graph.add(MatMul(), x, wv, bv, name=f"{name}.acc")
    y = ctx.requantize(acc, name, out, relu=relu)
    ctx.define(node.out, y)
    ctx.define(name, y)


def weight_scales(weight: Reals, bias: Reals, x: QType, out: QType, fmt: Format, *, per_channel: bool) -> Reals:
    """One scale a channel of `weight` (k, n): the largest weight on the largest code.

    Why more: a channel of tiny or zero weights would have an accumulator step so fine (or so coarse) that its bias
    leaves INT32 (or is lost); such channels take the scale that keeps the bias within 2**29 steps.
    """
    top = np.abs(weight).max(0) / np.ldexp(float(fmt.max_int), fmt.lsb_exp)
    unit = np.ldexp(np.asarray(x.scale), x.fmt.lsb_exp + fmt.lsb_exp)
    idle = float(np.max(out.lsb)) / float(unit) / 256
    scale = np.maximum(np.where(top > 0, top, idle), np.abs(bias) / (float(unit) * 2.0**29))
    return scale if per_channel else np.full(scale.shape, scale.max())


def fold_bias(bias: Reals, x: QType, w: QTensor) -> QTensor:
    """Start of the accumulator: the bias in its steps, less ``zero_point_x * sum_k w``."""
    lsb = np.ldexp(np.asarray(x.scale) * np.asarray(w.type.scale), x.fmt.lsb_exp + w.type.fmt.lsb_exp)
    start = np.rint(bias / lsb).astype(np.int64) - np.asarray(x.zero_point) * w.to_int().sum(0)
    if (np.abs(start) > INT32.max_int).any():
        raise ValueError(
            f"bias of {float(np.abs(bias).max())!r} leaves the 32-bit accumulator; use wider weights or activations"
        )
    scale = tuple(lsb.tolist()) if lsb.ndim else float(lsb)
    t = QType(start.shape, INT32, scale, axis=0 if lsb.ndim else None)
    return QTensor(t, start.astype(np.int32))
