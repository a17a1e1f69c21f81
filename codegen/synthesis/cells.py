"""A cell library: per cell area, functions, pin capacitances, internal energy, leakage; SI units, area as it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .delays import Arc
from .functions import Function

NAND = (True, True, True, False)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Energy of a transition over the load.

    Args:
        loads: farad, ascending; one where the load does not matter.
        energies: joule, one a load.
    """

    loads: tuple[float, ...]
    energies: tuple[float, ...]

    def at(self, load: float) -> float:
        """Joule at a load in farad, on the segment that holds it or on the nearest one."""
        if len(self.loads) == 1:
            return self.energies[0]
        i = min(max(int(np.searchsorted(self.loads, load)) - 1, 0), len(self.loads) - 2)
        (x0, x1), (y0, y1) = self.loads[i : i + 2], self.energies[i : i + 2]
        return y0 + (y1 - y0) * (load - x0) / (x1 - x0)


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One pin.

    Args:
        output: whether it drives a net.
        capacitance: farad.
        function: of an output, over input pins or states of the register; None where the file gives none.
        curves: internal energy of one transition of this pin, of which the mean counts.
        edge_capacitances: farad of the rising and of the falling pin, which delays go by.
        read_arcs: reads the delays to this pin: most of a file is delays, and few netlists use all its cells.
    """

    output: bool
    capacitance: float
    function: Function | None
    curves: tuple[Curve, ...]
    edge_capacitances: tuple[float, float]
    read_arcs: Callable[[], tuple[Arc, ...]] = field(repr=False, compare=False)

    @cached_property
    def arcs(self) -> tuple[Arc, ...]:
        """Delays to this pin, and setup times of it; ValueError for tables that cannot be read."""
        return self.read_arcs()

    def energy(self, load: float = 0.0) -> float:
        """Mean internal energy of a transition in joule, at a load in farad."""
        return math.fsum(c.at(load) for c in self.curves) / len(self.curves) if self.curves else 0.0


@dataclass(frozen=True, kw_only=True)
class Register:
    """The ``ff`` group of a cell: `state` and its inverse take `next_state` when `clock` rises."""

    state: str
    inverse: str
    next_state: Function
    clock: Function
    asynchronous: tuple[Function, ...]  # clear and preset, where there are any


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell.

    Args:
        name: of the cell.
        area: in the unit of the library.
        leakage: watt.
        pins: signal pins by name.
        register: of a flip-flop.
        obstacle: why netlists with this cell are not simulated, or nothing.
    """

    name: str
    area: float
    leakage: float
    pins: dict[str, Pin]
    register: Register | None
    obstacle: str


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library as a file describes it.

    Args:
        name: what the file calls it.
        source: where the file came from, without a path of a machine.
        licence: what the file or its package says.
        sha256: of the whole text.
        text: what tools are given: without the cells of `left_out`.
        left_out: patterns of cells that are not used.
        voltage: nominal, volt.
        cells: by name.
        area_unit: ``um2`` or ``NAND2``.
    """

    name: str
    source: str
    licence: str
    sha256: str
    text: str = field(repr=False)
    left_out: tuple[str, ...]
    voltage: float
    cells: dict[str, Cell] = field(repr=False)
    area_unit: str

    @cached_property
    def nand2(self) -> Cell:
        """The smallest two-input NAND, the unit of gate equivalents; ValueError where there is none."""
        found = [c for c in self.cells.values() if _table(c) == NAND]
        if not found:
            raise ValueError(f"library {self.name}: no two-input NAND, so there are no gate equivalents")
        return min(found, key=lambda c: (c.area, c.name))

    @cached_property
    def flip_flops(self) -> tuple[Cell, ...]:
        """Cells that store one data input when the clock rises: plain ones before others, then by area."""
        found = [c for c in self.cells.values() if c.register and _stores_data(c, c.register)]
        key = {c.name: (bool(c.register and c.register.asynchronous), c.area, c.name) for c in found}
        return tuple(sorted(found, key=lambda c: key[c.name]))


def _table(cell: Cell) -> tuple[bool, ...]:
    outputs = [p for p in cell.pins.values() if p.output]
    if cell.register or cell.obstacle or len(outputs) != 1 or not (f := outputs[0].function) or len(f.names) != 2:
        return ()
    return f.table()


def _stores_data(cell: Cell, register: Register) -> bool:
    pins = (register.next_state, register.clock)
    return not cell.obstacle and all(len(f.postfix) == 1 and f.postfix[0] in cell.pins for f in pins)
