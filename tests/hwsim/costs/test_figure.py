"""Figures: sums keep their parts, kinds are never mixed in silence."""

from __future__ import annotations

import math

import pytest

from hwsim.costs.figure import Figure, total


def figure(value: float, **fields: object) -> Figure:
    """A synthesized area, unless `fields` say otherwise."""
    given = {"unit": "um2", "kind": "synthesized", "source": "a library", "derivation": "a netlist"} | fields
    return Figure(value=value, **given)


def test_a_sum_is_exact_and_names_every_kind() -> None:
    """math.fsum, kinds in one order, the largest error, scaled if any part is."""
    parts = [figure(0.1) for _ in range(10)] + [figure(1.0, kind="literature", scaled=True, error=0.25)]
    made = total(parts, "array")
    assert made.value == math.fsum(p.value for p in parts) == 2.0
    assert (made.kind, made.scaled, made.error, made.parts) == ("synthesized + literature", True, 0.25, tuple(parts))
    assert "scaled" in made.label
    assert "25.0 %" in made.label


def test_sums_of_sums_do_not_repeat_kinds() -> None:
    """A kind is named once, however deep."""
    both = total([figure(1), figure(2, kind="fitted")], "a")
    assert total([both, both, figure(3)], "b").kind == "synthesized + fitted"


def test_times_keeps_what_it_was() -> None:
    """A rate becomes an amount: value and unit change, kind and source stay, the text says how."""
    energy = figure(2.5, unit="pJ", kind="fitted", error=0.1).times(4, "4 cycles")
    assert (energy.value, energy.unit, energy.kind, energy.error) == (10.0, "pJ", "fitted", 0.1)
    assert energy.derivation == "4 cycles x (a netlist)"


@pytest.mark.parametrize("parts", [(), (figure(1), figure(1, unit="pJ"))])
def test_what_cannot_be_added(parts: tuple[Figure, ...]) -> None:
    """Nothing, and two units."""
    with pytest.raises(ValueError, match="cannot add figures in"):
        total(parts, "sum")


@pytest.mark.parametrize(("value", "kind"), [(float("nan"), "fitted"), (math.inf, "stated"), (1.0, "guessed")])
def test_refused(value: float, kind: str) -> None:
    """No numbers that are none, no kinds that are none."""
    with pytest.raises(ValueError, match="figure"):
        figure(value, kind=kind)
