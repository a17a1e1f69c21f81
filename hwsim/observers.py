"""Calibration rules: from the reals a tensor really took to the range its codes shall cover."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .formats import FloatFormat, Format, Reals
from .qtensor import QTensor, QType, Shape, encode

Range = tuple[float, float]


TypeOf = Callable[[Range], QType]  # the type that a range leads to, by format and recipe
Observer = Callable[[Reals, TypeOf], Range]
MSE_STEPS, MSE_SAMPLES = 64, 1 << 16


def minmax(x: Reals, type_of: TypeOf) -> Range:
    """Smallest and largest value seen."""
    return float(x.min()), float(x.max())


def percentile(x: Reals, type_of: TypeOf) -> Range:
    """The 0.01 and 99.99 percentiles: one value in ten thousand is clipped at each end."""
    lo, hi = np.percentile(x, [0.01, 99.99])
    return float(lo), float(hi)


def mse(x: Reals, type_of: TypeOf) -> Range:
    """The share of the min-max range, of 64 from 1/64 to all of it, whose codes have the least mean square error."""
    flat = x.reshape(-1)
    flat = flat[:: -(-flat.size // MSE_SAMPLES)]
    lo, hi = float(x.min()), float(x.max())
    best, least = (lo, hi), np.inf
    for k in range(MSE_STEPS, 0, -1):
        seen = lo * k / MSE_STEPS, hi * k / MSE_STEPS
        t = type_of(seen).reshaped(flat.shape)
        error = float(np.square(QTensor(t, encode(flat, t)).dequantize() - flat).mean())
        if error < least:
            best, least = seen, error
    return best


OBSERVERS: dict[str, Observer] = {"minmax": minmax, "percentile": percentile, "mse": mse}


def activation_type(
    shape: Shape, fmt: Format, seen: Range, *, symmetric: bool = False, power_of_two: bool = False
) -> QType:
    """The type whose codes cover `seen` and 0.

    Asymmetric integer formats map the range onto all codes, with the zero point rounded; floats and symmetric formats
    cover ``max(|lo|, |hi|)``.
    """
    lo, hi = min(seen[0], 0.0), max(seen[1], 0.0)
    if not np.isfinite([lo, hi]).all():
        raise ValueError(f"calibration range {seen} is not finite")
    if symmetric or isinstance(fmt, FloatFormat):
        scale = max(-lo, hi) / float(np.ldexp(float(fmt.max_int), fmt.lsb_exp)) or 1.0
        if not isinstance(fmt, FloatFormat) and not fmt.signed and lo < 0:
            raise ValueError(f"symmetric {fmt.name} cannot hold {lo}: use a signed format or symmetric = false")
        return QType(shape, fmt, pow2_up(scale) if power_of_two else scale)
    scale = (hi - lo) / (fmt.max_int - fmt.min_int) or 1.0
    scale = pow2_up(scale) if power_of_two else scale
    zero = int(np.clip(np.rint(fmt.min_int - lo / scale), fmt.min_int, fmt.max_int))
    return QType(shape, fmt, scale, zero)


def pow2_up(scale: float) -> float:
    """The smallest power of two that is at least `scale`."""
    fraction, exponent = np.frexp(scale)
    return float(np.ldexp(1.0, int(exponent) - (fraction == 0.5)))
