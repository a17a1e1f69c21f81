"""``y = saturate(round((slope[i] * x + intercept[i]) / 2**shift) + zero_point)``, i = number of breakpoints ``<= x``.

Source: GQA-LUT, arXiv:2403.19591, eq. 3. Why ``<=``: a tie goes to the right segment, in the fit and in every engine
(the published code disagrees with itself here on 3..13 of 256 codes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..formats import INT8, Codes, IntFormat
from ..jit import jit
from ..qtensor import QType
from ..ranges import Interval, Operand
from ..rounding import ROUNDINGS, check_rounding, shift_right, shift_right_scalar
from .shapes import per_tensor


@dataclass(frozen=True, kw_only=True)
class Pwl:
    """Piecewise-linear function of the input's grid integer (its zero point lives in the intercepts).

    Args:
        breakpoints: non-decreasing; equal ones leave an empty segment.
        slopes, intercepts: one more than breakpoints.
        shift: bits dropped after the multiply-add, 0..62.
        rounding: how they are dropped.
        fmt, scale, zero_point: type of the result.
    """

    breakpoints: tuple[int, ...]
    slopes: tuple[int, ...]
    intercepts: tuple[int, ...]
    shift: int
    rounding: str = "half_up"
    fmt: IntFormat = INT8
    scale: float = 1.0
    zero_point: int = 0
    name: ClassVar[str] = "pwl"

    def __post_init__(self) -> None:
        """Raise ValueError for tables that are no piecewise-linear function."""
        check_rounding(self.rounding)
        n = len(self.slopes)
        for v in (*self.breakpoints, *self.slopes, *self.intercepts, self.shift):
            if not isinstance(v, int):
                raise ValueError(f"pwl: constant {v!r} must be an integer")
        if n < 1 or len(self.intercepts) != n or len(self.breakpoints) != n - 1:
            raise ValueError(
                f"pwl: {len(self.breakpoints)} breakpoints, {n} slopes, {len(self.intercepts)} intercepts; "
                "need n-1, n and n"
            )
        if list(self.breakpoints) != sorted(self.breakpoints):
            raise ValueError(f"pwl: breakpoints {self.breakpoints} are not in order")
        if not 0 <= self.shift <= 62:
            raise ValueError(f"pwl: shift {self.shift} is outside 0..62")
        if max(abs(v) for v in (*self.breakpoints, *self.slopes, *self.intercepts)) >= 1 << 60:
            raise ValueError("pwl: constants pass 60 bits")

    def __repr__(self) -> str:
        """One line, whatever the number of segments."""
        zero = f", zero_point={self.zero_point}" if self.zero_point else ""
        how = f"shift={self.shift}, {self.rounding}, {self.fmt.name}, scale={self.scale!r}{zero}"
        return f"Pwl({len(self.slopes)} segments, {how})"

    def _repr_html_(self) -> str:
        from ..reports.function_html import pwl_html

        return pwl_html(self)

    def out_type(self, x: QType) -> QType:
        """`x`'s shape in the result's type."""
        per_tensor("pwl", x)
        return QType(x.shape, self.fmt, self.scale, self.zero_point)

    def accumulator(self, x: Interval) -> Interval:
        """What ``slope * x + intercept`` can reach, over all segments."""
        ends = [Interval(k, k).times(x).shifted(b) for k, b in zip(self.slopes, self.intercepts, strict=True)]
        return Interval(min(e.lo for e in ends), max(e.hi for e in ends))

    def reach(self, x: Operand) -> Interval:
        """The result saturates; the multiply-add must stay inside 61 bits."""
        a = self.accumulator(x.reach)
        if a.magnitude >= 1 << 61:
            raise ValueError(f"pwl: slope * x + intercept may reach {a.lo}..{a.hi}, over 61 bits")
        ends = shift_right(np.array(a), self.shift, self.rounding) + self.zero_point
        return Interval(int(ends[0]), int(ends[1])).clip(Interval(self.fmt.min_int, self.fmt.max_int))

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        v = ins[0].fmt.to_int(x)
        i = np.searchsorted(np.asarray(self.breakpoints, np.int64), v, side="right")
        acc = np.asarray(self.slopes, np.int64)[i] * v + np.asarray(self.intercepts, np.int64)[i]
        y = shift_right(acc, self.shift, self.rounding) + self.zero_point
        return np.clip(y, self.fmt.min_int, self.fmt.max_int).astype(self.fmt.dtype)

    def run_fast(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """Numba twin."""
        v = np.asarray(ins[0].fmt.to_int(x), order="C")
        tables = [np.asarray(t, np.int64) for t in (self.breakpoints, self.slopes, self.intercepts)]
        y = _pwl(v, *tables, self.shift, ROUNDINGS.index(self.rounding)) + self.zero_point
        return np.clip(y, self.fmt.min_int, self.fmt.max_int).astype(self.fmt.dtype)


@jit
def _pwl(x: Any, breakpoints: Any, slopes: Any, intercepts: Any, shift: Any, rounding: Any) -> Any:
    y = np.empty_like(x)
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    for j in range(flat_x.size):
        i = 0
        while i < breakpoints.size and breakpoints[i] <= flat_x[j]:
            i += 1
        flat_y[j] = shift_right_scalar(slopes[i] * flat_x[j] + intercepts[i], shift, rounding)
    return y
