"""A reduction unit: sum, sum of squares, largest or smallest, one element a cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, FloatFormat, Format
from hwsim.ops import Reduce
from hwsim.qtensor import BATCH, QType
from hwsim.ranges import Interval, Operand, format_interval

from .arithmetic import number
from .module import Clocked, Module, Signal, module_name
from .unit import Stimulus, drawn, operand

STEPS = 16  # of one reduction, in stimulus


@dataclass(frozen=True, kw_only=True)
class ReduceUnit:
    """``acc = first ? f(x) : combine(acc, f(x))`` with f the square or nothing, and a sum, a maximum or a minimum.

    Args:
        op: kind and format of the result; its axes do not matter.
        x: type of an element.
        count: elements of one result, for the proof that it fits.
        reach: what the input's codes really reach (`Graph.reach`); None is all of the format.
        name: of the module, any string.
    """

    op: Reduce
    x: QType
    count: int
    reach: Interval | None = None
    name: str = "reduce"

    def __post_init__(self) -> None:
        """Raise ValueError where the result may not fit its format, or the op refuses the type."""
        if type(self.count) is not int or self.count < 1:
            raise ValueError(f"reduce unit: count {self.count!r} must be 1 or more elements")
        self._row.out_type(self._rows(self.count))
        ends = self._row.reach(Operand(self._rows(self.count), operand("reduce unit", self.x, self.reach).reach))
        if not ends.inside(format_interval(self.op.fmt)):
            what = f"{self.op.kind} of {self.count}"
            raise ValueError(f"reduce unit: {what} may reach {ends.lo}..{ends.hi}, outside {self.op.fmt.name}")

    @property
    def _row(self) -> Reduce:
        """The op over one axis."""
        return replace(self.op, axes=(1,))

    def _rows(self, count: int) -> QType:
        """Rows of `count` elements."""
        return self.x.reshaped((BATCH, count))

    @property
    def latency(self) -> int:
        """The accumulator's edge."""
        return 1

    @property
    def results(self) -> dict[str, Format]:
        """The op's."""
        return {"y": self.op.fmt}

    @property
    def _codes(self) -> Interval | None:
        return None if isinstance(self.x.fmt, FloatFormat) else operand("reduce unit", self.x, self.reach).reach

    @property
    def module(self) -> Module:
        """One adder or one comparator."""
        m = Module(module_name(self.name), f"{self.op.kind} since `first`")
        m.clock()
        first = m.port("first", None)
        x = number(m, "x_int", m.port("x", self.x.fmt.bits), self.x.fmt, self._codes)
        acc, _ = self.accumulator(m, first, x, format_interval(self.op.fmt))
        m.result("y", self.op.fmt.bits, acc)
        return m

    def accumulator(self, m: Module, first: str, x: Signal, reach: Interval) -> tuple[Signal, Signal]:
        """The arithmetic alone: a register of that reach, which a bit `first` starts anew, and what it becomes next."""
        if self.op.kind == "sum_square":
            x = m.wire("square", Interval(0, x.reach.magnitude**2), f"{x.name} * {x.name}")
        acc = m.register("acc", reach)
        if self.op.kind in ("max", "min"):
            sign = ">" if self.op.kind == "max" else "<"
            text = m.wire("best", acc.reach.union(x.reach), f"{x.name} {sign} {acc.name} ? {x.name} : {acc.name}").name
        else:
            text = m.sum("total", acc, x).name
        chosen = m.wire("chosen", acc.reach.union(x.reach), f"{first} ? {x.name} : {text}")
        kept = f"{chosen.name}[{acc.bits - 1}:0]" if chosen.bits > acc.bits else chosen.name
        m.clocked.append(Clocked(acc.name, kept))
        return acc, chosen

    def setup(self) -> Stimulus:
        """Nothing to load."""
        return {}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Runs of up to `STEPS` elements, ends among them, the first ones of an end alone."""
        depth = min(STEPS, self.count)
        rows = -(-count // depth) + 3
        x = drawn(rng, self.x.fmt, self._codes, (rows, depth))
        values = self.x.fmt.to_int(x.astype(self.x.fmt.dtype)).reshape(-1)
        x[0], x[1] = x.reshape(-1)[values.argmin()], x.reshape(-1)[values.argmax()]
        return {"first": np.tile(np.arange(depth) == 0, rows).astype(np.int64), "x": x.reshape(-1)}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """Every running result, by the op's `run` of each prefix."""
        begins = np.flatnonzero(codes["first"])
        lengths = np.diff([*begins, len(codes["first"])])
        x, y = codes["x"].astype(self.x.fmt.dtype), np.zeros(len(codes["first"]), self.op.fmt.dtype)
        for length in np.unique(lengths):
            at = begins[lengths == length, None] + np.arange(length)
            for n in range(1, length + 1):
                y[at[:, n - 1]] = self._row.run((self._rows(n),), x[at[:, :n]])[:, 0]
        return {"y": y}

    def describe(self) -> tuple[str, str]:
        """Nothing is rounded."""
        return self.op.kind, ""
