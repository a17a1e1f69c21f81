"""Scales of blocks: which of them are exponents, which factors, what their types must say; numbers times scales."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..blockformats import BIAS, spread
from ..formats import E8M0, Codes, Reals
from ..qtensor import QTensor, QType
from ..ranges import Interval
from ..rounding import Ints

MOST = (1 << 31) - 1


def split_scale(t: QType, codes: Codes) -> tuple[Ints, Ints]:
    """(factor, exponent) of block scales: E8M0 is an exponent, everything else a factor."""
    if t.fmt == E8M0:
        return np.ones(codes.shape, np.int64), codes.astype(np.int64) - BIAS
    return t.fmt.to_int(codes), np.zeros(codes.shape, np.int64)


def scale_range(t: QType, reach: Interval, constant: QTensor | None) -> tuple[list[Any], Any]:
    """Both ends of the factors and the largest exponents, as Python integers: of each block where constant."""
    if constant is not None:
        factor, exponent = split_scale(t, constant.codes)
        return [factor.astype(object)], exponent.astype(object)
    ends = [np.array([[v]], object) for v in ((1,) if t.fmt == E8M0 else reach)]
    return ends, np.array([[reach.hi - BIAS if t.fmt == E8M0 else 0]], object)


def check_scales(t: QType, channels: int | None) -> None:
    """ValueError unless a scale's type says what its codes mean."""
    if t.fmt == E8M0 and (t.scale, t.zero_point) != (1.0, BIAS):
        raise ValueError(
            f"block_matmul: e8m0 scales have scale {t.scale!r} zero_point {t.zero_point!r}, must be 1.0 and {BIAS}"
        )
    if t.fmt != E8M0 and np.any(t.zero_point):
        raise ValueError(f"block_matmul: {t.fmt.name} scales have zero_point {t.zero_point!r}, must be 0")
    if t.axis is not None and t.axis != channels:
        raise ValueError(
            f"block_matmul: scales of shape {t.shape} are per channel along axis {t.axis}; only the second operand's "
            "may be, along its columns"
        )


def scaled(x: Ints, factor: Ints, exponent: Ints, block: int, axis: int) -> Reals:
    """``x * factor * 2**exponent`` of its blocks.

    Why floats: what passes their mantissa is seen as too large, int64 might wrap around.
    """
    if (factor == 1).all() and not exponent.any():
        return x.astype(np.float64)
    return np.asarray(x * spread(np.ldexp(factor.astype(np.float64), exponent), block, axis, x.shape[axis]), np.float64)


def folded(b: Ints, factor: Ints, exponent: Ints, block: int) -> Ints | None:
    """Weights (k, n) with the scales of their blocks multiplied in; None where those are no integers of 32 bits."""
    whole = scaled(b, factor, exponent, block, 0)
    if (whole % 1).any() or np.abs(whole).max(initial=0) > MOST:
        return None
    return whole.astype(np.int64)
