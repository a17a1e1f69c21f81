"""Numbers, units and tables of a Liberty text.

Source: Liberty User Guide, version 2017.06, chapters 4 and 5.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .liberty_text import Group

PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


@dataclass(frozen=True, kw_only=True)
class Units:
    """What a library's numbers are in SI units, and its templates of tables by name."""

    capacitance: float
    power: float
    energy: float
    time: float
    templates: dict[str, Group]


def read_units(library: Group) -> Units:
    """Units of a library; ValueError for one that is missing or cannot be read."""
    if len(load := library.lists.get("capacitive_load_unit", ())) != 2:
        raise ValueError(f"library {library.name}: capacitive_load_unit (NUMBER, ff or pf) is missing")
    capacitance = _quantity(f"{load[0]}{load[1]}", "F", "capacitive_load_unit")
    volt = _quantity(library.attributes.get("voltage_unit", "1V"), "V", "voltage_unit")
    return Units(
        capacitance=capacitance,
        power=_quantity(library.attributes.get("leakage_power_unit", "1nW"), "W", "leakage_power_unit"),
        energy=capacitance * volt**2,
        time=_quantity(library.attributes.get("time_unit", "1ns"), "s", "time_unit"),
        templates={g.name: g for g in library.inside("power_lut_template", "lu_table_template")},
    )


def _quantity(text: str, unit: str, name: str) -> float:
    found = re.fullmatch(rf"\s*([\d.eE+-]+)\s*([fpnumk]?){unit}\s*", text, re.IGNORECASE)
    if not found:
        raise ValueError(f"{name} {text!r}: expected a number and a unit such as 1p{unit}")
    return number(found.group(1), name) * PREFIXES[found.group(2).lower()]


def number(text: str, name: str) -> float:
    """A finite number; ValueError names it."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name}: {text[:40]!r} is no number")
    return value


def read_table(table: Group, units: Units, pin: str) -> tuple[list[tuple[str, list[float]]], NDArray[np.float64]]:
    """Variables with their axes, and values of that shape, in the file's units; no axes where one value is all.

    Axes stand in the table or in its template.

    Raises:
        ValueError: no such template, or values that do not fit the axes.
    """
    values = np.array([n for row in table.lists.get("values", ()) for n in _numbers(row, pin)])
    if values.size == 1:
        return [], values.reshape(())
    template = units.templates.get(table.name)
    if template is None:
        raise ValueError(f"pin {pin}: {table.kind} uses the template {table.name!r}, which the library does not have")
    given = [(i, template.attributes[v]) for i in (1, 2, 3) if (v := f"variable_{i}") in template.attributes]
    axes = [(variable, _axis(table, template, i, pin)) for i, variable in given]
    shape = [len(a) for _, a in axes]
    if math.prod(shape) != values.size:
        raise ValueError(f"pin {pin}: {table.kind} has {values.size} values on axes of {shape}")
    return axes, values.reshape(shape)


def _axis(table: Group, template: Group, i: int, pin: str) -> list[float]:
    index = table.lists.get(f"index_{i}", template.lists.get(f"index_{i}", ()))
    return _numbers(" ".join(index), pin)


def _numbers(text: str, pin: str) -> list[float]:
    return [number(n, f"a table of pin {pin}") for n in text.replace(",", " ").split()]
