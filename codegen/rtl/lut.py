"""A look-up table unit: ``y = table[x - first]``, wired or in registers that a write port loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes
from hwsim.ops import Lut
from hwsim.qtensor import QType
from hwsim.ranges import Interval

from .arithmetic import number
from .module import Clocked, Line, Module, Signal, module_name
from .unit import OneResult, Stimulus, check_stages, check_table, codes_of, operand


@dataclass(frozen=True, kw_only=True)
class LutUnit(OneResult):
    """Any function of one code.

    Args:
        op: the table.
        x: type of the input.
        stages: pipeline registers: 1 holds the result, 2 the input as well.
        table: ``constants`` (logic) or ``registers`` (loaded through ``we``, ``addr``, ``data``: code, result code).
        name: of the module, any string.
    """

    op: Lut
    x: QType
    stages: int = 0
    table: str = "constants"
    name: str = "lut"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist and types that the op refuses."""
        check_stages("lut unit", self.stages, 2)
        check_table("lut unit", self.table)
        self.op.out_type(self.x)
        self.op.reach(operand("lut unit", self.x, self._codes))

    @property
    def _codes(self) -> Interval | None:
        """Input codes that the table has, where it leaves some out."""
        return None if self.op.first is None else Interval(self.op.first, self.op.first + len(self.op.table) - 1)

    @cached_property
    def _entries(self) -> dict[int, int]:
        """Result bits by input bits."""
        x, y = ((1 << f.bits) - 1 for f in (self.x.fmt, self.op.fmt))
        first = self.op.start(self.x)
        return {(first + i) & x: v & y for i, v in enumerate(self.op.table)}

    @property
    def module(self) -> Module:
        """A case statement, or a memory."""
        m = Module(module_name(self.name), "y = table[x]")
        bits, width = self.x.fmt.bits, self.op.fmt.bits
        loaded = self.table == "registers"
        if self.stages or loaded:
            m.clock()
        at = m.port("x", bits)
        if loaded:
            for port, size in (("we", None), ("addr", bits), ("data", width)):
                m.port(port, size)
        if self.stages == 2:
            at = m.kept("x_kept", at, bits)
        y = self._loaded(m, at) if loaded else self._wired(m, at)
        if self.stages:
            y = m.kept("y_kept", y, width)
        m.port("y", width, output=True)
        m.outputs.append(("y", y))
        return m

    def wires(self, m: Module, x: Signal) -> Signal:
        """The table alone, for the integer `x`; the number that the entry names."""
        bits = self.x.fmt.bits
        code = f"{x.name}[{bits - 1}:0]" if x.bits >= bits and not x.fixed else x.name
        return number(m, "value", self._wired(m, m.field("code", bits, code)), self.op.fmt)

    def _wired(self, m: Module, at: str) -> str:
        """Codes are bits, not numbers: nothing is signed here."""
        bits, width = self.x.fmt.bits, self.op.fmt.bits
        cases = tuple((f"{bits}'h{i:x}", f"{width}'h{v:x}") for i, v in self._entries.items())
        m.lines.append(Line("rom", f"{m.scope}entry", width, at, signed=False, cases=cases))
        return f"{m.scope}entry"

    def _loaded(self, m: Module, at: str) -> str:
        m.lines.append(Line("memory", "entries", self.op.fmt.bits, f"0:{(1 << self.x.fmt.bits) - 1}", signed=False))
        m.clocked.append(Clocked("entries[addr]", "data", "we"))
        return m.field("entry", self.op.fmt.bits, f"entries[{at}]")

    def setup(self) -> Stimulus:
        """One write an entry."""
        if self.table == "constants":
            return {}
        addresses, entries = (np.array(list(side)) for side in (self._entries.keys(), self._entries.values()))
        return {"we": np.ones(len(entries), np.int64), "addr": addresses, "data": entries}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Every code that the table has."""
        return {"x": codes_of(self.x.fmt, self._codes)}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The op's `run`."""
        return {"y": self.op.run((self.x,), codes["x"].astype(self.x.fmt.dtype))}

    def describe(self) -> tuple[str, str]:
        """A table rounds nothing."""
        return "", ""
