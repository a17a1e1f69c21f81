"""A shift unit: ``y = round(x / 2**bits)``; a left shift is wires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, FloatFormat
from hwsim.ops import Shift
from hwsim.qtensor import QType
from hwsim.ranges import Interval, format_interval

from .arithmetic import number, rounded
from .module import Module, Signal, constant, module_name
from .unit import EXHAUSTIVE, OneResult, Stimulus, around, check_stages, codes_of, drawn, operand


@dataclass(frozen=True, kw_only=True)
class ShiftUnit(OneResult):
    """``y = round(x / 2**bits)``, without saturation.

    Args:
        op: shift, rounding, result.
        x: type of the input.
        stages: 1 holds the result.
        reach: what the input's codes really reach (`Graph.reach`); None is all of the format.
        name: of the module, any string.
    """

    op: Shift
    x: QType
    stages: int = 0
    reach: Interval | None = None
    name: str = "shift"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist, and results that do not fit."""
        check_stages("shift unit", self.stages, 1)
        self.op.out_type(self.x)
        ends, limits = self.op.reach(operand("shift unit", self.x, self.reach)), format_interval(self.op.fmt)
        if not ends.inside(limits):
            raise ValueError(f"shift unit: result may reach {ends.lo}..{ends.hi}, outside {self.op.fmt.name}")

    @property
    def _codes(self) -> Interval | None:
        """Reach of the codes, which are the integers unless they are floats."""
        whole = operand("shift unit", self.x, self.reach).reach
        return None if isinstance(self.x.fmt, FloatFormat) else whole

    @property
    def module(self) -> Module:
        """One adder and wires."""
        m = Module(module_name(self.name), "y = round(x / 2**bits)")
        if self.stages:
            m.clock()
        x = number(m, "x_int", m.port("x", self.x.fmt.bits), self.x.fmt, self._codes)
        y = self.wires(m, x)
        m.result("y", self.op.fmt.bits, m.delayed("y_kept", y) if self.stages else y)
        return m

    def wires(self, m: Module, x: Signal) -> Signal:
        """The arithmetic alone, on the integer `x`."""
        y = m.left("shifted", x, max(-self.op.bits, 0))
        return rounded(m, "dropped", y, constant(max(self.op.bits, 0)), self.op.rounding)

    def setup(self) -> Stimulus:
        """Nothing to load."""
        return {}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Every code, or ends, ties with their neighbours, and random codes."""
        if self.x.fmt.bits <= EXHAUSTIVE:
            return {"x": codes_of(self.x.fmt, self._codes)}
        reach, step = operand("shift unit", self.x, self.reach).reach, 1 << max(self.op.bits, 1)
        most = max(1, min(-reach.lo, reach.hi) // step)
        ties = rng.integers(-most, most, count // 3, endpoint=True) * step + step // 2
        points = around(np.concatenate([ties, np.array([*reach, 0], np.int64)]), reach)
        return {"x": np.concatenate([points, drawn(rng, self.x.fmt, self._codes, count)])}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The op's `run`."""
        return {"y": self.op.run((self.x,), codes["x"].astype(self.x.fmt.dtype))}

    def describe(self) -> tuple[str, str]:
        """How the shift rounds."""
        return "", self.op.rounding
