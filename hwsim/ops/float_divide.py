"""``y = saturate(half_even(float32(a) * gain / float32(b)) + zero_point)``, all in float32.

ONNX Runtime's QLinearSoftmax ends with it. Product and quotient round to float32 once each, half to even, as do a and
b where they have more than 24 bits.

Source: IEEE 754-2019, 5.4.1; measured in tests/hwsim/dialects/test_ort_softmax.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import UINT8, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from ..rounding import Ints
from .shapes import broadcast, per_tensor

WIDEST = 48  # bits of an operand; with the largest gain no quotient passes 2**62
MOST = 1 << 14


@dataclass(frozen=True, kw_only=True)
class FloatDivide:
    """Quotient of two integers without zero points, element by element, broadcasting; the divisor must be positive.

    Args:
        gain: steps of the result in one unit of the quotient. Whole, as its engine keeps it, so the scale that is
            applied is ``1 / gain``, which the declared one may miss.
        fmt, scale, zero_point: type of the result.
    """

    gain: int
    fmt: IntFormat = UINT8
    scale: float
    zero_point: int = 0
    name: ClassVar[str] = "float_divide"

    def __post_init__(self) -> None:
        """Raise ValueError for a gain that is no whole number in range."""
        if type(self.gain) is not int or not 1 <= self.gain <= MOST:
            raise ValueError(f"float_divide: gain {self.gain!r} must be a whole number of 1..{MOST}")

    def out_type(self, a: QType, b: QType) -> QType:
        """Broadcast shape in the result's type; `gain` must be that of the scales, cut to a whole number."""
        out = QType(broadcast("float_divide", a.shape, b.shape), self.fmt, self.scale, self.zero_point)
        for t in (a, b):
            _, zero = per_tensor("float_divide", t)
            if not isinstance(t.fmt, IntFormat) or t.fmt.bits > WIDEST or zero:
                raise ValueError(
                    f"float_divide: operand of {t.fmt.name}, zero_point {zero}; takes integers of up to {WIDEST} bits "
                    "with zero_point 0"
                )
        wanted = float(a.lsb) / float(b.lsb) / per_tensor("float_divide", out)[0]
        if not abs(self.gain - wanted) < 1:
            raise ValueError(f"float_divide: gain is {self.gain}, the scales say {wanted!r}")
        return out

    def reach(self, a: Operand, b: Operand) -> Interval:
        """Rounding keeps order, so the corners give the ends."""
        if b.reach.lo < 1:
            raise ValueError(f"float_divide: the divisor may reach {b.reach.lo}; it must be 1 or more")
        corners = [int(self._codes(np.array(x), np.array(y))) for x in a.reach for y in b.reach]
        return Interval(min(corners), max(corners))

    def run(self, ins: tuple[QType, ...], a: Codes, b: Codes) -> Codes:
        """The definition."""
        return self._codes(a.astype(np.int64), b.astype(np.int64)).astype(self.fmt.dtype)

    def _codes(self, a: Ints, b: Ints) -> Ints:
        quotient = a.astype(np.float32) * np.float32(self.gain) / b.astype(np.float32)
        y = np.rint(quotient).astype(np.int64) + self.zero_point
        return np.asarray(np.clip(y, self.fmt.min_int, self.fmt.max_int))
