"""What each operation of the front graph computes: `FRONT_OPS`, float32, first axis the batch, channels second.

Arguments are (attrs, *inputs); `attrs` are plain JSON data. Why float64 inside: float32 sums depend on the BLAS and its
threads, and calibration ranges decide the bytes of a ``.qg``.

    linear       x, weight (out, in), bias?
    matmul       a (n, .., m, k), b (n, .., k, p), both values, leading sizes equal     gain (1): gain * a @ b
    conv2d       x (n, c, h, w), weight (o, c / g, kh, kw), bias?  stride, dilation [2]; padding [[t, b], ..], groups
    conv1d       x (n, c, l), weight (o, c / g, k), bias?          stride, dilation [1]; padding [[l, r]]; groups
    batch_norm   x (n, c, ..), weight, bias, mean, variance                eps; folded before lowering
    softmax      x, mask?, ..   over the last axis; what is 0 in one of the masks is left out, see below
    log_softmax  x               over the last axis
    layer_norm   x, weight?, bias?   over the last axis                    eps
    rms_norm     x, weight?          over the last axis                    eps
    relu, relu6, hardswish, hardsigmoid, sigmoid, tanh, silu, gelu  x      gelu: approximate "none" | "tanh"
    add, mul     a, b (values or parameters, broadcasting)
    max_pool2d, avg_pool2d  x (n, c, h, w)                         kernel, stride [2]; padding [[t, b], ..]
    max_pool1d, avg_pool1d  x (n, c, l)                            kernel, stride [1]; padding [[l, r]]
    mean, sum    x                                                         axes (not 0), kept at size 1
    div          a, b       a / max(b, least), values; b never negative    least (0)
    mask         x          an input of 0 and 1 alone, which it is; other numbers are refused
    not          keep       1 - keep, of 0 and 1
    masked       x, keep    x where keep is 1, else 0; keep, of 0 and 1, broadcasts
    concat       a, b, ..   a parameter has one axis less and stands for every sample    axis
    reshape      x                                                         shape, without the batch
    transpose    x                                                         perm, with 0 first
    slice        x                                                         axis, start, stop, step
    expand       x                                                         shape, without the batch
    embedding    indices (n, ..), table (entries, size)
    identity     x, gain?   x * gain: a place for another quantizer; gain, a parameter, one a channel of the last axis

Masks of a softmax are parameters that broadcast against a sample and keep something in every row, or values of 0 and 1
that broadcast against x. A row in which the values leave nothing is all 0, where torch gives NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import Reals
from .jit import jit

Floats = NDArray[np.float32]
Attrs = Mapping[str, Any]


@jit
def erf(x: Any) -> Any:
    """The error function of a contiguous array, float64."""
    y = np.empty_like(x)
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    for i in range(flat_x.size):
        flat_y[i] = math.erf(flat_x[i])
    return y


def gelu(x: Reals, approximate: str = "none") -> Reals:
    """``x * Phi(x)``, exactly or by tanh. Source: arXiv:1606.08415."""
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(np.asarray(x / math.sqrt(2), order="C")))


def sigmoid(x: Reals) -> Reals:
    """``1 / (1 + exp(-x))``, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


UNARY: dict[str, Callable[..., Reals]] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hardswish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "silu": lambda x: x * sigmoid(x),
    "gelu": gelu,
}
"""Functions of one real; extra settings are keyword arguments."""


def _linear(attrs: Attrs, x: Floats, weight: Floats, bias: Floats | None = None) -> Reals:
    y = x.astype(np.float64) @ weight.T.astype(np.float64)
    return y if bias is None else y + bias


