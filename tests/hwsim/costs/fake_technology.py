"""A technology whose figures a person computes: area is a round number a unit, a toggled bit takes 0.01 pJ."""

from __future__ import annotations

from typing import Any

from hwsim.costs.families import family_named
from hwsim.costs.hardware import Hardware
from hwsim.costs.technology import SCHEMA, Technology, technology_of

TOGGLE = 0.01  # pJ a toggled bit of any kind, in every family
CLOCK, LEAKAGE = 0.125, 1e-6  # pJ a cycle, watt, of every unit
AREA = {"pe": 100.0, "mac": 60.0, "block_mac": 250.0, "float_mac": 400.0}  # of a unit; others take 40
OTHER = 40.0


def unit(family: str, parameters: dict[str, int | str]) -> dict[str, Any]:
    """One recorded netlist with as many stimuli as its law has coefficients, and its energies on the law."""
    names = family_named(family).activity
    runs = [{"stimulus": "zero", "activity": dict.fromkeys(names, 0.0), "dynamic_pj": 0.0}]
    for i in range(8):
        rates = {name: 1.0 + (i * (j + 2)) % 5 for j, name in enumerate(names)}
        runs.append({"stimulus": str(i), "activity": rates, "dynamic_pj": TOGGLE * rates[names[-1]]})
    return {
        "family": family, "parameters": parameters, "held_out": False, "area": AREA.get(family, OTHER),
        "register_area": 10.0, "clock_pj": CLOCK, "gated_clock_pj": CLOCK / 2, "leakage_w": LEAKAGE,
        "critical_path_s": 1e-9, "depth": 9, "runs": runs, "check": {"vectors": 100},
    }  # fmt: skip


def fake(*hardware: Hardware, node: float | None = 45.0, area_unit: str = "um2", volt: float = 0.9) -> Technology:
    """The table of `fake_data`."""
    return technology_of(fake_data(*hardware, node=node, area_unit=area_unit, volt=volt))


def fake_data(
    *hardware: Hardware, node: float | None = 45.0, area_unit: str = "um2", volt: float = 0.9
) -> dict[str, Any]:
    """With every unit of the descriptions; an element that is no ``pe`` takes the registers of an INT8 one."""
    units: dict[str, dict[str, Any]] = {}

    def add(family: str, **parameters: int | str) -> None:
        units[f"{family} {parameters}"] = unit(family, parameters)

    add("pe", a="int8", b="int8", acc=32)
    add("mac", a="int8", b="int8", acc=32, lanes=1)
    for h in hardware:
        for a in h.arrays:
            if a.block:
                add("block_mac", format=a.block, lanes=a.lanes)
            elif a.floating:
                add("float_mac", format=a.floating, acc="fp32")
            elif a.lanes > 1:
                add("mac", a=a.a, b=a.b, acc=a.accumulator, lanes=a.lanes)
            else:
                add("pe", a=a.a, b=a.b, acc=a.accumulator)
        for v in h.vector.values():
            add(v.family, **v.parameters)
    return {
        "schema": SCHEMA, "name": "fake", "node_nm": node, "voltage_v": volt, "area_unit": area_unit, "nand2_area": 1.0,
        "date": "2026-11-29", "library": {"source": "made up"}, "units": list(units.values()),
    }  # fmt: skip
