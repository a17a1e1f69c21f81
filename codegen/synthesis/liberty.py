"""Cells from a Liberty text, in SI units.

Tables of internal energy are read at one input slope, a quarter up their axis of slopes, and interpolated over load;
outside their loads the outer segment goes on, as timing tools do it. Conditions (``when``), related pins, rise and fall
weigh the same: of two transitions of a net one rises and one falls.

Source: Liberty User Guide, version 2017.06, chapters 4 to 6 and 8.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from .cells import Cell, Curve, Pin, Register
from .functions import parse_function
from .liberty_text import Group, parse_liberty

SLOPE_AT = 4  # one over this part of the axis of slopes
LOAD = "total_output_net_capacitance"
PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


@dataclass(frozen=True, kw_only=True)
class _Units:
    capacitance: float
    power: float
    energy: float
    templates: dict[str, Group]


def read_cells(text: str, source: str) -> tuple[str, float, dict[str, Cell]]:
    """Name, nominal voltage and cells of a Liberty text.

    Raises:
        ValueError: the file and what is wrong, in one line.
    """
    library = parse_liberty(text, source)
    try:
        units = _units(library)
        cells = {g.name: _cell(g, library, units) for g in library.inside("cell")}
        voltage = _voltage(library)
    except (ValueError, IndexError) as e:
        raise ValueError(f"{source}: {e}") from None
    if not cells:
        raise ValueError(f"{source}: library {library.name} has no cells")
    return library.name, voltage, cells


def _voltage(library: Group) -> float:
    conditions = (library, "nom_voltage"), *((g, "voltage") for g in library.inside("operating_conditions"))
    for group, name in conditions:
        if name in group.attributes:
            return _number(group.attributes[name], name)
    raise ValueError(f"library {library.name}: no nom_voltage and no operating_conditions")


def _units(library: Group) -> _Units:
    if len(load := library.lists.get("capacitive_load_unit", ())) != 2:
        raise ValueError(f"library {library.name}: capacitive_load_unit (NUMBER, ff or pf) is missing")
    capacitance = _quantity(f"{load[0]}{load[1]}", "F", "capacitive_load_unit")
    volt = _quantity(library.attributes.get("voltage_unit", "1V"), "V", "voltage_unit")
    power = _quantity(library.attributes.get("leakage_power_unit", "1nW"), "W", "leakage_power_unit")
    templates = {g.name: g for g in library.inside("power_lut_template", "lu_table_template")}
    return _Units(capacitance=capacitance, power=power, energy=capacitance * volt**2, templates=templates)


def _quantity(text: str, unit: str, name: str) -> float:
    found = re.fullmatch(rf"\s*([\d.eE+-]+)\s*([fpnumk]?){unit}\s*", text, re.IGNORECASE)
    if not found:
        raise ValueError(f"{name} {text!r}: expected a number and a unit such as 1p{unit}")
    return _number(found.group(1), name) * PREFIXES[found.group(2).lower()]


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name}: {text[:40]!r} is no number")
    return value


def _cell(group: Group, library: Group, units: _Units) -> Cell:
    try:
        return Cell(
            name=group.name,
            area=_number(group.attributes.get("area", "0"), "area"),
            leakage=_leakage(group, library) * units.power,
            pins={p.name: _pin(p, library, units) for p in group.inside("pin")},
            register=_register(group),
            obstacle=_obstacle(group),
        )
    except (ValueError, IndexError) as e:
        raise ValueError(f"cell {group.name}: {e}") from None


def _leakage(group: Group, library: Group) -> float:
    if (given := group.attributes.get("cell_leakage_power")) is not None:
        return _number(given, "cell_leakage_power")
    cases = [_number(g.attributes.get("value", "0"), "leakage_power") for g in group.inside("leakage_power")]
    default = library.attributes.get("default_cell_leakage_power", "0")
    return math.fsum(cases) / len(cases) if cases else _number(default, "default_cell_leakage_power")


def _obstacle(group: Group) -> str:
    kinds = {g.kind for g in group.groups} & {"latch", "statetable", "bus", "bundle", "ff_bank", "latch_bank"}
    if kinds:
        return f"it has a {min(kinds)}"
    if sum(1 for _ in group.inside("ff")) > 1:
        return "it has more than one ff"
    return "its output can float" if any("three_state" in p.attributes for p in group.inside("pin")) else ""


def _register(group: Group) -> Register | None:
    for ff in group.inside("ff"):
        given = {k: ff.attributes.get(k, "") for k in ("next_state", "clocked_on")}
        if missing := [k for k, v in given.items() if not v]:
            raise ValueError(f"ff has no {missing[0]}")
        return Register(
            state=ff.arguments[0],
            inverse=ff.arguments[1],
            next_state=parse_function(given["next_state"]),
            clock=parse_function(given["clocked_on"]),
            asynchronous=tuple(parse_function(ff.attributes[k]) for k in ("clear", "preset") if k in ff.attributes),
        )
    return None


def _pin(group: Group, library: Group, units: _Units) -> Pin:
    output = group.attributes.get("direction") != "input"
    default = library.attributes.get(f"default_{'output' if output else 'input'}_pin_cap", "0")
    capacitance = _number(group.attributes.get("capacitance", default), f"capacitance of pin {group.name}")
    function = group.attributes.get("function")
    tables = [t for p in group.inside("internal_power") for t in p.inside("rise_power", "fall_power", "power")]
    return Pin(
        output=output,
        capacitance=capacitance * units.capacitance,
        function=parse_function(function) if function is not None else None,
        curves=tuple(_curve(t, units, group.name) for t in tables),
    )


def _curve(table: Group, units: _Units, pin: str) -> Curve:
    """The table at the stated slope; axes stand in the table or in its template."""
    template = units.templates.get(table.name)
    rows = [_numbers(row, pin) for row in table.lists.get("values", ())]
    values = np.array([n for row in rows for n in row]) * units.energy
    if values.size == 1:
        return Curve(loads=(0.0,), energies=(float(values[0]),))
    if template is None:
        raise ValueError(f"pin {pin}: {table.kind} uses the template {table.name!r}, which the library does not have")
    axes = [(template.attributes[v], _axis(table, template, i, pin)) for i, v in _variables(template)]
    if math.prod(len(a) for _, a in axes) != values.size:
        raise ValueError(f"pin {pin}: {table.kind} has {values.size} values on axes of {[len(a) for _, a in axes]}")
    values = values.reshape([len(a) for _, a in axes])
    loads: tuple[float, ...] = (0.0,)
    for i, (variable, axis) in reversed(list(enumerate(axes))):
        if variable == LOAD:
            loads = tuple(x * units.capacitance for x in axis)
        else:
            values = np.asarray(values.take(len(axis) // SLOPE_AT, axis=i))
    return Curve(loads=loads, energies=tuple(map(float, np.atleast_1d(values))))


def _variables(template: Group) -> list[tuple[int, str]]:
    return [(i, f"variable_{i}") for i in (1, 2, 3) if f"variable_{i}" in template.attributes]


def _axis(table: Group, template: Group, i: int, pin: str) -> list[float]:
    return _numbers(" ".join(table.lists.get(f"index_{i}", template.lists.get(f"index_{i}", ()))), pin)


def _numbers(text: str, pin: str) -> list[float]:
    return [_number(n, f"a table of pin {pin}") for n in text.replace(",", " ").split()]
