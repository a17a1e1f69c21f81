"""Rounding, once: how a number between two codes becomes one of them.

Worked numbers, in units of the last place (tests hold this table true):

    x           -2.5  -1.5  -0.5   0.5   1.5   2.5  -0.7   0.7
    half_even     -2    -2     0     0     2     2    -1     1   ONNX, torch, IEEE 754
    half_up       -2    -1     0     1     2     3    -1     1   add half, arithmetic shift: most RTL
    half_away     -3    -2    -1     1     2     3    -1     1   C round(), TFLite's quantize
    floor         -3    -2    -1     0     1     2    -1     0   arithmetic shift alone
    toward_zero   -2    -1     0     0     1     2     0     0   C cast

Why one file: `shift_right` rounds integers (the datapath), `away` rounds magnitudes of reals (encoding);
the C twin is `codegen/templates/c/qmath.h`, the ONNX twin `codegen/templates/onnx/macros.j2`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jit import jit

ROUNDINGS = ("half_even", "half_up", "half_away", "floor", "toward_zero")
Ints = NDArray[np.int64]


def check_rounding(rounding: str, allowed: tuple[str, ...] = ROUNDINGS) -> None:
    """Raise ValueError unless `rounding` is one of `allowed`."""
    if rounding not in allowed:
        raise ValueError(f"rounding {rounding!r} is unknown: use one of {', '.join(allowed)}")


def shift_right(x: Ints, bits: Ints | int, rounding: str) -> Ints:
    """``round(x / 2**bits)`` in integers only.

    Args:
        x: int64 integers, |x| < 2**62.
        bits: how far to shift, 0..62, one number or an array that broadcasts against `x`.
        rounding: one of `ROUNDINGS`.

    Returns:
        int64 integers of the broadcast shape.
    """
    one = np.left_shift(np.int64(1), bits)
    half = one >> 1
    some = (half > 0).astype(np.int64)  # 0 where nothing is shifted out, so nothing is rounded
    match rounding:
        case "half_even":
            offset = half - some * (1 - (x >> bits & 1))
        case "half_up":
            offset = half
        case "half_away":
            offset = half - some * (x < 0)
        case "floor":
            offset = np.int64(0)
        case "toward_zero":
            offset = (x < 0) * (one - 1)
        case _:
            raise ValueError(f"rounding {rounding!r} is unknown: use one of {', '.join(ROUNDINGS)}")
    return np.asarray((x + offset) >> bits, np.int64)


@jit
def shift_right_scalar(x: Any, bits: Any, rounding: Any) -> Any:
    """Numba twin of `shift_right` for one number; `rounding` is its index in `ROUNDINGS`."""
    one = np.int64(1) << bits
    half = one >> 1
    offset = np.int64(0)
    if rounding == 0 and half > 0:
        offset = half - 1 + (x >> bits & 1)
    elif rounding == 1:
        offset = half
    elif rounding == 2 and half > 0:
        offset = half - (1 if x < 0 else 0)
    elif rounding == 4 and x < 0:
        offset = one - 1
    return (x + offset) >> bits


def away(
    fraction: NDArray[np.float64],
    odd: NDArray[np.bool_],
    negative: NDArray[np.bool_],
    rounding: str,
    rng: np.random.Generator | None = None,
) -> NDArray[np.bool_]:
    """Whether a magnitude goes to its upper neighbour (away from zero).

    Args:
        fraction: position between the two neighbours, in [0, 1).
        odd: whether the lower neighbour has an odd code.
        negative: sign of the number whose magnitude is rounded.
        rounding: one of `ROUNDINGS`, or ``stochastic`` (goes up with probability `fraction`).
        rng: the random generator that ``stochastic`` needs.
    """
    match rounding:
        case "half_even":
            return (fraction > 0.5) | ((fraction == 0.5) & odd)
        case "half_up":
            return (fraction > 0.5) | ((fraction == 0.5) & ~negative)
        case "half_away":
            return fraction >= 0.5
        case "floor":
            return negative & (fraction > 0)
        case "toward_zero":
            return np.zeros(fraction.shape, np.bool_)
        case "stochastic":
            if rng is None:
                raise ValueError("rounding 'stochastic' needs rng=numpy.random.default_rng(seed)")
            return np.asarray(rng.random(fraction.shape) < fraction)
    raise ValueError(f"rounding {rounding!r} is unknown: use one of {', '.join((*ROUNDINGS, 'stochastic'))}")
