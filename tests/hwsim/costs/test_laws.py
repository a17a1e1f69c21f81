"""Laws: they find the coefficients of data that follows them, refuse what they do not know, and predict the unseen."""

from __future__ import annotations

from typing import Any

import pytest

from hwsim.costs.families import FAMILIES, family_named, operand_format
from hwsim.costs.laws import fitted, held_out_errors, unit_cost
from hwsim.costs.technology import SCHEMA, Technology, shipped, technology_named, technology_of

AREA, POWER = 0.10, 0.15  # what a law may be off by on netlists that it was not fitted to
WHOLE = ("gate-equivalents", "sg13g2")  # tables that hold all families
LAWS = [
    (name, family.name, group)
    for name in WHOLE
    for t in [technology_named(name)]
    for family in FAMILIES
    if family.area
    for group in dict.fromkeys(family.group(u.parameters) for u in t.of(family.name) if u.held_out)
]


def unit(bits: int, *, held_out: bool = False, dynamic: float = 0.25) -> dict[str, Any]:
    """An adder of 3 um2 a bit and 2 more, that clocks 0.5 pJ a bit and `dynamic` pJ a toggle."""
    rates = ({"x": 4.0, "y": 2.0}, {"x": 1.0, "y": 3.0}, {"x": 0.0, "y": 0.0})
    return {
        "family": "add", "parameters": {"bits": bits}, "held_out": held_out, "area": 3.0 * bits + 2,
        "register_area": 1.0, "clock_pj": 0.5 * bits, "gated_clock_pj": 0.5, "leakage_w": 1e-6 * bits, "depth": 3,
        "check": {"vectors": 10_000},
        "runs": [{"stimulus": "s", "activity": r, "dynamic_pj": dynamic * (r["x"] + r["y"])} for r in rates],
    }  # fmt: skip


def table(*units: dict[str, Any]) -> Technology:
    """A technology of invented units."""
    head = {
        "schema": SCHEMA, "name": "toy", "node_nm": 100.0, "voltage_v": 1.0, "area_unit": "um2", "nand2_area": 1.0,
        "library": {"source": "invented"}, "date": "2026-01-01",
    }  # fmt: skip
    return technology_of(head | {"units": list(units)})


def test_a_law_finds_its_coefficients_and_says_so() -> None:
    """Between recorded units: area 3 bits + 2, clock, leakage, energy; kind, error and derivation are told."""
    cost = unit_cost(table(unit(8), unit(16), unit(32)), "add", bits=24)
    assert cost.area.value == pytest.approx(74)
    assert cost.clock.value == pytest.approx(12)
    assert cost.dynamic({"x": 3.0, "y": 5.0}).value == pytest.approx(2.0)
    assert (cost.area.kind, cost.critical_path) == ("fitted", None)
    assert cost.area.error == pytest.approx(0, abs=1e-12)
    assert "3 * 24 [bits]" in cost.area.derivation


def test_a_recorded_unit_is_no_fit() -> None:
    """Its own area and clock; its energy between stimuli is a fit all the same."""
    cost = unit_cost(table(unit(8), unit(16), unit(32)), "add", bits=16)
    assert (cost.area.value, cost.area.kind, cost.area.error) == (50.0, "synthesized", None)
    assert "10,000 vectors" in cost.area.derivation
    assert cost.dynamic({"x": 4.0, "y": 2.0}).kind == "fitted"


def test_zero_activity_takes_clock_and_leakage_alone() -> None:
    """In every recorded family and library."""
    for name in shipped():
        t = technology_named(name)
        for u in t.units.values():
            assert (
                unit_cost(t, u.family, **u.parameters)
                .dynamic(dict.fromkeys(family_named(u.family).activity, 0.0))
                .value
                == 0
            )
            assert u.clock > 0 or u.family == "operator"


def test_held_out_units_are_not_fitted_to() -> None:
    """A held-out unit that follows no law does not move it, and shows in the errors."""
    odd = unit(24, held_out=True) | {"area": 148.0}
    assert held_out_errors(table(unit(8), unit(16), unit(32), odd), "add").area == pytest.approx(0.5)


@pytest.mark.parametrize(("bits", "text"), [(40, "bits of 40 is outside the recorded 8..32"), (4, "of 4 is outside")])
def test_no_law_outside(bits: int, text: str) -> None:
    """Below and above."""
    with pytest.raises(ValueError, match=text):
        unit_cost(table(unit(8), unit(16), unit(32)), "add", bits=bits)


@pytest.mark.parametrize(
    ("family", "parameters", "text"),
    [
        ("pe", {"a": "fp8_e5m2", "b": "fp8_e5m2", "acc": 32}, r"of \[grid\] is outside the recorded"),
        ("pwl", {"bits": 32, "entries": 64}, r"of \[\(3n - 1\) w\] is outside the recorded"),
    ],
)
def test_no_law_in_a_corner(family: str, parameters: dict[str, Any], text: str) -> None:
    """Each parameter was recorded, their combination is beyond everything."""
    with pytest.raises(ValueError, match=text):
        unit_cost(technology_named("sg13g2"), family, **parameters)


def test_other_refusals() -> None:
    """Unknown families, parameters, rates; families without a law; too few points."""
    toy = table(unit(8), unit(16), unit(32))
    with pytest.raises(ValueError, match="unit family 'adder' is unknown"):
        unit_cost(toy, "adder", bits=8)
    with pytest.raises(ValueError, match=r"add: parameters \['width'\]; it has bits"):
        unit_cost(toy, "add", width=8)
    with pytest.raises(ValueError, match="multiply a 8, b 8: no multiply was recorded; record some"):
        unit_cost(toy, "multiply", a=8, b=8)
    with pytest.raises(ValueError, match="no mac of 4 lanes was recorded"):
        unit_cost(toy, "mac", a="int8", b="int8", acc=32, lanes=4)
    with pytest.raises(ValueError, match="toggle rate 'y' is missing"):
        unit_cost(toy, "add", bits=24).dynamic({"x": 1.0})
    with pytest.raises(ValueError, match="float_mac format fp32, acc fp32 was not recorded"):
        unit_cost(toy, "float_mac", format="fp32", acc="fp32")
    with pytest.raises(ValueError, match="too few"):
        fitted([({"a": 1.0, "b": 2.0}, 1.0, 1.0)])


@pytest.mark.parametrize(("name", "family", "group"), LAWS)
def test_laws_predict_the_held_out_units(name: str, family: str, group: str) -> None:
    """Within 10 % of the area and 15 % of the power."""
    found = held_out_errors(technology_named(name), family, group)
    assert found.held_out > 0
    assert found.area <= AREA
    assert found.every_power <= POWER


@pytest.mark.parametrize("name", ["int6", "uint3", "int16", "fp4_e2m1"])
def test_operand_formats(name: str) -> None:
    """Integers of any width, and named formats."""
    assert operand_format(name).name == name


@pytest.mark.parametrize("name", ["int1", "int99", "integer", "fp5"])
def test_no_operand_formats(name: str) -> None:
    """What multiplies nothing."""
    with pytest.raises(ValueError, match="is unknown"):
        operand_format(name)
