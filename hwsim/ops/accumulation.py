"""What `matmul` and `conv2d` share: the accumulator's type and reach, and which float type sums it exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..formats import Codes, IntFormat
from ..qtensor import QTensor, QType, Shape
from ..ranges import DotBound, Interval, Operand, tensor_interval, zero_points
from .datapath import Datapath


def accumulator_type(
    op: str,
    shape: Shape,
    acc: IntFormat,
    path: Datapath,
    x: QType,
    w: QType,
    bias: QType | None,
    *,
    channels: int,
    rows: bool = False,
) -> QType:
    """Type of ``sum x * w``: the product of the scales, per channel of the last axis where `w` is per channel.

    Args:
        op: name for error messages.
        shape: shape of the result, output channels last.
        acc: format of the accumulator.
        path: how it adds up; dropped bits make its step larger.
        x: first operand, per tensor.
        w: second operand.
        bias: optional start of the accumulator.
        channels: axis of `w` that holds the output channels.
        rows: whether `x` may have steps along its last axis, powers of two apart.
    """
    path.check(op, acc)
    if x.axis is not None and not rows:
        raise ValueError(f"{op}: per-channel first operand of shape {x.shape}; only the second may be per channel")
    if x.axis is not None and (x.axis != len(x.shape) - 1 or np.any(x.zero_point)):
        raise ValueError(
            f"{op}: first operand of shape {x.shape} has steps along axis {x.axis} and zero_point {x.zero_point!r}; "
            "they must lie along its last axis, with zero_point 0"
        )
    if w.axis is not None and w.axis != channels:
        raise ValueError(f"{op}: second operand is per channel along axis {w.axis}, must be axis {channels}")
    if x.zero_point and bias is None:
        raise ValueError(f"{op}: zero_point {x.zero_point} of the first operand needs a bias that it is folded into")
    product = np.ldexp(_smallest(op, x) * np.asarray(w.scale), x.fmt.lsb_exp + w.fmt.lsb_exp + path.drop)
    scale = float(product) if product.ndim == 0 else tuple(product.tolist())
    out = QType(shape, acc, scale, axis=len(shape) - 1 if product.ndim else None)
    if bias is not None:
        _check_bias(op, out, bias)
    return out


def _smallest(op: str, x: QType) -> float:
    """The step that all others of the first operand are multiples of."""
    try:
        return float(np.min(np.asarray(x.scale) / x.gains))
    except ValueError as e:
        raise ValueError(f"{op}: first operand: {e}") from None


def _check_bias(op: str, out: QType, bias: QType) -> None:
    if bias.shape != out.shape[-1:] or not isinstance(bias.fmt, IntFormat) or np.any(bias.zero_point):
        raise ValueError(f"{op}: bias {bias.shape} {bias.fmt.name} must be {out.shape[-1:]} integers, zero_point 0")
    if not np.allclose(bias.lsb, out.lsb, rtol=1e-12, atol=0):
        raise ValueError(f"{op}: the bias's scale is not the accumulator's (the product of the scales)")


def accumulator_reach(
    op: str, acc: IntFormat, path: Datapath, bound: Callable[..., DotBound], ins: tuple[Operand, ...]
) -> Interval:
    """What the accumulator can hold at any step, zero included; ValueError where `path` leaves that undefined.

    Args:
        op: name for error messages.
        acc: format of the accumulator.
        path: how it adds up.
        bound: the op's exact bound for operands.
        ins: the operands.
    """
    limits = path.limits(acc)
    if len(ins) > 2 and not ins[2].reach.inside(limits):
        raise ValueError(f"{op}: the bias may reach {_range(ins[2].reach)}, outside {acc.name} ({_range(limits)})")
    return held(op, acc, path, bound(*ins).interval, lambda: bound(*ins, any_order=True).interval)


def held(op: str, acc: IntFormat, path: Datapath, exact: Interval, any_order: Callable[[], Interval]) -> Interval:
    """What an accumulator can hold, zero included: `exact` bounds sums in its order, `any_order` in every one."""
    zero, limits = Interval(0, 0), path.limits(acc)
    if exact.inside(limits):
        return exact.union(zero)
    if path.overflow == "wrap":
        return limits
    if path.overflow == "saturate":
        # Why any order: a sum that stopped at one limit walks back further than an exact one, never past this
        return any_order().clip(limits).union(zero)
    if path.signs == "magnitude":
        what = f"{op}: sums may reach {_range(exact)}, outside {acc.bits}-bit sign-magnitude ({_range(limits)})"
        raise ValueError(f"{what}; give the op a wider format or overflow='saturate'")
    return exact.union(zero)  # the graph refuses it, with the value's name


def _range(i: Interval) -> str:
    return f"{i.lo}..{i.hi}"


def seen(types: tuple[QType, ...], codes: tuple[Codes, ...]) -> tuple[Operand, ...]:
    """Operands as they really are, for the proof of one run."""
    tensors = [QTensor(t, c) for t, c in zip(types, codes, strict=True)]
    return tuple(Operand(t.type, tensor_interval(t), t) for t in tensors)


def worst_sum(terms: int, x: QType, w: QType) -> int:
    """``terms * max|x| * max|w - zero_point_w|`` by the formats and gains: a float type that holds it sums exactly."""
    zero = zero_points(w)
    widest = Interval(w.fmt.min_int - zero.hi, w.fmt.max_int - zero.lo).magnitude
    return terms * Interval(x.fmt.min_int, x.fmt.max_int).magnitude * int(x.gains.max()) * widest


def exact_float(worst: int) -> np.dtype[Any] | None:
    """float32 or float64 where its mantissa holds every integer up to `worst`, else None."""
    if worst >= 1 << 53:
        return None
    return np.dtype(np.float32 if worst <= 1 << 24 else np.float64)
