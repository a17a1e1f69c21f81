"""gemmlowp's fixed-point functions on int32 numbers, whose bits TFLite's integer kernels inherit.

``Qm`` is a number of m integer bits: ``raw * 2**(m - 31)``. Everything runs when a graph is built: results are tables.
Measured in tests/hwsim/dialects against TFLM and LiteRT over all codes.

Source: google/gemmlowp, fixedpoint/fixedpoint.h (Apache-2.0): the formulas and constants, not the code.
"""

from __future__ import annotations

import numpy as np

from ..rounding import Ints, shift_right

ONE = (1 << 31) - 1  # Q0's largest number stands for 1
LIMITS = (-(1 << 31), (1 << 31) - 1)
QUARTER_CENTRE = 1895147668  # exp(-1/8), Q0
THIRD = 715827883  # 1/3, Q0
EXP_POWERS = (  # exp(-2**k), Q0, from k = -2
    *(1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242),
)
NEWTON_START = (1515870810, -1010580540)  # 48/17 and -32/17, Q2: the best line for 1/x on 1/2..1
NEWTON_STEPS = 3


def high_mul(a: Ints | int, b: Ints | int) -> Ints:
    """``half_up(a * b / 2**31)``, saturating: the integer bits of the formats add up."""
    return np.minimum(shift_right(np.asarray(a, np.int64) * b, 31, "half_up"), LIMITS[1])


def divide_pot(x: Ints, bits: int) -> Ints:
    """``half_away(x / 2**bits)``."""
    return shift_right(x, bits, "half_away")


def saturate_left(x: Ints, bits: int) -> Ints:
    """``x * 2**bits``, saturating."""
    return np.asarray(np.clip(x << bits, *LIMITS), np.int64)


def exp_negative(a: Ints, integer_bits: int) -> Ints:
    """Exponential of Q`integer_bits` numbers <= 0, Q0: a polynomial on -1/4..0, times one power for each bit above."""
    quarter = 1 << (31 - integer_bits - 2)
    low = (a & (quarter - 1)) - quarter  # in -1/4..0
    rest = low - a
    y = _exp_quarter(saturate_left(low, integer_bits))
    for k, power in enumerate(EXP_POWERS):
        if k - 2 < integer_bits:
            y = np.where(rest & (quarter << k), high_mul(y, power), y)
    return np.where(a == 0, ONE, y)


def _exp_quarter(a: Ints) -> Ints:
    """Exponential on -1/4..0, Q0 to Q0: Taylor's polynomial of fourth degree around -1/8."""
    x = a + (1 << 28)
    x2 = high_mul(x, x)
    x3, x4 = high_mul(x2, x), high_mul(x2, x2)
    upper = divide_pot(high_mul(divide_pot(x4, 2) + x3, THIRD) + x2, 1)
    return QUARTER_CENTRE + high_mul(QUARTER_CENTRE, x + upper)


def newton_reciprocal(a: Ints) -> Ints:
    """``2 / (1 + a)`` for Q0 numbers of 0..1, Q2: three steps of Newton's method."""
    half = shift_right(a + ONE, 1, "half_away")  # (1 + a) / 2, Q0
    x = NEWTON_START[0] + high_mul(half, NEWTON_START[1])
    for _ in range(NEWTON_STEPS):
        rest = (1 << 29) - high_mul(half, x)
        x = x + saturate_left(high_mul(x, rest), 2)
    return x


def one_over_one_plus(a: Ints) -> Ints:
    """``1 / (1 + a)`` for Q0 numbers of 0..1, Q0."""
    return saturate_left(newton_reciprocal(a), 1)


def tanh(a: Ints, integer_bits: int) -> Ints:
    """Hyperbolic tangent of Q`integer_bits` numbers, Q0: ``(1 - e) / (1 + e)`` with ``e = exp(-2 |a|)``."""
    e = exp_negative(-np.abs(a), integer_bits + 1)  # twice the number is one integer bit more
    y = saturate_left(newton_reciprocal(e) - (1 << 29), 2)
    return np.where(a == 0, 0, np.where(a < 0, -y, y))


def logistic(a: Ints, integer_bits: int) -> Ints:
    """``1 / (1 + exp(-a))`` of Q`integer_bits` numbers, Q0."""
    y = one_over_one_plus(exp_negative(-np.abs(a), integer_bits))
    return np.where(a == 0, 1 << 30, np.where(a < 0, ONE - y, y))


def radius(integer_bits: int, left_shift: int) -> int:
    """Largest integer that, scaled by ``2**left_shift``, stays inside ``2**integer_bits - 1`` with 31 bits."""
    return int(((1 << integer_bits) - 1) * 2.0 ** (31 - integer_bits - left_shift))
