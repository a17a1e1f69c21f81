"""``(mantissa, exponent)`` with ``x = mantissa * 2**exponent``: leading-one normalisation of the whole unsigned range.

    e = floor(log2(max(x, 1)))      mantissa = floor(max(x, 1) * 2**(bits - 1) / 2**e)

so the mantissa has exactly `bits` bits, the first of them 1. What lies below 1 counts as 1: the op is total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import UINT8, UINT16, Codes
from ..qtensor import QType
from ..ranges import Interval, Operand
from ..rounding import Ints
from .shapes import per_tensor


@dataclass(frozen=True, kw_only=True)
class Normalize:
    """A priority encoder and a shifter; two results, mantissa (UINT16) and exponent (UINT8, real numbers).

    Args:
        bits: of the mantissa with its leading one, 2..16.
    """

    bits: int = 9
    name: ClassVar[str] = "normalize"

    def __post_init__(self) -> None:
        """Raise ValueError for mantissas that UINT16 does not hold."""
        if not 2 <= self.bits <= 16:
            raise ValueError(f"normalize: bits {self.bits} is outside 2..16")

    def out_type(self, x: QType) -> tuple[QType, QType]:
        """The mantissa's step is ``2**(1 - bits)`` of `x`'s; the exponent counts."""
        _, zero = per_tensor("normalize", x)
        if zero:
            raise ValueError(f"normalize: zero_point {zero} of the input would be normalised with it")
        return QType(x.shape, UINT16, float(np.ldexp(x.lsb, 1 - self.bits))), QType(x.shape, UINT8)

    def reach(self, x: Operand) -> tuple[Interval, Interval]:
        """All mantissas; exponents from the ends, which are monotone."""
        if x.reach.hi >= 1 << (64 - self.bits):
            raise ValueError(f"normalize: input may reach {x.reach.hi}, {self.bits} bits take < 2**{64 - self.bits}")
        lo, hi = (max(end, 1).bit_length() - 1 for end in x.reach)
        one = 1 << (self.bits - 1)
        return Interval(one, 2 * one - 1), Interval(lo, hi)

    def apply(self, x: Ints) -> tuple[Ints, Ints]:
        """The formula on integers."""
        x = np.maximum(x, 1)
        exponent = np.zeros(x.shape, np.int64)
        for step in (32, 16, 8, 4, 2, 1):  # Why not log2: a double rounds integers of 54 bits and more
            exponent += step * (x >> (exponent + step) > 0)
        return (x << (self.bits - 1)) >> exponent, exponent

    def run(self, ins: tuple[QType, ...], x: Codes) -> tuple[Codes, Codes]:
        """The definition."""
        mantissa, exponent = self.apply(ins[0].fmt.to_int(x))
        return mantissa.astype(UINT16.dtype), exponent.astype(UINT8.dtype)
