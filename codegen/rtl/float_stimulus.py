"""Pairs of float codes that find wrong arithmetic: gaps of exponents, cancellations, ties, over- and underflows."""

from __future__ import annotations

import numpy as np

from hwsim.formats import Codes, IntFormat

from .float_format import ArithmeticFloat
from .unit import EXHAUSTIVE, codes_of, drawn


def numbers(fmt: ArithmeticFloat | IntFormat) -> Codes:
    """Every code that is a number."""
    if isinstance(fmt, IntFormat):
        return codes_of(fmt)
    every = np.arange(1 << fmt.bits)
    return every[fmt.finite(every)]


def some(rng: np.random.Generator, fmt: ArithmeticFloat | IntFormat, count: int) -> Codes:
    """Random numbers: any code, sparse significands, and the ends of each binade."""
    if isinstance(fmt, IntFormat):
        return drawn(rng, fmt, None, count)
    mantissa = rng.integers(0, 1 << fmt.man_bits, count)
    runs = (1 << rng.integers(0, fmt.man_bits + 1, count)) - 1
    shape = rng.integers(0, 4, count)
    full = (1 << fmt.man_bits) - 1
    mantissa = np.choose(shape, [mantissa, runs, full - runs, (runs + 1) & full])
    codes = _code(fmt, rng.integers(0, 2, count), rng.integers(0, 1 << fmt.exp_bits, count), mantissa)
    return np.where(fmt.finite(codes), codes, fmt.largest)


def moderate(rng: np.random.Generator, fmt: ArithmeticFloat | IntFormat, count: int) -> Codes:
    """Random numbers within a few binades of 1."""
    if isinstance(fmt, IntFormat):
        return drawn(rng, fmt, None, count)
    reach = fmt.man_bits // 2 + 2
    return _with_exponent(rng, fmt, fmt.bias + rng.integers(-reach, reach + 1, count))


def pairs(
    rng: np.random.Generator, a: ArithmeticFloat | IntFormat, b: ArithmeticFloat | IntFormat, count: int
) -> tuple[Codes, Codes]:
    """All pairs where the codes have at most `EXHAUSTIVE` bits together; else edges against edges, and `count` more.

    A third of these are close in exponent, of which a fifth nearly cancels; a third multiply to numbers near the
    smallest or the largest, half of them to just below a power of two.
    """
    if a.bits + b.bits <= EXHAUSTIVE:
        x, y = numbers(a), numbers(b)
        return np.repeat(x, len(y)), np.tile(y, len(x))
    ends = [_edges(f) for f in (a, b)]
    x, y = some(rng, a, count), some(rng, b, count)
    if isinstance(a, ArithmeticFloat) and isinstance(b, ArithmeticFloat):
        third = count // 3
        y[:third] = _near(rng, a, b, x[:third], a.man_bits + 4)
        y[third : 2 * third] = _opposite(rng, a, b, x[third : 2 * third])
    edges = np.repeat(ends[0], len(ends[1])), np.tile(ends[1], len(ends[0]))
    return np.concatenate([edges[0], x]), np.concatenate([edges[1], y])


def _code(fmt: ArithmeticFloat, sign: Codes, exponent: Codes, mantissa: Codes) -> Codes:
    return (sign << fmt.exp_bits | exponent) << fmt.man_bits | mantissa


def _edges(fmt: ArithmeticFloat | IntFormat) -> Codes:
    """Zeros, subnormals, both ends of the numbers, 1 and their neighbours, of both signs."""
    if isinstance(fmt, IntFormat):
        return np.unique([fmt.min_code, fmt.min_code + 1, 0, 1, fmt.max_code])
    one, small = min(fmt.bias << fmt.man_bits, fmt.largest), 1 << fmt.man_bits
    codes = np.array([0, 1, small - 1, small, small + 1, one - 1, one, one + 1, fmt.largest - 1, fmt.largest])
    codes = np.unique(np.clip(codes, 0, fmt.largest))
    return np.concatenate([codes, codes | 1 << (fmt.bits - 1)])


def _exponents(fmt: ArithmeticFloat, codes: Codes) -> Codes:
    return codes >> fmt.man_bits & ((1 << fmt.exp_bits) - 1)


def _with_exponent(rng: np.random.Generator, fmt: ArithmeticFloat, exponent: Codes) -> Codes:
    """Random numbers with these exponents, as far as there are such."""
    top = fmt.largest >> fmt.man_bits
    drawn_codes = some(rng, fmt, len(exponent)) & ~np.int64(((1 << fmt.exp_bits) - 1) << fmt.man_bits)
    codes = drawn_codes | np.clip(exponent, 0, top) << fmt.man_bits
    return np.where(fmt.finite(codes), codes, fmt.largest)


def _near(rng: np.random.Generator, a: ArithmeticFloat, b: ArithmeticFloat, x: Codes, gap: int) -> Codes:
    """Partners at most `gap` binades off, a fifth of them of nearly the same magnitude and the other sign."""
    away = _with_exponent(rng, b, _exponents(a, x) - a.bias + b.bias + rng.integers(-gap, gap + 1, len(x)))
    if a != b:
        return away
    twin = (x ^ 1 << (a.bits - 1)) + rng.integers(-3, 4, len(x))
    fits = (twin >= 0) & (twin < 1 << a.bits)
    twin = np.where(fits, twin, x)
    return np.where((rng.random(len(x)) < 0.2) & a.finite(twin), twin, away)


def _opposite(rng: np.random.Generator, a: ArithmeticFloat, b: ArithmeticFloat, x: Codes) -> Codes:
    """Partners whose product is near the smallest or the largest number of either format."""
    ends = np.array([end for f in (a, b) for end in (1 - f.bias, (f.largest >> f.man_bits) - f.bias)])
    below = np.where(rng.random(len(x)) < 0.5, rng.integers(-b.man_bits - 2, 3, len(x)), rng.integers(-2, 2, len(x)))
    y = _with_exponent(rng, b, rng.choice(ends, len(x)) + below - (_exponents(a, x) - a.bias) + b.bias)
    ones = x & (1 << a.man_bits) - 1 | 1 << a.man_bits
    inverse = ((2 << a.man_bits + b.man_bits) - 1) // ones & (1 << b.man_bits) - 1
    turned = y >> b.man_bits << b.man_bits | inverse
    return np.where((rng.random(len(x)) < 0.5) & b.finite(turned), turned, y)
