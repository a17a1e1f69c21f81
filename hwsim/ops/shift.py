"""``y = round(x / 2**bits)``: the same real number on a coarser grid (a finer one where bits < 0), no saturation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from ..rounding import Ints, check_rounding, shift_right


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Arithmetic shift; the input's zero point must be 0.

    Args:
        bits: right shift, -31..62; negative goes left.
        rounding: how a right shift rounds.
        fmt: format of the result; overflow is refused, not modelled.
    """

    bits: int
    rounding: str = "floor"
    fmt: IntFormat = INT32
    name: ClassVar[str] = "shift"

    def __post_init__(self) -> None:
        """Raise ValueError for shifts outside -31..62."""
        check_rounding(self.rounding)
        if not -31 <= self.bits <= 62:
            raise ValueError(f"shift: bits {self.bits} is outside -31..62")

    def out_type(self, x: QType) -> QType:
        """`x`'s shape; the lsb, or that of each channel, grows by ``2**bits``."""
        if np.any(x.zero_point):
            raise ValueError(
                f"shift: zero_point {x.zero_point} of the input would be rounded with it; requantize instead"
            )
        step = np.ldexp(x.lsb, self.bits)
        scale = tuple(step.tolist()) if isinstance(x.scale, tuple) else float(step)
        return QType(x.shape, self.fmt, scale, axis=x.axis)

    def reach(self, x: Operand) -> Interval:
        """Shifted ends: rounding is monotone."""
        if x.reach.magnitude > (1 << 61) >> max(0, -self.bits):
            raise ValueError(f"shift: input may reach {x.reach.lo}..{x.reach.hi}, too wide for a shift by {self.bits}")
        ends = self.apply(np.array(x.reach, np.int64))
        return Interval(int(ends[0]), int(ends[1]))

    def apply(self, x: Ints) -> Ints:
        """The formula on integers."""
        return shift_right(x << max(-self.bits, 0), max(self.bits, 0), self.rounding)

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        return self.apply(ins[0].fmt.to_int(x)).astype(self.fmt.dtype)
