"""Integer constants with the bits of ``half_away(float64(acc) * ratio)``, LiteRT's reference FULLY_CONNECTED."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..contracts import TflSingle
from ..formats import Reals
from ..rounding import Ints

BITS = range(31, TflSingle.bits + 1)


def float64_ratio(ratios: Reals, reaches: Ints, steps: int) -> TflSingle:
    """``tfl_single`` that no accumulator can tell from the float64 product.

    Both are monotone and odd, so they agree where each result begins at the same accumulator. That leaves an interval
    of ratios for each channel, nearly always with a multiplier of 31 bits in it.

    Args:
        ratios: accumulator step over output step, shape (channels,).
        reaches: largest |accumulator|, one a channel.
        steps: largest |result| before the zero point that is not saturated.

    Raises:
        ValueError: no multiplier of up to 40 bits is inside the interval, or the accumulator leaves no room for it.
    """
    pairs = [_constants(float(r), int(a), steps) for r, a in zip(ratios, reaches, strict=True)]
    return TflSingle(multiplier=tuple(m for m, _ in pairs), shift=tuple(s for _, s in pairs))


def first_at(ratio: float, j: int) -> int:
    """The smallest accumulator whose float64 product with `ratio` reaches ``j + 1/2``."""
    p, q = ratio.as_integer_ratio()
    exact = -(-(2 * j + 1) * q // (2 * p))
    return exact - 1 if (exact - 1) * ratio >= j + 0.5 else exact  # the product may be rounded up to the tie


def _constants(ratio: float, reach: int, steps: int) -> tuple[int, int]:
    low, high = Fraction(0), Fraction(ratio) * 2
    for j in range(steps + 1):
        at = first_at(ratio, j)
        if at <= reach:
            low = max(low, Fraction(2 * j + 1, 2 * at))
        if 1 < at <= reach + 1:
            high = min(high, Fraction(2 * j + 1, 2 * (at - 1)))
        if at > reach:
            break
    exponent = int(np.frexp(ratio)[1])
    for bits in BITS:
        size = Fraction(2) ** (bits - exponent)
        nearest = round(Fraction(ratio) * size)
        m = min(max(nearest, -(-low * size // 1)), -(-high * size // 1) - 1)
        if low <= m / size < high and 0 <= bits - exponent <= 62 and 0 < m < 1 << bits and m * reach < 1 << 61:
            return int(m), 31 - bits + exponent
    raise ValueError(
        f"ratio {ratio!r}: no multiplier of {BITS[0]}..{BITS[-1]} bits has the bits of float64 for accumulators of up "
        f"to {reach}; read it as tflm_double, or choose an output scale that is not so much coarser"
    )
