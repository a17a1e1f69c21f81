"""Rounding by Python's own exact arithmetic: the judge of every integer rule."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction

HALF = Fraction(1, 2)


def _half_away(x: Fraction) -> int:
    return math.floor(x + HALF) if x >= 0 else -math.floor(-x + HALF)


ROUND: dict[str, Callable[[Fraction], int]] = {
    "half_even": round,
    "half_up": lambda x: math.floor(x + HALF),
    "half_away": _half_away,
    "floor": math.floor,
    "toward_zero": math.trunc,
}


def rounded(numbers: Iterable[Fraction], rounding: str) -> list[int]:
    """Each number rounded to an integer."""
    return [ROUND[rounding](x) for x in numbers]


def saturated(numbers: Iterable[int], lo: int, hi: int) -> list[int]:
    """Each integer, kept inside lo..hi."""
    return [min(max(x, lo), hi) for x in numbers]


def tie_adjacent(shift: int, limit: int) -> list[int]:
    """Integers next to, on and between the ties of ``x / 2**shift``, up to ±limit, and the ends themselves."""
    one, half = 1 << shift, (1 << shift) >> 1
    steps = [0, 1, 2, 3, 4, 5, 127, 128, limit // one - 1, limit // one]
    near = {s * k * one + s * half + d for k in steps for s in (1, -1) for d in (-1, 0, 1)}
    ends = {limit, limit - 1, -limit, 1 - limit, 0, 1, -1, 2**31 - 1, -(2**31)}
    return sorted(x for x in near | ends if -limit <= x <= limit)


def tflm_multiply(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier as gemmlowp's C does it: nudge, truncating division, masked remainder."""
    product = (x << max(shift, 0)) * multiplier
    nudged = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    high = nudged // (1 << 31) if nudged >= 0 else -(-nudged // (1 << 31))
    right = max(-shift, 0)
    mask = (1 << right) - 1
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    return (high >> right) + (1 if (high & mask) > threshold else 0)


def nearest_float32(x: Fraction) -> Fraction:
    """The nearest number of 24 bits, ties to even, no finer than 2**-149; finite ones only."""
    magnitude = abs(x)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length() - 25
    while magnitude >= Fraction(2) ** (exponent + 24):
        exponent += 1
    unit = Fraction(2) ** max(exponent, -149)
    y = round(x / unit) * unit
    assert abs(y) < 2**128, "infinite in float32"
    return y


def float32(x: float) -> float:
    """The nearest float32, by the C compiler's cast."""
    return struct.unpack("f", struct.pack("f", x))[0]
