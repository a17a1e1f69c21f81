"""A piecewise-linear unit: comparators, one-hot select, multiply-add, rounding shift, saturation.

Source: GQA-LUT, arXiv:2403.19591, eq. 3 and fig. 2b; the tables are registers with a write port there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, IntFormat
from hwsim.ops import Pwl
from hwsim.qtensor import QType
from hwsim.ranges import Interval, format_interval

from .arithmetic import clipped, number, rounded
from .module import Clocked, Module, Signal, constant, module_name
from .unit import EXHAUSTIVE, OneResult, Stimulus, around, check_stages, check_table, codes_of, drawn, operand

COLUMNS = ("breakpoint", "slope", "intercept")
WIDEST = 64  # bits of a multiply-add of registers; what the op's own table makes of it is bounded by the op


@dataclass(frozen=True, kw_only=True)
class PwlUnit(OneResult):
    """``y = saturate(round((slope[i] * x + intercept[i]) / 2**shift) + zero_point)``.

    Args:
        op: the function.
        x: type of the input.
        stages: pipeline registers: 1 holds the result, 2 the chosen line and x as well.
        table: ``registers`` (loaded through ``we``, ``column``, ``addr``, ``data``, non-decreasing breakpoints) or
            ``constants`` (logic).
        widths: bits of breakpoints, slopes and intercepts; None is what the op's table takes. The multiply-add of
            registers holds whatever they may be loaded with.
        intercept_shift: bits by which stored intercepts enter shifted, by wires; the op's must be multiples of it.
        name: of the module, any string.
    """

    op: Pwl
    x: QType
    stages: int = 0
    table: str = "constants"
    widths: tuple[int, int, int] | None = None
    intercept_shift: int = 0
    name: str = "pwl"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist, types that the op refuses and tables that do not fit."""
        check_stages("pwl unit", self.stages, 2)
        check_table("pwl unit", self.table)
        self.op.out_type(self.x)
        self.op.reach(operand("pwl unit", self.x, None))
        if type(self.intercept_shift) is not int or not 0 <= self.intercept_shift <= 30:
            raise ValueError(f"pwl unit: intercept_shift {self.intercept_shift!r} must be 0..30")
        if odd := [b for b in self.op.intercepts if b % (1 << self.intercept_shift)]:
            raise ValueError(f"pwl unit: intercept {odd[0]} is no multiple of 2**{self.intercept_shift}")
        for column, values, bits in zip(COLUMNS, self._columns, self._widths, strict=True):
            if bad := [v for v in values if Interval(v, v).bits > bits]:
                raise ValueError(f"pwl unit: {column} {bad[0]} does not fit {bits} bits")
        if self.table == "registers" and (bits := self._accumulator.bits) > WIDEST:
            raise ValueError(f"pwl unit: widths {self._widths} make a multiply-add of {bits} bits, at most {WIDEST}")

    @property
    def _columns(self) -> tuple[tuple[int, ...], ...]:
        """Breakpoints, slopes, intercepts as stored."""
        return self.op.breakpoints, self.op.slopes, tuple(b >> self.intercept_shift for b in self.op.intercepts)

    @property
    def _widths(self) -> tuple[int, ...]:
        return self.widths or tuple(Interval(min(c, default=0), max(c, default=0)).bits for c in self._columns)

    @property
    def _accumulator(self) -> Interval:
        """What the multiply-add can reach: of this table, or of any that registers may hold."""
        x = format_interval(self.x.fmt)
        if self.table == "constants":
            return self.op.accumulator(x)
        _, slope, intercept = (format_interval(IntFormat("register", b)) for b in self._widths)
        product, start = slope.times(x), Interval(*(end << self.intercept_shift for end in intercept))
        return Interval(product.lo + start.lo, product.hi + start.hi)

    @property
    def module(self) -> Module:
        """Compare with all breakpoints at once, select, multiply, add."""
        m = Module(module_name(self.name), "y = saturate(round((slope[i] * x + intercept[i]) / 2**shift) + zero_point)")
        if self.stages or self.table == "registers":
            m.clock()
        x = number(m, "x_int", m.port("x", self.x.fmt.bits), self.x.fmt)
        y = self.wires(m, x)
        m.result("y", self.op.fmt.bits, m.delayed("y_kept", y) if self.stages else y)
        return m

    def wires(self, m: Module, x: Signal) -> Signal:
        """The arithmetic alone, on the integer `x`."""
        columns = self._stored(m)
        hot = segment(m, x, columns[0])
        slope, intercept = (selected(m, c, hot, s) for c, s in zip(COLUMNS[1:], columns[1:], strict=True))
        if self.stages == 2:
            x, slope, intercept = (m.delayed(f"{s.name}_kept", s) for s in (x, slope, intercept))
        product = m.product("product", slope, x)
        start = m.left("start", intercept, self.intercept_shift)
        acc = m.wire("acc", self._accumulator, f"{product.name} + {start.name}")
        y = rounded(m, "dropped", acc, constant(self.op.shift), self.op.rounding)
        y = m.sum("placed", y, constant(self.op.zero_point)) if self.op.zero_point else y
        return clipped(m, "limited", y, format_interval(self.op.fmt))

    def _stored(self, m: Module) -> list[list[Signal]]:
        """The three columns: wires of constants, or registers behind a write port."""
        names = [
            [Signal(f"{column}_{i}", format_interval(IntFormat(column, bits))) for i in range(len(values))]
            for column, values, bits in zip(COLUMNS, self._columns, self._widths, strict=True)
        ]
        if self.table == "constants":
            pairs = (zip(signals, values, strict=True) for signals, values in zip(names, self._columns, strict=True))
            return [[m.wire(s.name, s.reach, constant(v).name) for s, v in column] for column in pairs]
        m.port("we", None), m.port("column", 2), m.port("addr", self._address), m.port("data", max(self._widths))
        for k, (signals, bits) in enumerate(zip(names, self._widths, strict=True)):
            for i, s in enumerate(signals):
                m.register(s.name, s.reach)
                when = f"we && column == 2'd{k} && addr == {self._address}'d{i}"
                m.clocked.append(Clocked(s.name, f"data[{bits - 1}:0]", when))
        return names

    @property
    def _address(self) -> int:
        return max(1, (len(self.op.slopes) - 1).bit_length())

    def setup(self) -> Stimulus:
        """One write a stored number."""
        if self.table == "constants":
            return {}
        writes = [(k, i, v) for k, values in enumerate(self._columns) for i, v in enumerate(values)]
        column, addr, data = (np.array(c) for c in zip(*writes, strict=True))
        return {"we": np.ones(len(writes), np.int64), "column": column, "addr": addr, "data": data}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Every code, or ends, breakpoints, their neighbours, saturation's edges and random codes."""
        if self.x.fmt.bits <= EXHAUSTIVE:
            return {"x": codes_of(self.x.fmt)}
        reach = format_interval(self.x.fmt)
        points = around(np.array([*reach, 0, *self.op.breakpoints], np.int64), reach)
        return {"x": np.concatenate([points, drawn(rng, self.x.fmt, None, count)])}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The op's `run`."""
        return {"y": self.op.run((self.x,), codes["x"].astype(self.x.fmt.dtype))}

    def describe(self) -> tuple[str, str]:
        """How the shift rounds."""
        return "", self.op.rounding


def segment(m: Module, x: Signal, breakpoints: list[Signal]) -> str:
    """One bit a segment; a tie goes to the right."""
    n = len(breakpoints)
    if not n:
        return m.field("segment", 1, "1'b1")
    reached = ", ".join(f"{x.name} >= {b.name}" for b in reversed(breakpoints))
    bits = m.field("reached", n, f"{{{reached}}}")
    return m.field("segment", n + 1, f"{{{bits}, 1'b1}} & ~{{1'b0, {bits}}}")


def selected(m: Module, column: str, hot: str, stored: list[Signal]) -> Signal:
    """AND-OR of the one that its bit chooses; all are equally wide, so that no bits are extended."""
    bits = stored[0].bits
    chosen = " | ".join(f"({{{bits}{{{hot}[{i}]}}}} & {s.name})" for i, s in enumerate(stored))
    return m.wire(column, stored[0].reach, f"$signed({m.field(f'{column}_bits', bits, chosen)})")
