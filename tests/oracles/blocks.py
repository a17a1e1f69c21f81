"""Softmax, layer norm and RMS norm by Python's integers, fractions and decimals, from the formulas in the docstrings.

Nothing here calls the code under test, numpy's arithmetic or a float where a bit could depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import Any

from .exact import ROUND, float32, tflm_multiply
from .tables import finest, table_code

Row = Sequence[int]


def clamp(x: int, lo: int, hi: int) -> int:
    return min(max(x, lo), hi)


@cache
def dyadic16(ratio: float) -> tuple[int, int]:
    """Nearest multiplier of 16 bits and its shift."""
    shift = 0
    while Fraction(ratio) * 2**shift < 2**15 - Fraction(1, 4):
        shift += 1
    return round(Fraction(ratio) * 2**shift), shift


@cache
def q31(ratio: float) -> tuple[int, int]:
    """TFLite's multiplier and left shift."""
    fraction, shift = math.frexp(ratio)
    m = math.floor(fraction * 2**31 + 0.5)
    return (m // 2, shift + 1) if m == 2**31 else (m, shift)


def rescaled(x: int, ratio: float, contract: str, rounding: str) -> int:
    """A requantization contract on one integer."""
    match contract:
        case "dyadic16":
            m, shift = dyadic16(ratio)
            return ROUND[rounding](Fraction(x * m, 2**shift))
        case "pow2":
            return ROUND[rounding](x * Fraction(ratio))
        case "tfl_single":
            m, shift = q31(ratio)
            return ROUND["half_away"](Fraction(x * m) / Fraction(2) ** (31 - shift))
        case "tflm_double":
            return tflm_multiply(x, *q31(ratio))
        case "onnx_float":
            return round(Fraction(float32(float32(float(x)) * float32(ratio))))
    raise AssertionError(contract)


def normalized(x: int, bits: int) -> tuple[int, int]:
    """Mantissa of `bits` bits and exponent of ``max(x, 1)``."""
    x = max(x, 1)
    exponent = x.bit_length() - 1
    return x * 2 ** (bits - 1) // 2**exponent, exponent


@cache
def reciprocal_entry(mantissa: int, bits: int) -> int:
    """``2 / (2 m + step)`` with 16 fractional bits."""
    return min(round(Fraction(2 ** (16 + bits), 2 * mantissa + 1)), 65535)


@cache
def rsqrt_entry(mantissa: int, bits: int, *, odd: bool) -> int:
    """``2 / (sqrt(m) + sqrt(m + step))``, over sqrt(2) for odd exponents, with 16 fractional bits."""
    with localcontext() as c:
        c.prec = 50
        step = Decimal(2) ** (1 - bits)
        low, high = (step * mantissa).sqrt(), (step * (mantissa + 1)).sqrt()
        r = 2 / (low + high) / (Decimal(2).sqrt() if odd else 1)
        return min(round(r * 65536), 65535)


@dataclass(frozen=True, kw_only=True)
class SoftmaxOracle:
    """One row at a time; `reach` are the least and largest code of the scores, `zero` their zero point."""

    lsb: float
    reach: tuple[int, int] = (-128, 127)
    zero: int = 0
    z_bits: int = 8
    z_step: float = 2.0**-4
    fraction: int = 15
    mantissa: int = 9
    out_bits: int = 8
    out_scale: float = 2.0**-8
    contract: str = "dyadic16"
    rounding: str = "half_up"
    tables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def surplus(self) -> int:
        """Bits by which ``x - max(x)`` passes INT32."""
        bits, most = 0, self.reach[1] - self.reach[0]
        while ROUND[self.rounding](Fraction(most, 2**bits)) >= 2**31:
            bits += 1
        return bits

    def exponentials(self, row: Row, keep: Row) -> list[int]:
        """``exp(x - max(x))``, 0 where left out."""
        kept = [x if k else self.reach[0] for x, k in zip(row, keep, strict=True)]
        z = [ROUND[self.rounding](Fraction(x - max(kept), 2**self.surplus)) for x in kept]
        ratio = math.ldexp(self.lsb, self.surplus) / self.z_step
        rule = "dyadic16" if self.contract == "pow2" and math.frexp(ratio)[0] != 0.5 else self.contract
        least = -(2 ** (self.z_bits - 1))
        z = [clamp(rescaled(v, ratio, rule, self.rounding), least, 0) for v in z]
        return [self.exp(v) if k else 0 for v, k in zip(z, keep, strict=True)]

    def exp(self, z: int) -> int:
        """An entry of a whole table, or what a fitted one gives."""
        if "exp" in self.tables:
            return table_code(self.tables["exp"], -int(math.log2(self.z_step)), z, self.fraction)
        return round(math.exp(z * self.z_step) * 2**self.fraction)

    def __call__(self, row: Row, keep: Row = ()) -> list[int]:
        """Codes of the probabilities."""
        e = self.exponentials(row, keep or [1] * len(row))
        if document := self.tables.get("reciprocal"):
            mantissa, k = normalized(sum(e), finest(document) + 1)
            r = table_code(document, finest(document), mantissa, 16)
        else:
            mantissa, k = normalized(sum(e), self.mantissa)
            r = reciprocal_entry(mantissa, self.mantissa)
        nearest = self.rounding if self.rounding.startswith("half") else "half_up"
        direct = self.out_scale == 2.0**-self.out_bits
        bits = self.out_bits if direct else 16
        p = [min(ROUND[nearest](Fraction(v * r, 2 ** (k + 16 - bits))), 2**bits - 1) for v in e]
        if direct:
            return p
        ratio, top = 2.0**-16 / self.out_scale, 2**self.out_bits - 1
        return [clamp(rescaled(v, ratio, self.contract, nearest), 0, top) for v in p]


@dataclass(frozen=True, kw_only=True)
class NormOracle:
    """Layer norm, or RMS norm where not `mean`; `reach` are the least and largest code of the input."""

    lsb: float
    out_scale: float
    reach: tuple[int, int] = (-32768, 32767)
    zero: int = 0
    out_zero: int = 0
    out_reach: tuple[int, int] = (-128, 127)
    eps: float = 1e-5
    mean: bool = True
    width: int = 16
    mantissa: int = 9
    weight: Sequence[float] = ()
    bias: Sequence[float] = ()
    contract: str = "dyadic16"
    rounding: str = "half_up"
    tables: Mapping[str, Any] = field(default_factory=dict)

    def shift(self, n: int) -> int:
        """Bits by which d is shortened, from what the input's codes can reach."""
        lo, hi = (end - self.zero for end in self.reach)
        ends = (n * (lo - hi), n * (hi - lo)) if self.mean else (lo, hi)
        top, p = 2 ** (self.width - 1), 0
        while not all(-top <= ROUND[self.rounding](Fraction(end, 2**p)) < top for end in ends):
            p += 1
        return p

    def unit(self, row: Row) -> list[int]:
        """``d / sqrt(sum(d**2) + eps')``, ``width - 1`` fractional bits."""
        n, p = len(row), self.shift(len(row))
        d = [x - self.zero for x in row]
        d = [n * x - sum(d) for x in d] if self.mean else d
        d = [ROUND[self.rounding](Fraction(x, 2**p)) for x in d]
        step = (Fraction(self.lsb) * 2**p) ** 2
        v = sum(x * x for x in d) + max(1, round(Fraction((n**3 if self.mean else n) * self.eps) / step))
        if document := self.tables.get("rsqrt"):
            mantissa, exponent = normalized(v, finest(document) + 1)
            r = table_code(document, finest(document), mantissa << exponent % 2, 16)
        else:
            mantissa, exponent = normalized(v, self.mantissa)
            r = rsqrt_entry(mantissa, self.mantissa, odd=bool(exponent % 2))
        down = exponent // 2 + 17 - self.width
        top = 2 ** (self.width - 1)
        return [clamp(ROUND[self.rounding](Fraction(x * r, 2**down)), -top, top - 1) for x in d]

    def __call__(self, row: Row) -> list[int]:
        """Codes of the result."""
        n, unit = len(row), 2.0 ** (1 - self.width)
        factor = [math.sqrt(n) * w for w in self.weight or [1.0] * n]
        bias = list(self.bias) or [0.0] * n
        scale = max(*map(abs, factor), 0.0) / 32767
        scale = max(scale, max(map(abs, bias)) / unit / 2**29) or 1.0
        if self.contract == "pow2":
            scale = 2.0 ** math.ceil(math.log2(scale))
        w = [clamp(round(f / scale), -32768, 32767) for f in factor]
        b = [round(v / (unit * scale)) for v in bias]
        y = [u * v + start for u, v, start in zip(self.unit(row), w, b, strict=True)]
        ratio = unit * scale / self.out_scale
        out = (rescaled(v, ratio, self.contract, self.rounding) + self.out_zero for v in y)
        return [clamp(v, *self.out_reach) for v in out]
