"""What a unit costs: a recorded netlist where there is one, else a law fitted through recorded ones, never a guess.

A law is linear in a family's features, fitted by least squares of *relative* errors: area and leakage relative to
themselves, energies relative to the whole energy of a cycle. It holds between the smallest and the largest recorded
value of each parameter and of each feature of the area, and refuses outside. Its error is the largest relative one over
the netlists that it was fitted to; tests/hwsim/costs/test_laws.py holds it against netlists that it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from .families import Family, Features, Parameters, checked_parameters, family_named, operand_format
from .figure import Figure
from .technology import PICO, Recorded, Run, Technology

REFERENCE = 200e6  # hertz at which leakage counts in the energy that errors are relative to


@dataclass(frozen=True, kw_only=True)
class Law:
    """``sum of coefficient * feature``.

    Args:
        coefficients: by feature.
        error: largest relative error on the points it was fitted to.
        points: how many there were.
    """

    coefficients: Mapping[str, float]
    error: float
    points: int

    def at(self, features: Features) -> float:
        """Its value; never below 0."""
        return max(0.0, sum(self.coefficients[name] * value for name, value in features.items()))

    def text(self, features: Features) -> str:
        """How a person recomputes it."""
        return " + ".join(f"{self.coefficients[n]:.4g} * {v:.4g} [{n}]" for n, v in features.items())


@dataclass(frozen=True, kw_only=True)
class UnitCost:
    """Figures of one unit.

    Args:
        technology, family, parameters: which.
        area: in the technology's unit.
        leakage: watt.
        clock: pJ a cycle with the clock running, all registers.
        critical_path: seconds, or None where no netlist of these parameters was recorded.
    """

    technology: Technology
    family: str
    parameters: Parameters
    area: Figure
    leakage: Figure
    clock: Figure
    critical_path: Figure | None
    law: Law
    features: Callable[[Mapping[str, float]], Features]

    def dynamic(self, activity: Mapping[str, float]) -> Figure:
        """Switching and internal energy of a cycle, pJ.

        Args:
            activity: toggle rates by name (`Family.activity`).

        Raises:
            ValueError: a rate is missing.
        """
        wanted = family_named(self.family).activity
        if missing := [n for n in wanted if n not in activity]:
            raise ValueError(f"{self.family}: toggle rate {missing[0]!r} is missing; it takes {', '.join(wanted)}")
        features = self.features(activity)
        return Figure(
            value=self.law.at(features),
            unit="pJ",
            kind="fitted",
            source=self.technology.source,
            derivation=self.law.text(features),
            error=self.law.error,
        )


def fitted(points: Sequence[tuple[Features, float, float]]) -> Law:
    """Least squares of ``(law - value) / scale`` over (features, value, scale).

    Raises:
        ValueError: fewer points than features.
    """
    names = list(points[0][0]) if points else []
    if len(points) < len(names) or not names:
        raise ValueError(f"{len(points)} points are too few for {len(names)} coefficients")
    rows = np.array([[f[n] for n in names] for f, _, _ in points])
    values, scales = (np.array([p[i] for p in points]) for i in (1, 2))
    found = np.linalg.lstsq(rows / scales[:, None], values / scales, rcond=None)[0]
    law = Law(coefficients=dict(zip(names, found.tolist(), strict=True)), error=0.0, points=len(points))
    error = max(abs(law.at(f) - v) / s for f, v, s in points)
    return Law(coefficients=law.coefficients, error=float(error), points=law.points)


def unit_cost(technology: Technology, family: str, **parameters: int | str) -> UnitCost:
    """What a unit costs in a technology.

    Args:
        technology: recorded tables.
        family: one of `hwsim.costs.families.FAMILIES`.
        parameters: all of its parameters.

    Raises:
        ValueError: an unknown family or parameter; parameters outside what was recorded; a family without a law
            whose netlist was not recorded.
    """
    kind = family_named(family)
    wanted = checked_parameters(kind, parameters)
    if found := technology.recorded(family, **wanted):
        return _recorded_cost(technology, kind, found)
    if not (kind.area and kind.clock and kind.dynamic):
        known = "; ".join(_text(u.parameters) for u in technology.of(family))
        raise ValueError(f"{technology.name}: {family} {_text(wanted)} was not recorded; there are: {known or 'none'}")
    _check_range(technology, kind, wanted)
    laws = laws_of(technology, family, kind.group(wanted))
    dynamic = kind.dynamic
    figures = {
        name: _fitted_figure(technology, laws[name], features(wanted), unit)
        for name, features, unit in (
            ("area", kind.area, technology.area_unit), ("leakage", kind.area, "W"), ("clock", kind.clock, "pJ"),
        )
    }  # fmt: skip
    return UnitCost(
        technology=technology,
        family=family,
        parameters=wanted,
        **figures,
        critical_path=None,
        law=laws["dynamic"],
        features=lambda t: dynamic(wanted, t),
    )


@cache
def laws_of(technology: Technology, family: str, group: str = "") -> dict[str, Law]:
    """Laws of ``area``, ``leakage``, ``clock`` and ``dynamic`` energy, of one group of a family.

    Raises:
        ValueError: a family without a law, or too few recorded netlists.
    """
    kind = family_named(family)
    area, clock, dynamic = kind.area, kind.clock, kind.dynamic
    if not (area and clock and dynamic):
        raise ValueError(f"{family}: its netlists have no law, only recorded figures")
    points = [u for u in technology.of(family) if not u.held_out and kind.group(u.parameters) == group]
    runs = [(u, r) for u in points for r in u.runs]
    try:
        return {
            "area": fitted([(area(u.parameters), u.area, u.area) for u in points]),
            "leakage": fitted([(area(u.parameters), u.leakage, u.leakage) for u in points]),
            "clock": fitted([(clock(u.parameters), u.clock, u.clock) for u in points]),
            "dynamic": fitted([(dynamic(u.parameters, r.activity), r.dynamic, _energy(u, r)) for u, r in runs]),
        }
    except ValueError as e:
        raise ValueError(f"{technology.name}: {family}{f' of {group}' if group else ''}: {e}") from None


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Largest relative errors of laws on netlists that they were not fitted to.

    Args:
        fitted, held_out: how many netlists of each kind there are.
        area: of the area.
        power: of the energy of a cycle under random codes, clock and leakage included.
        every_power: of that under every stimulus.
    """

    fitted: int
    held_out: int
    area: float
    power: float
    every_power: float


