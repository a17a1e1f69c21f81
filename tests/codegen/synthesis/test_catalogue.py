"""What is recorded: every entry is a unit with stimuli, and its stimuli drive what they say."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.synthesis.benches import bench_of
from codegen.synthesis.catalogue import CATALOGUE, MAKERS, Entry
from codegen.synthesis.catalogue_stimuli import LANES, activity, kinds, stimulus
from codegen.synthesis.catalogue_units import chords, gelu
from codegen.synthesis.stimuli import HOLD, KINDS, operands
from hwsim.costs.families import FAMILIES, family_named
from hwsim.formats import FORMATS, FP4_E2M1, INT8, UINT8

FIRST = {(e.family, e.parameters.get("kind"), e.parameters.get("format")): e for e in reversed(CATALOGUE)}


def test_every_family_is_recorded_once() -> None:
    """No family without entries, no unit twice, a law has units that it must predict."""
    texts = [e.text for e in CATALOGUE]
    assert len(set(texts)) == len(texts)
    assert set(MAKERS) == {f.name for f in FAMILIES} == {e.family for e in CATALOGUE}
    held = {e.family for e in CATALOGUE if e.held_out}
    assert held == {f.name for f in FAMILIES if f.area}


@pytest.mark.parametrize("entry", FIRST.values(), ids=lambda e: e.text)
def test_stimuli(entry: Entry) -> None:
    """The first is long enough for a check, the last is silent, rates are within the widths, seeds repeat."""
    unit, names = entry.unit, family_named(entry.family).activity
    every = kinds(unit)
    widths = sum(p.bits or 1 for p in unit.module.ports)
    for kind in (every[0], every[-1]):
        codes = stimulus(unit, kind, 3)
        rates = activity(unit, codes, names)
        assert tuple(rates) == names
        assert all(0 <= r <= 2 * widths for r in rates.values())
        again = stimulus(unit, kind, 3)
        assert all(np.array_equal(codes[p], again[p]) for p in codes)
        if kind == every[0]:
            assert len(next(iter(codes.values()))) >= 10_000
            assert any(rates.values())
        else:
            assert not any(rates.values())


def test_a_bench_expects_what_the_op_gives() -> None:
    """Inputs of lane 0 are the first codes; outputs come `latency` steps later."""
    unit = Entry(family="add", parameters={"bits": 8}).unit
    codes = stimulus(unit, "uniform, uniform", 1)
    bench = bench_of(unit, codes, LANES, "test")
    steps = len(codes["a"]) // LANES
    a, b = (np.array(bench.inputs[p][:, 0], np.int64) for p in "ab")
    signed = [np.where(v >= 128, v - 256, v) for v in (a, b)]
    y = np.array(next(iter(bench.outputs.values()))[:, 0], np.int64)
    assert np.array_equal(y[1:], (signed[0] + signed[1])[: steps - 1])


def test_too_few_vectors() -> None:
    """A lane needs one."""
    unit = Entry(family="add", parameters={"bits": 8}).unit
    with pytest.raises(ValueError, match="fewer vectors than 64 lanes"):
        bench_of(unit, {"a": np.zeros(3, int), "b": np.zeros(3, int)}, LANES, "test")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["int8", "uint8", "fp4_e2m1", "fp8_e4m3"])
def test_operands_are_codes(kind: str, name: str) -> None:
    """Inside the format, none reserved."""
    fmt = FORMATS[name]
    codes = operands(kind, fmt, (8, 64), np.random.default_rng(0)).astype(np.int64)
    assert codes.min() >= fmt.min_code
    assert codes.max() <= fmt.max_code
    assert name != "fp8_e4m3" or not fmt.is_reserved(codes).any()


def test_distributions() -> None:
    """Each is what its name says."""
    rng = np.random.default_rng(0)
    made = {k: operands(k, INT8, (64, 256), rng).astype(float) for k in KINDS}
    assert made["uniform"].std() == pytest.approx(256 / np.sqrt(12), rel=0.03)
    assert made["normal"].std() == pytest.approx(127 / 4, rel=0.03)
    assert made["narrow"].std() == pytest.approx(127 / 16, rel=0.03)
    assert (made["relu"] == 0).mean() == pytest.approx(0.5, abs=0.03)
    assert (np.diff(made["held"].reshape(64, -1, HOLD), axis=2) == 0).all()
    assert np.corrcoef(made["smooth"][:, :-1].ravel(), made["smooth"][:, 1:].ravel())[0, 1] > 0.9
    assert not made["zero"].any()
    assert operands("narrow", UINT8, (4, 64), rng).min() >= 0
    assert FP4_E2M1.to_int(operands("normal", FP4_E2M1, (64, 64), rng)).std() == pytest.approx(12 / 4, rel=0.1)


def test_chords_meet_gelu() -> None:
    """Each line goes through the function at its breakpoints."""
    points, slopes, intercepts = chords(8)
    for i, p in enumerate(points[:-1]):
        assert slopes[i + 1] * p + intercepts[i + 1] == pytest.approx(gelu(p))
