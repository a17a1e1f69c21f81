"""Cells from a Liberty text, in SI units.

Tables of internal energy are read at one input slope, a quarter up their axis of slopes, and interpolated over load;
outside their loads the outer segment goes on, as timing tools do it. Conditions (``when``), related pins, rise and fall
weigh the same: of two transitions of a net one rises and one falls. Delays are read when they are asked for.

Source: Liberty User Guide, version 2017.06, chapters 4 to 6 and 8.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from .cells import Cell, Curve, Pin, Register
from .delays import EDGES
from .functions import parse_function
from .liberty_tables import Units, number, read_table, read_units
from .liberty_text import Group, parse_liberty
from .liberty_timing import LOAD, read_arcs

SLOPE_AT = 4  # one over this part of the axis of slopes


def read_cells(text: str, source: str) -> tuple[str, float, dict[str, Cell]]:
    """Name, nominal voltage and cells of a Liberty text.

    Raises:
        ValueError: the file and what is wrong, in one line.
    """
    library = parse_liberty(text, source)
    try:
        units = read_units(library)
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
            return number(group.attributes[name], name)
    raise ValueError(f"library {library.name}: no nom_voltage and no operating_conditions")


def _cell(group: Group, library: Group, units: Units) -> Cell:
    try:
        return Cell(
            name=group.name,
            area=number(group.attributes.get("area", "0"), "area"),
            leakage=_leakage(group, library) * units.power,
            pins={p.name: _pin(p, group.name, library, units) for p in group.inside("pin")},
            register=_register(group),
            obstacle=_obstacle(group),
        )
    except (ValueError, IndexError) as e:
        raise ValueError(f"cell {group.name}: {e}") from None


def _leakage(group: Group, library: Group) -> float:
    if (given := group.attributes.get("cell_leakage_power")) is not None:
        return number(given, "cell_leakage_power")
    cases = [number(g.attributes.get("value", "0"), "leakage_power") for g in group.inside("leakage_power")]
    default = library.attributes.get("default_cell_leakage_power", "0")
    return math.fsum(cases) / len(cases) if cases else number(default, "default_cell_leakage_power")


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


def _pin(group: Group, cell: str, library: Group, units: Units) -> Pin:
    output = group.attributes.get("direction") != "input"
    default = library.attributes.get(f"default_{'output' if output else 'input'}_pin_cap", "0")
    name = f"capacitance of pin {group.name}"
    capacitance = number(group.attributes.get("capacitance", default), name) * units.capacitance
    function = group.attributes.get("function")
    tables = [t for p in group.inside("internal_power") for t in p.inside("rise_power", "fall_power", "power")]
    return Pin(
        output=output,
        capacitance=capacitance,
        edge_capacitances=_edge_capacitances(group, capacitance, units),
        function=parse_function(function) if function is not None else None,
        curves=tuple(_curve(t, units, group.name) for t in tables),
        read_arcs=partial(read_arcs, cell, group, units),
    )


def _edge_capacitances(group: Group, capacitance: float, units: Units) -> tuple[float, float]:
    """Farad of the rising and of the falling pin: the upper end of a range, as late arrivals take it."""
    name = f"capacitance of pin {group.name}"
    given = [(*group.lists.get(f"{e}_capacitance_range", ()), group.attributes.get(f"{e}_capacitance")) for e in EDGES]
    known = [[number(text, name) * units.capacitance for text in texts if text is not None] for texts in given]
    rise, fall = (max(found, default=capacitance) for found in known)
    return rise, fall


def _curve(table: Group, units: Units, pin: str) -> Curve:
    """The table at the stated slope."""
    axes, values = read_table(table, units, pin)
    values = values * units.energy
    loads: tuple[float, ...] = (0.0,)
    for i, (variable, axis) in reversed(list(enumerate(axes))):
        if variable == LOAD:
            loads = tuple(x * units.capacitance for x in axis)
        else:
            values = np.asarray(values.take(len(axis) // SLOPE_AT, axis=i))
    return Curve(loads=loads, energies=tuple(map(float, np.atleast_1d(values))))