def _windows(x: Floats, attrs: Attrs, fill: float) -> Reals:
    """Padded patches, shape (n, c, *out, *kernel)."""
    rank = len(attrs["kernel"])
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *map(tuple, attrs["padding"])], constant_values=fill)
    dilation = attrs.get("dilation", [1] * rank)
    span = tuple(d * (k - 1) + 1 for k, d in zip(attrs["kernel"], dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, span, axis=tuple(range(2, 2 + rank)))
    steps = [slice(None, None, s) for s in (*attrs["stride"], *dilation)]
    return np.asarray(view[(slice(None), slice(None), *steps)], np.float64)


def _conv(attrs: Attrs, x: Floats, weight: Floats, bias: Floats | None = None) -> Reals:
    rank, groups = weight.ndim - 2, attrs["groups"]
    patches = _windows(x, {**attrs, "kernel": weight.shape[2:]}, 0.0)
    cin, cout = weight.shape[1], len(weight) // groups
    n, out = len(x), patches.shape[2 : 2 + rank]
    y = np.empty((len(weight), n * math.prod(out)))
    for g in range(groups):  # (c * k, n * out) a group: one large product
        taps = np.moveaxis(patches[:, g * cin : (g + 1) * cin], [1, *range(2 + rank, 2 + 2 * rank)], range(1 + rank))
        w = weight[g * cout : (g + 1) * cout].astype(np.float64).reshape(cout, -1)
        y[g * cout : (g + 1) * cout] = w @ taps.reshape(w.shape[1], -1)
    y = np.moveaxis(y.reshape(len(weight), n, *out), 0, 1)
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


def _batch_norm(attrs: Attrs, x: Floats, weight: Floats, bias: Floats, mean: Floats, variance: Floats) -> Any:
    gain = weight / np.sqrt(variance.astype(np.float64) + attrs["eps"])
    shape = (-1, *[1] * (x.ndim - 2))
    return x * gain.reshape(shape) + (bias - mean * gain).reshape(shape)


def _pool(attrs: Attrs, x: Floats, fill: float, reduce: Callable[..., Any]) -> Reals:
    patches = _windows(x, attrs, fill)
    return np.asarray(reduce(patches, axis=tuple(range(x.ndim, patches.ndim))))


def _max_pool(attrs: Attrs, x: Floats) -> Reals:
    return _pool(attrs, x, -np.inf, np.max)


def _avg_pool(attrs: Attrs, x: Floats) -> Reals:
    return _pool(attrs, x, 0.0, np.mean)


def _matmul(attrs: Attrs, a: Floats, b: Floats) -> Reals:
    if a.shape[:-2] != b.shape[:-2]:
        raise ValueError(f"leading sizes {a.shape[:-2]} and {b.shape[:-2]} must be equal")
    return attrs.get("gain", 1.0) * (a.astype(np.float64) @ b.astype(np.float64))


def _softmax(attrs: Attrs, x: Floats, *masks: Floats) -> Reals:
    z, keep = x.astype(np.float64), np.ones((), bool)
    for mask in masks:
        fixed = mask.ndim < x.ndim  # a parameter: it has no batch axis
        if not np.isin(mask, (0, 1)).all() or (fixed and not mask.any(-1).all()):
            raise ValueError("a mask holds 0 and 1, and a parameter keeps something in every row")
        if np.broadcast_shapes(mask.shape, x.shape) != x.shape:
            raise ValueError(f"a mask of shape {mask.shape} widens scores of shape {x.shape}")
        keep = keep & (mask != 0)
    top = np.where(keep, z, -np.inf).max(-1, keepdims=True)
    e = np.where(keep, np.exp(np.where(keep, z - np.where(np.isfinite(top), top, 0), 0)), 0)
    return np.asarray(e / np.maximum(e.sum(-1, keepdims=True), np.finfo(np.float64).tiny))


def _mask(attrs: Attrs, x: Floats) -> Floats:
    if (strange := x[~np.isin(x, (0, 1))]).size:
        raise ValueError(f"holds {strange[0]:g} ({strange.size} such); a mask holds 0 and 1 alone")
    return x


def _div(attrs: Attrs, a: Floats, b: Floats) -> Reals:
    if attrs.get("least", 0.0) <= 0 and (b < 0).any():
        raise ValueError(f"divides by {b.min():g}; a divisor must not be negative")
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN or Inf, which calibration refuses
        return np.asarray(a.astype(np.float64) / np.maximum(b, attrs.get("least", 0.0), dtype=np.float64))


def _log_softmax(attrs: Attrs, x: Floats) -> Reals:
    z = x.astype(np.float64)
    z -= z.max(-1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(-1, keepdims=True)))


def _layer_norm(attrs: Attrs, x: Floats, weight: Floats | None = None, bias: Floats | None = None) -> Reals:
    z = x.astype(np.float64)
    y = _rms_norm(attrs, z - z.mean(-1, keepdims=True), weight)
    return y if bias is None else y + bias


def _rms_norm(attrs: Attrs, x: Reals | Floats, weight: Floats | None = None) -> Reals:
    z = x.astype(np.float64)
    y = z / np.sqrt(np.square(z).mean(-1, keepdims=True) + attrs["eps"])
    return y if weight is None else y * weight


def _concat(attrs: Attrs, *xs: Floats) -> Floats:
    values = [x for x in xs if x.ndim == max(part.ndim for part in xs)]
    n = len(values[0])
    return np.concatenate([x if x.ndim == values[0].ndim else np.repeat(x[None], n, 0) for x in xs], attrs["axis"])


def _slice(attrs: Attrs, x: Floats) -> Reals:
    cut = slice(attrs["start"], attrs["stop"], attrs["step"])
    return x[(slice(None),) * attrs["axis"] + (cut,)].astype(np.float64)


def _unary(fn: Callable[..., Reals]) -> Callable[..., Reals]:
    return lambda attrs, x: fn(x.astype(np.float64), **attrs)


FRONT_OPS: dict[str, Callable[..., Any]] = {
    **{"linear": _linear, "conv2d": _conv, "conv1d": _conv, "batch_norm": _batch_norm},
    **{"matmul": _matmul, "softmax": _softmax, "log_softmax": _log_softmax},
    **{"layer_norm": _layer_norm, "rms_norm": _rms_norm},
    **{name: _unary(fn) for name, fn in UNARY.items()},
    "add": lambda attrs, a, b: a.astype(np.float64) + b,
    "mul": lambda attrs, a, b: a.astype(np.float64) * b,
    **{"max_pool2d": _max_pool, "max_pool1d": _max_pool, "avg_pool2d": _avg_pool, "avg_pool1d": _avg_pool},
    "mean": lambda attrs, x: x.mean(axis=tuple(attrs["axes"]), keepdims=True, dtype=np.float64),
    "sum": lambda attrs, x: x.sum(axis=tuple(attrs["axes"]), keepdims=True, dtype=np.float64),
    **{"div": _div, "mask": _mask, "not": lambda attrs, keep: 1 - keep},
    "masked": lambda attrs, x, keep: np.where(keep != 0, x, np.float32(0)),
    "concat": _concat,
    "reshape": lambda attrs, x: x.reshape(len(x), *attrs["shape"]),
    "transpose": lambda attrs, x: x.transpose(attrs["perm"]),
    "slice": _slice,
    "expand": lambda attrs, x: np.broadcast_to(x, (len(x), *attrs["shape"])),
    "embedding": lambda attrs, indices, table: table[indices.astype(np.int64)],
    "identity": lambda attrs, x, gain=None: x if gain is None else x.astype(np.float64) * gain,
}


def evaluate_op(op: str, attrs: Attrs, *ins: Floats) -> Floats:
    """One operation, result in float32."""
    return np.asarray(FRONT_OPS[op](attrs, *ins)).astype(np.float32)
