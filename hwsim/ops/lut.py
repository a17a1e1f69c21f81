"""``y = table[code - first]``: any function of one code of up to 16 bits, exactly; results in any format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import INT8, Codes, FloatFormat, Format, IntFormat, Reals
from ..qtensor import QType, check_codes, encode
from ..ranges import Interval, Operand, format_interval
from .shapes import per_tensor


def table_size(fmt: Format) -> int:
    """How many codes a table of inputs in `fmt` has."""
    return fmt.max_code - fmt.min_code + 1


@dataclass(frozen=True, kw_only=True)
class Lut:
    """Table look-up.

    Args:
        table: result code for each input code, from `first`; ``max_code - min_code + 1`` entries if `first` is None.
        fmt, scale, zero_point: type of the result; scales one a channel of the last axis only where the input has them.
        first: input code of the first entry, for a table of what the input can reach alone; None is the smallest code.
    """

    table: tuple[int, ...]
    fmt: Format = INT8
    scale: float | tuple[float, ...] = 1.0
    zero_point: int = 0
    first: int | None = None
    name: ClassVar[str] = "lut"

    @classmethod
    def of(cls, fn: Callable[[Reals], Reals], source: QType, out: QType, codes: Interval | None = None) -> Lut:
        """The table of `fn` (reals to reals): each entry is the result rounded half to even.

        Args:
            fn: reals to reals.
            source: type of the input.
            out: type of the result.
            codes: input codes that the table has; default all of the format.
        """
        if not (isinstance(out.scale, float) and isinstance(out.zero_point, int)):
            raise ValueError(f"lut: result type {out.fmt.name} must be per tensor")
        scale, zero = per_tensor("lut", source)
        ends = Interval(source.fmt.min_code, source.fmt.max_code) if codes is None else codes
        places = np.arange(ends.lo, ends.hi + 1).astype(source.fmt.dtype)
        reals = np.ldexp((source.fmt.to_int(places) - zero) * scale, source.fmt.lsb_exp)  # reserved codes read 0
        y = np.asarray(fn(reals), np.float64)
        if not np.isfinite(y).all():
            raise ValueError(f"lut: the function is {y[~np.isfinite(y)][0]} at code {places[~np.isfinite(y)][0]}")
        table = tuple(encode(y, out.reshaped(y.shape)).tolist())
        first = None if codes is None else codes.lo
        return cls(table=table, fmt=out.fmt, scale=out.scale, zero_point=out.zero_point, first=first)

    def __repr__(self) -> str:
        """One line, whatever the number of entries."""
        scale = f"{len(self.scale)} scales" if isinstance(self.scale, tuple) else f"scale={self.scale!r}"
        zero = f", zero_point={self.zero_point}" if self.zero_point else ""
        first = "" if self.first is None else f", first={self.first}"
        return f"Lut({len(self.table)} entries, {self.fmt.name}, {scale}{zero}{first})"

    def _repr_html_(self) -> str:
        from ..reports.function_html import lut_html

        return lut_html(self)

    def out_type(self, x: QType) -> QType:
        """`x`'s shape in the result's type."""
        axis = len(x.shape) - 1 if isinstance(self.scale, tuple) else None
        if not isinstance(self.scale, tuple):
            per_tensor("lut", x)
        elif x.axis != len(x.shape) - 1 or isinstance(x.zero_point, tuple):
            raise ValueError(f"lut: {len(self.scale)} scales for an input of shape {x.shape} that has none a channel")
        whole = self.first is None
        if x.fmt.bits > 16 or (whole and len(self.table) != table_size(x.fmt)) or not self.table:
            raise ValueError(
                f"lut: {len(self.table)} entries for {x.fmt.name}, which has {table_size(x.fmt)} codes (<= 2**16)"
            )
        if not whole and not isinstance(x.fmt, IntFormat):
            raise ValueError(f"lut: first {self.first} with {x.fmt.name}; only a table of integers may leave codes out")
        return QType(x.shape, self.fmt, self.scale, self.zero_point, axis)

    def reach(self, x: Operand) -> Interval:
        """Smallest and largest entry that the input can find; an input outside the table is an error."""
        entries = np.asarray(self.table)
        if isinstance(self.fmt, FloatFormat):
            check_codes(entries, self.fmt, "lut: entry")
            entries = self.fmt.to_int(entries)
        whole = Interval(int(entries.min()), int(entries.max()))
        if not isinstance(x.type.fmt, IntFormat) or not whole.inside(format_interval(self.fmt)):
            return whole
        lo, hi = (end - self.start(x.type) for end in x.reach)
        if lo < 0 or hi >= entries.size:
            last = self.start(x.type) + len(self.table) - 1
            raise ValueError(
                f"lut: input may reach {x.reach.lo}..{x.reach.hi}, the table has {self.start(x.type)}..{last}"
            )
        return Interval(int(entries[lo : hi + 1].min()), int(entries[lo : hi + 1].max()))

    def start(self, x: QType) -> int:
        """Input code of the first entry."""
        return x.fmt.min_code if self.first is None else self.first

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        return np.asarray(self.table, self.fmt.dtype)[x.astype(np.int64) - self.start(ins[0])]
