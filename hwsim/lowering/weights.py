"""Weights, their scales, and the start of an accumulator: shared by linear and convolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..blockformats import BlockFormat
from ..formats import INT8, INT32, INT48, FloatFormat, Format, IntFormat, Reals
from ..front import FrontNode
from ..graph import Value
from ..observers import pow2_up
from ..ops import Conv2d, MatMul
from ..ops.datapath import accumulator_named
from ..qtensor import QTensor, QType, quantize
from ..ranges import Interval
from ..recipe import Recipe
from ..rounding import Ints
from .context import Lowering


def weighted(ctx: Lowering, node: FrontNode, x: Value, weight: Reals, out: QType, axis: int) -> tuple[Value, Value]:
    """Constants of the weight (output channels along `axis`) and of the folded start of the accumulator."""
    r, fmt = ctx.settings(node.out), ctx.weight_format(node)
    if isinstance(fmt, BlockFormat):
        raise ValueError(
            f"{node.op} {node.out!r}: weights in {fmt.name}: blocks are for linear layers; give this one another "
            f'format, [overrides."{node.out}"] in the recipe'
        )
    bias = bias_of(ctx, node, weight.shape[axis])
    rows = np.moveaxis(weight, axis, -1).reshape(-1, weight.shape[axis])
    if mark := ctx.front.marks.get(node.ins[1]):
        scale = np.broadcast_to(np.asarray(mark.scale), bias.shape)
    else:
        scale = weight_scales(rows, bias, x.type, out, fmt, per_channel=r.per_channel)
    if r.powers_of_two:
        scale = np.array([pow2_up(s) for s in scale])
    if (scale == scale[0]).all() and not r.per_channel:
        w = quantize(weight, fmt, scale=float(scale[0]))
    else:
        w = quantize(weight, fmt, scale=scale.tolist(), axis=axis)
    start = fold_bias(node, bias, x.type, w, np.moveaxis(w.to_int(), axis, -1).reshape(rows.shape), r)
    g = ctx.graph
    return g.constant(f"{node.out}.weight", w), g.constant(f"{node.out}.bias", start)


def bias_of(ctx: Lowering, node: FrontNode, channels: int) -> Reals:
    """The bias of a layer, zeros where it has none."""
    return ctx.param(node, 2) if len(node.ins) > 2 else np.zeros(channels)


def weight_scales(weight: Reals, bias: Reals, x: QType, out: QType, fmt: Format, *, per_channel: bool) -> Reals:
    """One scale a channel of `weight` (k, n): the largest weight on the largest code.

    Why more: a channel of tiny or zero weights would have an accumulator step so fine (or so coarse) that its bias
    leaves INT32 (or is lost); such channels take the scale that keeps the bias within 2**29 steps. Where steps are
    finer than 8 bits of that range would have (floats of many binades, steps along k) it may have up to 2**46.
    """
    top = np.abs(weight).max(0) / np.ldexp(float(fmt.max_int), fmt.lsb_exp)
    unit = float(np.ldexp(np.min(x.scale), x.fmt.lsb_exp + fmt.lsb_exp))
    usual = unit * int(x.gains.max()) * binades(x.fmt) * binades(fmt)
    idle = float(np.max(out.lsb)) / usual / 256
    least = np.maximum(np.abs(bias) / (usual * 2.0**29), np.abs(bias) / (unit * 2.0**46))
    least = np.maximum(least, idle * 2.0**-20)  # 2**-28 of the result's step is nothing
    if not per_channel:  # an idle channel has no say in the others' scale
        top = np.full(top.shape, top.max())
        least = np.full(top.shape, least.max())
    return np.maximum(np.where(top > 0, top, idle), least)


def accumulated(ctx: Lowering, node: FrontNode, op: MatMul | Conv2d, *ins: Value, name: str) -> Value:
    """`op` in the recipe's accumulator; where it names none, in the narrowest that provably holds the sums."""
    r = ctx.settings(node.out)
    if not r.accumulator:
        return ctx.exact(op, *ins, name=name)
    acc = accumulator_named(r.accumulator)
    return ctx.graph.add(replace(op, acc=acc, datapath=r.datapath), *ins, name=name)


def binades(fmt: Format) -> float:
    """How much finer a float format's step is than 8 bits of its range need; 1 for integers."""
    return max(1.0, fmt.max_int / INT8.max_int) if isinstance(fmt, FloatFormat) else 1.0


def fold_bias(node: FrontNode, bias: Reals, x: QType, w: QTensor, rows: Ints, r: Recipe) -> QTensor:
    """Start of the accumulator: the bias in its steps, less the products of a real 0 with all of a channel's weights.

    Why products, each cut as the datapath cuts it: inputs that are 0 then leave the bias alone, whatever is dropped.
    """
    path = r.datapath
    lsb = np.ldexp(np.min(x.scale) * np.asarray(w.type.scale), x.fmt.lsb_exp + w.type.fmt.lsb_exp + path.drop)
    start = np.rint(bias / lsb).astype(np.int64) - path.cut(np.asarray(x.zero_point) * rows).sum(0)
    fmt = start_format(node, start, x, r)
    scale = tuple(lsb.tolist()) if lsb.ndim else float(lsb)
    return QTensor(QType(start.shape, fmt, scale, axis=0 if lsb.ndim else None), start.astype(fmt.dtype))


def start_format(node: FrontNode, start: Ints, x: QType, r: Recipe) -> IntFormat:
    """The accumulator's format where the recipe names one, else INT32 or INT48; ValueError where `start` leaves it."""
    if r.accumulator:
        acc, reach = accumulator_named(r.accumulator), Interval(int(start.min()), int(start.max()))
        limits = r.datapath.limits(acc)
        if not reach.inside(limits):
            folded = f" (zero_point {x.zero_point} of the input folded in)" if np.any(x.zero_point) else ""
            more = "an input with symmetric = true, or " if folded else ""
            raise ValueError(
                f"{node.op} {node.out!r}: the bias alone{folded} takes {reach.bits} bits, {reach.lo}..{reach.hi}, its "
                f"accumulator {acc.name} holds {limits.lo}..{limits.hi}; give it {more}a wider accumulator or more "
                f'dropped bits, [overrides."{node.out}"] in the recipe'
            )
        return acc
    fmt = INT32 if (np.abs(start) <= INT32.max_int).all() else INT48
    if (np.abs(start) > INT48.max_int).any():
        most = int(np.abs(start).max())
        raise ValueError(f"{node.op} {node.out!r}: a bias of {most} steps leaves {INT48.name}; use wider weights")
    return fmt
