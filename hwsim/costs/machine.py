"""Hardware in a technology: what each part of it costs; parts that the technology has no figures for, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .figure import Figure, total
from .hardware import FLOATS, TABLES, Hardware, MatrixUnit, VectorUnit
from .laws import UnitCost, unit_cost
from .memory import dram_energy, sram_area, sram_energy
from .technology import Technology, technology_named

# Whose element and MAC unit tell what a register costs.
REFERENCE: dict[str, int | str] = {"a": "int8", "b": "int8", "acc": 32}
EXTRA = 8 + 8 + 32 + 2  # flip-flops that the element has and the MAC unit has not


@dataclass(frozen=True, kw_only=True)
class Part:
    """`count` equal units.

    Args:
        name: of the array, or the family of vector units.
        what: in words.
        count: units.
        table: whether it looks functions up.
        area, leakage, clock: of one unit: area, W, pJ a cycle.
        gated: the same while a table is read, its registers not clocked; None where no such netlist was recorded.
        dynamic: pJ of an operation at given toggle rates.
        critical_path: seconds, where it was recorded.
    """

    name: str
    what: str
    count: int
    table: bool
    area: Figure
    leakage: Figure
    clock: Figure
    gated: Figure | None
    dynamic: Callable[[Mapping[str, float]], Figure]
    critical_path: Figure | None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Hardware and the costs of its parts.

    Args:
        hardware: the description.
        technology: the table.
        parts: by name, arrays first.
        sram: pJ a bit by memory.
        sram_area: um2 by memory.
        dram: pJ a bit.
    """

    hardware: Hardware
    technology: Technology
    parts: Mapping[str, Part]
    sram: Mapping[str, Figure]
    sram_area: Mapping[str, Figure]
    dram: Figure

    @property
    def areas(self) -> dict[str, Figure]:
        """Of each part: all its units, then the memories."""
        logic = {p.name: p.area.times(p.count, f"{p.count} units") for p in self.parts.values()}
        return logic | {f"SRAM {name}": figure for name, figure in self.sram_area.items()}

    @property
    def too_slow(self) -> list[str]:
        """Parts whose recorded critical path is longer than a cycle."""
        cycle = 1 / self.hardware.clock_hz
        slow = [p for p in self.parts.values() if p.critical_path and p.critical_path.value > cycle]
        return [f"{p.name}: critical path {p.critical_path.value * 1e9:.3g} ns" for p in slow if p.critical_path]


def machine_of(hardware: Hardware, technology: Technology | None = None) -> Machine:
    """The costs of all parts.

    Args:
        hardware: the description.
        technology: another one than it names.

    Raises:
        ValueError: parts that the technology has no figures for, all of them.
    """
    table = technology or technology_named(hardware.technology)
    parts, problems = {}, []
    sources: list[tuple[Callable[[Technology, Any], Part], MatrixUnit | VectorUnit]] = [
        *((_array_part, a) for a in hardware.arrays),
        *((_vector_part, v) for v in hardware.vector.values()),
    ]
    for make, unit in sources:
        try:
            part = make(table, unit)
            parts[part.name] = part
        except ValueError as e:
            problems.append(str(e))
    energies, areas = {}, {}
    for name, memory in hardware.memories.items():
        try:
            energies[name], areas[name] = sram_energy(memory.bytes, table), sram_area(memory.bytes, table)
        except ValueError as e:
            problems.append(f"sram.{name}: {e}")
    if problems:
        raise ValueError(f"hardware {hardware.name!r}: {'; '.join(problems)}")
    return Machine(hardware=hardware, technology=table, parts=parts, sram=energies, sram_area=areas, dram=dram_energy())


def _vector_part(technology: Technology, unit: VectorUnit) -> Part:
    cost = unit_cost(technology, unit.family, **unit.parameters)
    part = _part(unit.family, unit.text, unit.lanes, unit.family in TABLES, cost)
    found = technology.recorded(unit.family, **unit.parameters) if part.table else None
    if not found:
        return part
    text = f"{cost.clock.derivation}, table not clocked"
    return replace(part, gated=replace(cost.clock, value=found.gated, derivation=text))


def _array_part(technology: Technology, unit: MatrixUnit) -> Part:
    """An element: ``pe`` where it is one integer MAC, else its MAC unit and the registers that a ``pe`` adds."""
    name, what, count = unit.name, unit.text, unit.elements
    if unit.a and unit.lanes == 1:
        cost = unit_cost(technology, "pe", a=unit.a, b=unit.b, acc=unit.accumulator)
        return _part(name, what, count, False, cost)
    if unit.block:
        core = unit_cost(technology, "block_mac", format=unit.block, lanes=unit.lanes)
    elif unit.floating:
        core = unit_cost(technology, "float_mac", format=unit.floating, acc="fp32")
    else:
        core = unit_cost(technology, "mac", a=unit.a, b=unit.b, acc=unit.accumulator, lanes=unit.lanes)
    registers = _registers(technology, _passed_bits(unit) + unit.accumulator + 2)
    return _part(name, what, count, False, core, registers)


def _passed_bits(unit: MatrixUnit) -> int:
    """Bits of both operands that an element hands on, with the scales of blocks."""
    if unit.floating:
        return 2 * FLOATS[unit.floating]
    scales = 2 * unit.blocks.scale.bits if unit.block else 0
    return unit.lanes * sum(f.bits for f in unit.formats) + scales


def _registers(technology: Technology, bits: int) -> dict[str, Figure]:
    """Area, leakage and clock of `bits` flip-flops: the difference of an INT8 ``pe`` and its MAC unit, by the bit."""
    element, mac = unit_cost(technology, "pe", **REFERENCE), unit_cost(technology, "mac", **REFERENCE, lanes=1)

    def of(name: str) -> Figure:
        more, less = getattr(element, name), getattr(mac, name)
        return Figure(
            value=bits * (more.value - less.value) / EXTRA, unit=more.unit, kind="fitted", source=more.source,
            derivation=f"{bits} * ({more.value:.9g} - {less.value:.9g}) / {EXTRA} [bits * (pe - mac of int8) / bits]",
        )  # fmt: skip

    return {name: of(name) for name in ("area", "leakage", "clock")}


def _part(
    name: str, what: str, count: int, table: bool, cost: UnitCost, more: Mapping[str, Figure] | None = None
) -> Part:
    figures = {key: getattr(cost, key) for key in ("area", "leakage", "clock")}
    if more:
        figures = {key: total([f, more[key]], f"unit + registers, {key}") for key, f in figures.items()}
    return Part(
        name=name,
        what=what,
        count=count,
        table=table,
        gated=None,
        dynamic=cost.dynamic,
        critical_path=cost.critical_path,
        **figures,
    )
