"""``sum = float32(sum + float32(float32(x) * 2**e))`` over the blocks in ascending order, then integer codes again.

What GPUs do with block formats, with the order said. `x` is a block's exact integer: dot product times factors. It
becomes a float32, half to even; its power of two is exact unless the product is subnormal, then it rounds half to even
as well, and so does every addition. The sum is in the numbers that codes name (`e` holds the exponents of all grids,
not the types' scales), so underflow happens where it happens in a float32 register. At the end the sum becomes integers
of ``2**lsb_exp``, half to even, saturated: all that follows is integer.

Why infinity is a type error: a proof that no sum can reach it costs nothing, and no engine then has to agree on NaN.
Source: IEEE 754-2019, 4.3.1 and 5.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import IntFormat
from ..rounding import Ints
from .datapath import Datapath

Floats = NDArray[np.float32]
SMALLEST, LARGEST = -126, 127  # exponents of normal float32 numbers
FURTHEST = 2 * SMALLEST  # what lies below 2**62 times that is 0
FAR = 2.0**62  # past every accumulator


@dataclass(frozen=True, kw_only=True)
class Float32Sum:
    """A `datapath` of `block_matmul`: contributions of the blocks are added in float32."""

    def check(self, op: str, acc: IntFormat, rounding: str, exponents: tuple[int, int]) -> None:
        """ValueError unless every step is defined; `exponents` of the result's lsb and the largest of a block."""
        Datapath(overflow="saturate").check(op, acc)
        if rounding != "half_even":
            raise ValueError(f"{op}: rounding {rounding!r} of a float32 sum; each of its steps is half_even")
        low, high = exponents
        if not (SMALLEST <= low <= -SMALLEST and FURTHEST <= high <= LARGEST):
            raise ValueError(
                f"{op}: a float32 sum with an lsb of 2**{low} and blocks of up to 2**{high} (grids included); "
                f"takes {SMALLEST}..{-SMALLEST} and {FURTHEST}..{LARGEST}, change lsb_exp and max_exp"
            )

    def term(self, x: Ints, exponent: Ints) -> Floats:
        """``float32(x) * 2**exponent``, |x| < 2**62, exponent <= 127: by two normal powers, so it rounds once."""
        first = np.maximum(exponent, SMALLEST)
        rest = np.maximum(exponent - first, SMALLEST)
        y = x.astype(np.float32) * _power(first)
        return np.asarray(y * _power(rest) if rest.any() else y, np.float32)

    def codes(self, y: Floats, lsb_exp: int, acc: IntFormat) -> Ints:
        """Integers of ``2**lsb_exp``: half to even, saturated. Why float64: it holds every quotient exactly."""
        units = np.clip(np.rint(np.ldexp(y.astype(np.float64), -lsb_exp)), -FAR, FAR).astype(np.int64)
        return np.clip(units, acc.min_int, acc.max_int)

    def bound(self, op: str, ends: tuple[Any, Any], exponent: Any, lsb_exp: int, acc: IntFormat) -> tuple[int, int]:
        """Least and greatest code, from the ends of each block's `x` (blocks, n). Why exact: rounding keeps order.

        Raises:
            ValueError: a sum may pass the largest float32.
        """
        powers = np.maximum(exponent, FURTHEST).astype(np.int64)
        with np.errstate(over="ignore", invalid="ignore"):
            terms = [self.term(np.asarray(x, np.int64), powers) for x in ends]
            sums = [np.cumsum(t, 0, dtype=np.float32)[-1] for t in terms]
        if not all(np.isfinite(s).all() for s in sums):
            raise ValueError(
                f"{op}: the sum may reach infinity in float32, with blocks of up to 2**{int(powers.max())} (grids "
                "included); lower max_exp"
            )
        low, high = (self.codes(s, lsb_exp, acc) for s in sums)
        return int(low.min()), int(high.max())


def _power(exponent: Ints) -> Floats:
    """``2**exponent`` for -126..127: the bits of a float32."""
    return np.asarray((np.asarray(exponent) + 127 << 23).astype(np.int32)).view(np.float32)
