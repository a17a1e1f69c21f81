"""What `matmul` and `conv2d` share: the accumulator's type, and which float type sums it exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formats import IntFormat
from ..qtensor import QType, Shape
from ..ranges import Interval, zero_points


def accumulator_type(
    op: str, shape: Shape, acc: IntFormat, x: QType, w: QType, bias: QType | None, *, channels: int
) -> QType:
    """Type of ``sum x * w``: the product of the scales, per channel of the last axis where `w` is per channel.

    Args:
        op: name for error messages.
        shape: shape of the result, output channels last.
        acc: format of the accumulator.
        x: first operand, per tensor.
        w: second operand.
        bias: optional start of the accumulator.
        channels: axis of `w` that holds the output channels.
    """
    if isinstance(x.scale, tuple) or isinstance(x.zero_point, tuple):
        raise ValueError(f"{op}: per-channel first operand of shape {x.shape}; only the second may be per channel")
    if w.axis is not None and w.axis != channels:
        raise ValueError(f"{op}: second operand is per channel along axis {w.axis}, must be axis {channels}")
    if x.zero_point and bias is None:
        raise ValueError(f"{op}: zero_point {x.zero_point} of the first operand needs a bias that it is folded into")
    product = np.ldexp(x.scale * np.asarray(w.scale), x.fmt.lsb_exp + w.fmt.lsb_exp)
    scale = float(product) if product.ndim == 0 else tuple(product.tolist())
    out = QType(shape, acc, scale, axis=len(shape) - 1 if product.ndim else None)
    if bias is not None:
        _check_bias(op, out, bias)
    return out


def _check_bias(op: str, out: QType, bias: QType) -> None:
    if bias.shape != out.shape[-1:] or not isinstance(bias.fmt, IntFormat) or np.any(bias.zero_point):
        raise ValueError(f"{op}: bias {bias.shape} {bias.fmt.name} must be {out.shape[-1:]} integers, zero_point 0")
    if not np.allclose(bias.lsb, out.lsb, rtol=1e-12, atol=0):
        raise ValueError(f"{op}: the bias's scale is not the accumulator's (the product of the scales)")


def worst_sum(terms: int, x: QType, w: QType) -> int:
    """``terms * max|x| * max|w - zero_point_w|`` by the formats: a float type that holds it sums exactly."""
    zero = zero_points(w)
    widest = Interval(w.fmt.min_int - zero.hi, w.fmt.max_int - zero.lo).magnitude
    return terms * Interval(x.fmt.min_int, x.fmt.max_int).magnitude * widest


def exact_float(worst: int) -> np.dtype[Any] | None:
    """float32 or float64 where its mantissa holds every integer up to `worst`, else None."""
    if worst >= 1 << 53:
        return None
    return np.dtype(np.float32 if worst < 1 << 24 else np.float64)
