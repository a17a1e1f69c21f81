"""``y = saturate(round(x / 2**(s + bits)))``: a shift by a computed value, element by element, broadcasting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import INT16, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from ..rounding import check_rounding, shift_right
from .shapes import broadcast, per_tensor


@dataclass(frozen=True, kw_only=True)
class ShiftBy:
    """Barrel shifter: ``x * 2**-s`` as real numbers, on a grid ``2**bits`` coarser; zero points must be 0.

    Args:
        bits: constant part of the shift.
        rounding: how the shift rounds.
        fmt: format of the result, which saturates.
    """

    bits: int = 0
    rounding: str = "half_up"
    fmt: IntFormat = INT16
    name: ClassVar[str] = "shift_by"

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown rounding."""
        check_rounding(self.rounding)

    def out_type(self, x: QType, s: QType) -> QType:
        """Broadcast shape; the lsb grows by ``2**bits``."""
        (_, zero), _ = per_tensor("shift_by", x), per_tensor("shift_by", s)
        if zero:
            raise ValueError(f"shift_by: zero_point {zero} of the input would be shifted with it; requantize instead")
        if not isinstance(s.fmt, IntFormat) or s.fmt.signed or (s.scale, s.zero_point) != (1.0, 0):
            raise ValueError(
                f"shift_by: shift is {s.fmt.name} scale {s.scale!r} zero_point {s.zero_point}, must count: "
                "an unsigned integer of scale 1"
            )
        return QType(broadcast("shift_by", x.shape, s.shape), self.fmt, float(np.ldexp(x.lsb, self.bits)))

    def reach(self, x: Operand, s: Operand) -> Interval:
        """Shifted ends at both ends of the shift, saturated: rounding is monotone."""
        shifts = s.reach.shifted(self.bits)
        if shifts.lo < 0 or shifts.hi > 62:
            raise ValueError(f"shift_by: shifts may reach {shifts.lo}..{shifts.hi}, outside 0..62")
        if x.reach.magnitude >= 1 << 61:
            raise ValueError(f"shift_by: input may reach {x.reach.lo}..{x.reach.hi}, takes |x| < 2**61")
        ends = shift_right(np.array([x.reach], np.int64), np.array([shifts]).T, self.rounding)
        return Interval(int(ends.min()), int(ends.max())).clip(self.limits)

    @property
    def limits(self) -> Interval:
        """Where the result saturates."""
        return Interval(self.fmt.min_int, self.fmt.max_int)

    def run(self, ins: tuple[QType, ...], x: Codes, s: Codes) -> Codes:
        """The definition."""
        y = shift_right(ins[0].fmt.to_int(x), s.astype(np.int64) + self.bits, self.rounding)
        return np.clip(y, *self.limits).astype(self.fmt.dtype)