def held_out_errors(technology: Technology, family: str, group: str = "") -> Errors:
    """How well a family's laws predict its held-out netlists; ValueError as `laws_of`."""
    kind, laws = family_named(family), laws_of(technology, family, group)
    unseen = [u for u in technology.of(family) if u.held_out and kind.group(u.parameters) == group]
    area, clock, dynamic = kind.area, kind.clock, kind.dynamic
    assert area
    assert clock
    assert dynamic
    areas, powers = [], []
    for u in unseen:
        areas.append(abs(laws["area"].at(area(u.parameters)) / u.area - 1))
        still = laws["clock"].at(clock(u.parameters)) + laws["leakage"].at(area(u.parameters)) / REFERENCE * PICO
        made = [still + laws["dynamic"].at(dynamic(u.parameters, r.activity)) for r in u.runs]
        powers.append([abs(m / _energy(u, r) - 1) for m, r in zip(made, u.runs, strict=True)])
    return Errors(
        fitted=laws["area"].points,
        held_out=len(unseen),
        area=max(areas, default=0.0),
        power=max((p[0] for p in powers), default=0.0),
        every_power=max((max(p) for p in powers), default=0.0),
    )


def _energy(u: Recorded, r: Run) -> float:
    return u.cycle(r, REFERENCE)


def _recorded_cost(technology: Technology, kind: Family, u: Recorded) -> UnitCost:
    """Its own figures; between its stimuli, a law through them."""
    record = u.record["check"]
    what = f"{kind.name} {_text(u.parameters)}, netlist checked on {record['vectors']:,} vectors"

    def figure(value: float, unit: str) -> Figure:
        return Figure(value=value, unit=unit, kind="synthesized", source=technology.source, derivation=what)

    parameters, dynamic = u.parameters, kind.dynamic

    def features(t: Mapping[str, float]) -> Features:
        return dynamic(parameters, t) if dynamic else {f"t({n})": t[n] for n in kind.activity}

    return UnitCost(
        technology=technology,
        family=kind.name,
        parameters=u.parameters,
        area=figure(u.area, technology.area_unit),
        leakage=figure(u.leakage, "W"),
        clock=figure(u.clock, "pJ"),
        critical_path=None if u.critical_path is None else figure(u.critical_path, "s"),
        law=fitted([(features(r.activity), r.dynamic, _energy(u, r)) for r in u.runs]),
        features=features,
    )


def _fitted_figure(technology: Technology, law: Law, features: Features, unit: str) -> Figure:
    return Figure(
        value=law.at(features),
        unit=unit,
        kind="fitted",
        source=f"{technology.source}, law through {law.points} netlists",
        derivation=law.text(features),
        error=law.error,
    )


def _check_range(technology: Technology, kind: Family, wanted: Parameters) -> None:
    """ValueError where a parameter is outside what netlists of its group were recorded with."""
    group = kind.group(wanted)
    same = [u for u in technology.of(kind.name) if not u.held_out and kind.group(u.parameters) == group]
    for name, value in wanted.items():
        size = _size(value)
        sizes = [_size(u.parameters[name]) for u in same]
        if not sizes:
            what = f"{kind.name} {_text(wanted)}: no {f'{kind.name} of {group}' if group else kind.name} was recorded"
            raise ValueError(f"{technology.name}: {what}; record some (hwsim synth --refresh --all) or choose another")
        if not min(sizes) <= size <= max(sizes):
            what = f"{kind.name} {_text(wanted)}: {name} of {size} is outside the recorded {min(sizes)}..{max(sizes)}"
            raise ValueError(f"{technology.name}: {what}; record it (hwsim synth --refresh) or choose another")
    assert kind.area
    known = [kind.area(u.parameters) for u in same]
    for feature, amount in kind.area(wanted).items():
        ends = min(f[feature] for f in known), max(f[feature] for f in known)
        if not ends[0] <= amount <= ends[1]:
            limits = f"outside the recorded {ends[0]:g}..{ends[1]:g}"
            what = f"{kind.name} {_text(wanted)}: {amount:g} of [{feature}] is {limits}"
            raise ValueError(f"{technology.name}: {what}; record it (hwsim synth --refresh) or choose another")


def _size(value: int | str) -> int:
    return value if isinstance(value, int) else operand_format(value).bits


def _text(parameters: Parameters) -> str:
    return ", ".join(f"{k} {v}" for k, v in parameters.items())
