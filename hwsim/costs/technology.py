"""Recorded technology tables: what synthesized, checked netlists of one cell library measure.

``hwsim synth --refresh`` makes the files again; each says library, licence, hashes, tools, date and stimulus. Without
Yosys the files serve.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .families import Parameters, checked_parameters, family_named

SCHEMA = "hwsim-technology/1"
TABLES = Path(__file__).parent / "technology"
PICO = 1e12


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one stimulus did to a unit: toggle rates, and the energy of a cycle without clock and leakage in pJ."""

    stimulus: str
    activity: Mapping[str, float]
    dynamic: float


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One synthesized unit.

    Args:
        family, parameters: which.
        held_out: whether laws must predict it instead of being fitted to it.
        area, registers: of all cells, of flip-flops, in the library's unit.
        clock: pJ a cycle, all registers clocked.
        gated: pJ a cycle, tables that do not change not clocked.
        leakage: watt.
        critical_path: seconds; None where the library has no delays.
        depth: gates on the longest way.
        runs: by stimulus; the first is random codes.
        record: everything else that was written down.
    """

    family: str
    parameters: Parameters
    held_out: bool
    area: float
    registers: float
    clock: float
    gated: float
    leakage: float
    critical_path: float | None
    depth: int
    runs: tuple[Run, ...] = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    def cycle(self, run: Run, frequency: float) -> float:
        """Energy of one cycle under a stimulus at a clock of `frequency` hertz, everything included, pJ."""
        return run.dynamic + self.clock + self.leakage / frequency * PICO


@dataclass(frozen=True, kw_only=True, eq=False)
class Technology:
    """One library's table. Two are equal if they are the same object, so that laws are fitted once.

    Args:
        name: short name of the table.
        node: nm, as the library's makers call it; None where there is no process.
        voltage: volt.
        area_unit: ``um2`` or ``NAND2``.
        nand2: area of a two-input NAND.
        units: by family and parameters.
        record: library, tools, script, date.
    """

    name: str
    node: float | None
    voltage: float
    area_unit: str
    nand2: float
    units: Mapping[tuple[Any, ...], Recorded] = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    @property
    def source(self) -> str:
        """One line for reports."""
        library = self.record["library"]
        node = f"{self.node:g} nm" if self.node else "no process"
        return f"{self.name} ({library['source']}, {node}, {self.voltage:g} V, {self.record['date']})"

    def recorded(self, family: str, **parameters: int | str) -> Recorded | None:
        """The netlist with exactly these parameters, if there is one."""
        return self.units.get(key_of(family, parameters))

    def of(self, family: str) -> tuple[Recorded, ...]:
        """All netlists of a family."""
        return tuple(u for u in self.units.values() if u.family == family)


def key_of(family: str, parameters: Parameters) -> tuple[Any, ...]:
    """Family and parameter values; ValueError for parameters that the family has not."""
    return (family, *checked_parameters(family_named(family), parameters).values())


def shipped() -> tuple[str, ...]:
    """Names of the tables that come with hwsim."""
    return tuple(sorted(p.stem for p in TABLES.glob("*.json")))


def technology_named(name: str) -> Technology:
    """A shipped table, or a ``.json`` file of one.

    Raises:
        ValueError: neither, or no such table.
    """
    path = Path(name) if name.endswith(".json") else TABLES / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"technology {name!r}: no such file, and no table; the tables are {', '.join(shipped())}")
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, _changed: int) -> Technology:
    try:
        data = json.loads(path.read_text())
    except ValueError as e:
        raise ValueError(f"{path.name}: no JSON: {e}") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise ValueError(f"{path.name}: no technology table (schema {SCHEMA})")
    return technology_of(data)


def technology_of(data: Mapping[str, Any]) -> Technology:
    """A table from its JSON form; ValueError names what is missing, of the wrong kind or impossible."""
    try:
        units = [_unit(u) for u in data["units"]]
        _check(data, units)
        return Technology(
            name=data["name"],
            node=data["node_nm"],
            voltage=data["voltage_v"],
            area_unit=data["area_unit"],
            nand2=data["nand2_area"],
            units={key_of(u.family, u.parameters): u for u in units},
            record={k: v for k, v in data.items() if k != "units"},
        )
    except KeyError as e:
        raise ValueError(f"technology table: {e} is missing") from None
    except (TypeError, AttributeError) as e:
        raise ValueError(f"technology table: an entry is of the wrong kind: {e}") from None


def _check(data: Mapping[str, Any], units: Sequence[Recorded]) -> None:
    """ValueError for numbers that cannot be, and units that were driven by nothing."""
    above = {"voltage_v": data["voltage_v"], "nand2_area": data["nand2_area"], "node_nm": data["node_nm"] or 1}
    if bad := [k for k, v in above.items() if not 0 < v < math.inf]:
        raise ValueError(f"technology table: {bad[0]} {above[bad[0]]} must be above 0")
    if not data["library"]["source"] or not data["date"]:
        raise ValueError("technology table: library source and date must be told")
    for u in units:
        numbers = (u.area, u.registers, u.clock, u.gated, u.leakage, *(r.dynamic for r in u.runs))
        if not u.runs or not all(0 <= v < math.inf for v in numbers) or u.area == 0:
            raise ValueError(
                f"technology table: {u.family} {dict(u.parameters)}: areas and energies must be finite, "
                "not below 0, and of one stimulus or more"
            )


def _unit(u: Mapping[str, Any]) -> Recorded:
    runs = tuple(Run(stimulus=r["stimulus"], activity=r["activity"], dynamic=r["dynamic_pj"]) for r in u["runs"])
    return Recorded(
        family=u["family"],
        parameters=u["parameters"],
        held_out=u["held_out"],
        area=u["area"],
        registers=u["register_area"],
        clock=u["clock_pj"],
        gated=u["gated_clock_pj"],
        leakage=u["leakage_w"],
        critical_path=u.get("critical_path_s"),
        depth=u["depth"],
        runs=runs,
        record=u,
    )
