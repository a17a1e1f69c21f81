"""GQA-LUT's piecewise-linear unit in floats: compare, choose a line, multiply, round, add, round.

Source: arXiv:2403.19591, eq. 3 and fig. 2b, whose FP32 unit is what the integer unit is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, IntFormat
from hwsim.ranges import Interval, format_interval
from hwsim.tables import Table

from .float_add import added
from .float_format import AnyFloat, arithmetic
from .float_multiply import factor, multiplied
from .float_operators import Rounded, result
from .float_parts import exponent_of, sign_of
from .float_stimulus import numbers, some
from .module import Clocked, Module, Signal, literal, module_name
from .pwl import COLUMNS, segment, selected
from .unit import EXHAUSTIVE, Stimulus, check_stages, check_table

ENTRIES = 64


@dataclass(frozen=True, kw_only=True)
class FloatPwlUnit(Rounded):
    """``y = round_to(fmt, round_to(fmt, slope[i] * x) + intercept[i])``, i the breakpoints that x reaches.

    Args:
        fmt: of x, y and the table; x is finite.
        breakpoints: real numbers in order, one fewer than slopes; a tie goes to the right.
        slopes, intercepts: real numbers. All are rounded to `fmt`.
        stages: pipeline registers: 1 holds the result, 2 the chosen line and x as well.
        table: ``registers`` (loaded through ``we``, ``column``, ``addr``, ``data``, codes of `fmt` without flushed
            subnormals, breakpoints in order) or ``constants`` (logic).
        name: of the module, any string.
    """

    fmt: AnyFloat
    breakpoints: tuple[float, ...]
    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]
    stages: int = 0
    table: str = "constants"
    name: str = "float_pwl"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist, and for tables that are none."""
        check_stages("float pwl unit", self.stages, 2)
        check_table("float pwl unit", self.table)
        n = len(self.slopes)
        if not (1 <= n <= ENTRIES and len(self.intercepts) == n and len(self.breakpoints) == n - 1):
            counts = f"{len(self.breakpoints)} breakpoints, {n} slopes, {len(self.intercepts)} intercepts"
            raise ValueError(f"float pwl unit: {counts}; it takes n - 1, n and n, 1..{ENTRIES}")
        f = arithmetic(self.fmt)
        top = float(f.decode(np.array([f.largest]))[0])
        for column, values in zip(COLUMNS, self._reals, strict=True):
            if (bad := ~(np.abs(values) <= top)).any():
                raise ValueError(f"float pwl unit: {column} {values[bad.argmax()]} is outside {f.name}: +-{top}")
        if (np.diff(f.decode(self._columns[0])) < 0).any():
            raise ValueError(f"float pwl unit: breakpoints {self.breakpoints} are not in order")

    @classmethod
    def of(cls, table: Table, n: int, fmt: AnyFloat, **choices: Any) -> FloatPwlUnit:
        """The lines of a fitted table, for inputs ``q * 2**-n`` as reals; ValueError where it has no such scale."""
        if n not in table.scales:
            raise ValueError(f"float pwl unit: table of {table.function} has no scale 2**-{n}")
        lines, step = table.scales[n], 2.0**-table.fraction
        return cls(
            fmt=fmt,
            breakpoints=tuple(v * 2.0**-n for v in lines.breakpoints),
            slopes=tuple(v * step for v in lines.slopes),
            intercepts=tuple(v * step for v in lines.intercepts),
            **choices,
        )

    @property
    def _reals(self) -> list[NDArray[np.float64]]:
        return [np.array(c, np.float64) for c in (self.breakpoints, self.slopes, self.intercepts)]

    @property
    def _columns(self) -> list[Codes]:
        """Codes of breakpoints, slopes, intercepts."""
        return [arithmetic(self.fmt).encode(c) for c in self._reals]

    @property
    def module(self) -> Module:
        """Compare with all breakpoints at once, select, multiply, add."""
        m = Module(module_name(self.name), "y = round_to(round_to(slope[i] * x) + intercept[i]) in floats")
        f = arithmetic(self.fmt)
        if self.stages or self.table == "registers":
            m.clock()
        x = m.port("x", f.bits)
        breakpoints, *lines = self._registers(m) if self.table == "registers" else self._constants(m)
        hot = segment(m, self._key(m, "x", x), breakpoints)
        slope, intercept = (selected(m, c, hot, s).name for c, s in zip(COLUMNS[1:], lines, strict=True))
        if self.stages == 2:
            kept = (("x", x), ("slope", slope), ("intercept", intercept))
            x, slope, intercept = (m.kept(f"{n}_kept", code, f.bits) for n, code in kept)
        product = multiplied(m, "product", f, factor(m, slope, self.fmt), factor(m, x, self.fmt))
        result(m, added(m, "sum", f, product, intercept), f.bits, self.stages > 0)
        return m

    def _key(self, m: Module, name: str, code: str) -> Signal:
        """Integers in the order of the numbers: those of negative ones turned, and both zeros one.

        A subnormal that reads as zero is less than every normal number, so its mantissa need not be cleared.
        """
        f = arithmetic(self.fmt)
        low = f"{code}[{f.bits - 2}:0]"
        some_bits = exponent_of(code, f) if f.flushes else low
        sign = m.field(f"{name}_negative", 1, f"{sign_of(code, f)} & (|{some_bits})")
        text = f"$signed({{{sign}, {low} ^ {{{f.bits - 1}{{{sign}}}}}}})"
        return m.wire(f"{name}_key", self._words, text)

    @property
    def _words(self) -> Interval:
        """All that a register holds."""
        return format_interval(IntFormat("register", self.fmt.bits))

    def _registers(self, m: Module) -> list[list[Signal]]:
        """The three columns behind a write port, which turns breakpoints into keys."""
        f, address = arithmetic(self.fmt), max(1, (len(self.slopes) - 1).bit_length())
        m.port("we", None), m.port("column", 2), m.port("addr", address)
        data = m.port("data", f.bits)
        written = (self._key(m, "data", data).name, data, data)
        columns = []
        for k, (column, codes) in enumerate(zip(COLUMNS, self._columns, strict=True)):
            columns.append([m.register(f"{column}_{i}", self._words) for i in range(len(codes))])
            for i, s in enumerate(columns[-1]):
                when = f"we && column == 2'd{k} && addr == {address}'d{i}"
                m.clocked.append(Clocked(s.name, written[k], when))
        return columns

    def _constants(self, m: Module) -> list[list[Signal]]:
        """The three columns as wires; breakpoints by their keys."""
        f, sign = arithmetic(self.fmt), 1 << (self.fmt.bits - 1)
        keys = [-(c - sign) - 1 if c > sign else c % sign for c in _plain(self._columns[0])]
        columns = [keys, *map(_plain, self._columns[1:])]
        return [
            [m.wire(f"{column}_{i}", self._words, literal(v, f.bits)) for i, v in enumerate(values)]
            for column, values in zip(COLUMNS, columns, strict=True)
        ]

    def setup(self) -> Stimulus:
        """One write a stored number."""
        if self.table == "constants":
            return {}
        writes = [(k, i, v) for k, codes in enumerate(self._columns) for i, v in enumerate(_plain(codes))]
        column, addr, data = (np.array(c) for c in zip(*writes, strict=True))
        return {"we": np.ones(len(writes), np.int64), "column": column, "addr": addr, "data": data}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Every number, or breakpoints with their neighbours, both zeros, and numbers of all sizes."""
        f = arithmetic(self.fmt)
        if f.bits <= EXHAUSTIVE:
            return {"x": numbers(f)}
        points = self._columns[0].astype(np.int64)[:, None] + np.arange(-2, 3)
        points = np.concatenate([points.reshape(-1), [0, 1 << (f.bits - 1)]]) & ((1 << f.bits) - 1)
        wide = 2 * max(1.0, *np.abs(self.breakpoints)) if self.breakpoints else 1.0
        near = f.encode(rng.uniform(-wide, wide, count // 2))
        x = np.concatenate([points, some(rng, f, count - count // 2), near])
        return {"x": x[f.finite(x)]}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The format's product and sum on the chosen line."""
        f = arithmetic(self.fmt)
        breakpoints, slopes, intercepts = self._columns
        i = np.searchsorted(f.decode(breakpoints), f.decode(codes["x"]), side="right")
        return {"y": f.sum(f.product(slopes[i], f, codes["x"], f), intercepts[i])}


def _plain(codes: Codes) -> list[int]:
    return [int(c) for c in codes]
