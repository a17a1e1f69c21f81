"""``y = table[code - min_code]``: any function of one code of up to 16 bits, exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import INT8, Codes, Format, IntFormat, Reals
from ..qtensor import QType, encode
from ..ranges import Interval, Operand
from .shapes import per_tensor


def table_size(fmt: Format) -> int:
    """How many codes a table of inputs in `fmt` has."""
    return fmt.max_code - fmt.min_code + 1


@dataclass(frozen=True, kw_only=True)
class Lut:
    """Table look-up.

    Args:
        table: result code for each input code, from the smallest; ``max_code - min_code + 1`` entries.
        fmt, scale, zero_point: type of the result.
    """

    table: tuple[int, ...]
    fmt: IntFormat = INT8
    scale: float = 1.0
    zero_point: int = 0
    name: ClassVar[str] = "lut"

    @classmethod
    def of(cls, fn: Callable[[Reals], Reals], source: QType, out: QType) -> Lut:
        """The table of `fn` (reals to reals): each entry is the result rounded half to even."""
        if not (isinstance(out.fmt, IntFormat) and isinstance(out.scale, float) and isinstance(out.zero_point, int)):
            raise ValueError(f"lut: result type {out.fmt.name} must be an integer format, per tensor")
        scale, zero = per_tensor("lut", source)
        codes = np.arange(source.fmt.min_code, source.fmt.max_code + 1).astype(source.fmt.dtype)
        reals = np.ldexp((source.fmt.to_int(codes) - zero) * scale, source.fmt.lsb_exp)  # reserved codes read 0
        y = np.asarray(fn(reals), np.float64)
        if not np.isfinite(y).all():
            raise ValueError(f"lut: the function is {y[~np.isfinite(y)][0]} at code {codes[~np.isfinite(y)][0]}")
        table = tuple(encode(y, out.reshaped(y.shape)).tolist())
        return cls(table=table, fmt=out.fmt, scale=out.scale, zero_point=out.zero_point)

    def out_type(self, x: QType) -> QType:
        """`x`'s shape in the result's type."""
        per_tensor("lut", x)
        if x.fmt.bits > 16 or len(self.table) != table_size(x.fmt):
            raise ValueError(
                f"lut: {len(self.table)} entries for {x.fmt.name}, which has {table_size(x.fmt)} codes (<= 2**16)"
            )
        return QType(x.shape, self.fmt, self.scale, self.zero_point)

    def reach(self, x: Operand) -> Interval:
        """Smallest and largest entry; more than its format holds is an error."""
        return Interval(min(self.table), max(self.table))

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        return np.asarray(self.table, self.fmt.dtype)[x.astype(np.int64) - ins[0].fmt.min_code]
