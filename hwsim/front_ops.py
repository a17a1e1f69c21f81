"""What each operation of the front graph computes: `FRONT_OPS`, float32, first axis the batch, channels second.

Arguments are (attrs, *inputs); `attrs` are plain JSON data. Why float64 inside: float32 sums depend on the BLAS and its
threads, and calibration ranges decide the bytes of a ``.qg``.

    linear       x, weight (out, in), bias?
    matmul       a (n, .., m, k), b (n, .., k, p), both values, leading sizes equal     gain (1): gain * a @ b
    conv2d       x (n, c, h, w), weight (o, c / g, kh, kw), bias?  stride, dilation [2]; padding [[t, b], ..], groups
    conv1d       x (n, c, l), weight (o, c / g, k), bias?          stride, dilation [1]; padding [[l, r]]; groups
    batch_norm   x (n, c, ..), weight, bias, mean, variance                eps; folded before lowering
    softmax      x, mask?   over the last axis; mask, a parameter that broadcasts against a sample: 0 leaves out
    layer_norm   x, weight?, bias?   over the last axis                    eps
    rms_norm     x, weight?          over the last axis                    eps
    relu, relu6, hardswish, hardsigmoid, sigmoid, tanh, silu, gelu  x      gelu: approximate "none" | "tanh"
    add, mul     a, b (values or parameters, broadcasting)
    max_pool2d, avg_pool2d  x (n, c, h, w)                         kernel, stride [2]; padding [[t, b], ..]
    max_pool1d, avg_pool1d  x (n, c, l)                            kernel, stride [1]; padding [[l, r]]
    mean         x                                                         axes (not 0), kept at size 1
    concat       a, b, ..   a parameter has one axis less and stands for every sample    axis
    reshape      x                                                         shape, without the batch
    transpose    x                                                         perm, with 0 first
    slice        x                                                         axis, start, stop, step
    expand       x                                                         shape, without the batch
    embedding    indices (n, ..), table (entries, size)
    identity     x          a place for another quantizer
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
def _erf(x: Any) -> Any:
    y = np.empty_like(x)
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    for i in range(flat_x.size):
        flat_y[i] = math.erf(flat_x[i])
    return y


def gelu(x: Reals, approximate: str = "none") -> Reals:
    """``x * Phi(x)``, exactly or by tanh. Source: arXiv:1606.08415."""
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + _erf(np.asarray(x / math.sqrt(2), order="C")))


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


def _softmax(attrs: Attrs, x: Floats, mask: Floats | None = None) -> Reals:
    z = x.astype(np.float64)
    if mask is not None:
        if not (np.isin(mask, (0, 1)).all() and mask.any(-1).all() and mask.ndim < x.ndim):
            raise ValueError("a mask holds 0 and 1, keeps something in every row, and has no batch axis")
        z = np.where(mask == 0, -np.inf, z)
    e = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


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
    **{"matmul": _matmul, "softmax": _softmax, "layer_norm": _layer_norm, "rms_norm": _rms_norm},
    **{name: _unary(fn) for name, fn in UNARY.items()},
    "add": lambda attrs, a, b: a.astype(np.float64) + b,
    "mul": lambda attrs, a, b: a.astype(np.float64) * b,
    **{"max_pool2d": _max_pool, "max_pool1d": _max_pool, "avg_pool2d": _avg_pool, "avg_pool1d": _avg_pool},
    "mean": lambda attrs, x: x.mean(axis=tuple(attrs["axes"]), keepdims=True, dtype=np.float64),
    "concat": _concat,
    "reshape": lambda attrs, x: x.reshape(len(x), *attrs["shape"]),
    "transpose": lambda attrs, x: x.transpose(attrs["perm"]),
    "slice": _slice,
    "expand": lambda attrs, x: np.broadcast_to(x, (len(x), *attrs["shape"])),
    "embedding": lambda attrs, indices, table: table[indices.astype(np.int64)],
    "identity": lambda attrs, x: x,
}


def evaluate_op(op: str, attrs: Attrs, *ins: Floats) -> Floats:
    """One operation, result in float32."""
    return np.asarray(FRONT_OPS[op](attrs, *ins)).astype(np.float32)
