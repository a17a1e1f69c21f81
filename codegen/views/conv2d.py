"""conv2d: ONNX's ConvInteger in NCHW where it is exact, else patches by Gather and a matrix product; C direct."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.formats import Codes, IntFormat
from hwsim.ops import Conv2d
from hwsim.ops.accumulation import worst_sum
from hwsim.ranges import Interval

from .accumulator import c_sums, onnx_steps, onnx_sums, plain_reach
from .c_view import CView, index, strides
from .dense import dense
from .depthwise import depthwise
from .onnx_types import BYTE, INT32, INT64, UINT8, Kind, exact_kind
from .onnx_view import OnnxView
from .ternary import product
from .vectors import Window, by_channel, products

INT32_RANGE = Interval(-(1 << 31), (1 << 31) - 1)


def onnx(v: OnnxView) -> None:
    """ConvInteger subtracts the input's zero point, the definition does not: the start takes the difference."""
    op = v.node.op
    assert isinstance(op, Conv2d)
    x, w = (v.graph.reach[i.name] for i in v.node.ins[:2])
    zero, weight_zero = int(np.max(v.type(0).zero_point)), np.asarray(v.type(1).zero_point)
    x = x.union(Interval(zero, zero))
    offsets = [128 if r.lo < 0 else 0 for r in (x, w)]
    codes, start = _weights(v), _start(v, zero)
    one_zero = weight_zero.ndim == 0 and 0 <= int(weight_zero) + offsets[1] <= BYTE.hi
    bytes_only = x.shifted(offsets[0]).inside(BYTE) and w.shifted(offsets[1]).inside(BYTE)
    plain, narrow = onnx_sums(v), plain_reach(v.graph, v.node).inside(INT32_RANGE) and np.abs(start).max() < 1 << 31
    v.fields |= {"out_shape": [-1, *v.node.outs[0].type.sample_shape]}
    v.replaces |= {1, 2} & set(range(len(v.node.ins)))
    if plain and bytes_only and one_zero and narrow:
        top, left = (p[0] for p in op.padding)
        bottom, right = (p[1] for p in op.padding)
        v.fields |= {"form": "integer", "x": v.byte(0, offsets[0]), "groups": op.groups, "kernel": op.kernel}
        v.fields |= {"pads": [top, left, bottom, right], "strides": op.stride, "dilations": op.dilation}
        v.fields["w"] = v.byte(1, offsets[1], np.moveaxis(codes, 3, 1))
        v.fields["x_zero"] = v.table(zero + offsets[0], UINT8)
        v.fields |= {"w_zero": v.table(weight_zero + offsets[1], UINT8), "start": v.table(start, INT32)}
    else:
        terms = int(np.prod(codes.shape[1:]))
        _patches(v, op, exact_kind(worst_sum(terms, v.type(0), v.type(1))) if plain else INT64, zero)
        bias = v.graph.constants[v.node.ins[2].name].codes if len(v.node.ins) > 2 else np.zeros(len(codes), np.int64)
        v.fields["start"] = v.table(bias if plain else bias.reshape(op.groups, 1, -1), INT64)
        if not plain:
            v.fields["form"] = "steps"
            onnx_steps(v, terms, len(codes) // op.groups, (4, 3))


def _weights(v: OnnxView) -> Codes:
    return v.graph.constants[v.node.ins[1].name].codes


def _start(v: OnnxView, zero: int) -> Codes:
    """Bias plus what ConvInteger takes off: ``zero_point_x * sum (w - zero_point_w)``, one an output channel."""
    w = v.graph.constants[v.node.ins[1].name].to_int()
    total = zero * w.reshape(w.shape[0], -1).sum(1)
    return total + (v.graph.constants[v.node.ins[2].name].codes if len(v.node.ins) > 2 else 0)


def _patches(v: OnnxView, op: Conv2d, kind: Kind, zero: int) -> None:
    """Pad, gather the patches, one matrix product a group."""
    (h, w, c), (oh, ow, o) = v.type(0).sample_shape, v.node.outs[0].type.sample_shape
    g, weights = op.groups, v.graph.constants[v.node.ins[1].name].to_int()
    taps = op.kernel[0] * op.kernel[1]
    pads = [0, op.padding[0][0], op.padding[1][0], 0, 0, op.padding[0][1], op.padding[1][1], 0]
    wide = w + sum(op.padding[1])
    v.fields |= {"form": "plain", "x": v.operand(0, kind, zero=False), "pads": pads, "pad": v.table(zero, kind)}
    v.fields["flat"] = [-1, (h + sum(op.padding[0])) * wide, c]
    v.fields["places"] = v.table(_places(op, oh, ow, wide), INT64)
    v.fields |= {"split": [-1, oh * ow, taps, g, c // g], "rows": [-1, g, oh * ow, taps * (c // g)]}
    v.fields["w"] = v.table(weights.reshape(g, o // g, -1).swapaxes(1, 2), kind)


def _places(op: Conv2d, oh: int, ow: int, wide: int) -> Codes:
    """Index into the flattened padded image of every tap of every window, (oh * ow * kh * kw)."""
    rows = np.arange(oh)[:, None] * op.stride[0] + np.arange(op.kernel[0]) * op.dilation[0]
    columns = np.arange(ow)[:, None] * op.stride[1] + np.arange(op.kernel[1]) * op.dilation[1]
    return (rows[:, None, :, None] * wide + columns[None, :, None, :]).reshape(-1)


def c(v: CView) -> None:
    """Direct loops; taps outside the image are the zero point."""
    op = v.node.op
    assert isinstance(op, Conv2d)
    (h, w, channels), (oh, ow, o) = v.type(0).sample_shape, v.out.sample_shape
    inner, zero = channels // op.groups, int(np.max(v.type(0).zero_point))
    reach = v.graph.reach[v.node.ins[0].name].union(Interval(zero, zero))
    c_sums(v, reach.times(v.reach(1)), op.kernel[0] * op.kernel[1] * inner, reach, v.reach(1))
    acc = v.fields["acc"]
    v.fields |= {"h": h, "w": w, "oh": oh, "ow": ow, "channels": o, "inner": inner}
    v.fields |= {"kernel": op.kernel, "stride": op.stride, "dilation": op.dilation}
    v.fields |= {"top": op.padding[0][0], "left": op.padding[1][0], "padded": any(map(any, op.padding))}
    v.fields["dense"] = v.fields["depth"] = None
    if op.groups == 1:
        v.fields["dense"] = _dense(v, reach)
    elif op.groups == channels == o:
        v.fields["depth"] = _depthwise(v, reach)
    if v.fields["dense"] or v.fields["depth"]:
        return
    group = f"o / {o // op.groups} * {inner} + " if op.groups > 1 else ""
    pixel = v.load(0).at(f"{group}{index(['ih', 'iw', 'c'], [w * channels, channels, 1])}", acc)
    weights, tap = v.load(1), index(["o", "kh", "kw", "c"], strides(v.type(1).sample_shape))
    offset = np.any(v.type(1).zero_point)
    weight = f"({weights.at(tap, acc)} - {_weight_zero(v)})" if offset else weights.at(tap, acc)
    v.fields["inside"] = f"{pixel} * {weight}" if offset else product(v, pixel, weights, tap, acc)
    v.fields["outside"] = f"({zero}) * {weight}" if zero or v.fields["add"]["tree"] > 1 else None
    v.fields["at"] = index(["kh", "kw", "c"], [op.kernel[1] * inner, inner, 1])
    v.fields["start"] = v.load(2).at("o", acc) if len(v.node.ins) > 2 else "0"


def _dense(v: CView, reach: Interval) -> dict[str, Any] | None:
    """Rows are patches, or pixels as they lie where the window is one of them."""
    op, ((h, w, c), (_, ow, o)) = v.node.op, (v.type(0).sample_shape, v.out.sample_shape)
    assert isinstance(op, Conv2d)
    weights = v.graph.constants[v.node.ins[1].name]
    if v.target.kernels == "x86" and (d := products(v, weights.to_int().reshape(o, -1), reach, _window(v))):
        return d
    d = dense(v, weights.to_int().reshape(o, -1), weights.codes.reshape(o, -1), reach, v.out.elements // o)
    if d:
        d["load"] = v.load(0).at
        if op.kernel == op.stride == (1, 1) and not any(map(any, op.padding)):
            return d
        d["patch"] = {"h": h, "w": w, "c": c, "ow": ow, "kernel": op.kernel, "stride": op.stride}
        d["patch"] |= {"dilation": op.dilation, "top": op.padding[0][0], "left": op.padding[1][0]}
        d["patch"] |= {"padded": any(map(any, op.padding)), "zero": int(np.max(v.type(0).zero_point))}
        d["patch"] |= {"runs": op.dilation[1] == 1, "run": op.kernel[1] * c}
    return d


def _depthwise(v: CView, reach: Interval) -> dict[str, Any] | None:
    """In vectors where the target has them."""
    if v.target.kernels == "x86":
        weights = v.graph.constants[v.node.ins[1].name].to_int().reshape(v.out.sample_shape[-1], -1)
        if d := by_channel(v, weights, reach, _window(v)):
            return d
    return depthwise(v, reach) if isinstance(v.type(0).fmt, IntFormat) else None


def _window(v: CView) -> Window:
    op, (oh, ow, _) = v.node.op, v.out.sample_shape
    assert isinstance(op, Conv2d)
    h, w, c = v.type(0).sample_shape
    return Window(
        image=(h, w, c), out=(oh, ow), kernel=op.kernel, stride=op.stride, dilation=op.dilation, padding=op.padding
    )


def _weight_zero(v: CView) -> Any:
    zero = v.type(1).zero_point
    return f"{v.table(zero, 'zero points')}[o]" if isinstance(zero, tuple) else f"({zero})"
