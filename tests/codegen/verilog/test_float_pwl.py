"""Piecewise-linear units in floats: every code of 16 bits, numpy's float32, gates."""

import numpy as np
import pytest

from codegen.rtl import BF16, FP16, FP32, FloatPwlUnit
from codegen.runners.verilog import run_unit
from codegen.synthesis import check, library_named, synthesize
from codegen.synthesis.benches import bench_of, verilog_of
from hwsim import FP8_E4M3, INT8
from hwsim.formats import FP6_E3M2, FP8_E5M2
from hwsim.tables import Stored, Table
from tests.codegen.verilog.simulators import assert_equal, mutated, needs_icarus, needs_yosys
from tests.compare import assert_refused, assert_same


def unit(fmt, entries, **choices):
    """Random lines, two breakpoints equal, one at 0."""
    rng = np.random.default_rng(entries)
    points = np.sort(rng.uniform(-4, 4, entries - 1))
    if entries > 4:
        points[1], points[np.abs(points).argmin()] = points[2], -0.0
    slopes, intercepts = rng.normal(size=(2, entries))
    return FloatPwlUnit(
        fmt=fmt, breakpoints=tuple(np.sort(points)), slopes=tuple(slopes), intercepts=tuple(intercepts), **choices
    )


@needs_icarus
@pytest.mark.parametrize("stages", [0, 1, 2])
@pytest.mark.parametrize("table", ["registers", "constants"])
@pytest.mark.parametrize(("fmt", "entries"), [(FP8_E4M3, 4), (FP8_E5M2, 5)])
def test_every_code_of_small_formats(fmt, entries, table, stages):
    assert_equal(unit(fmt, entries, table=table, stages=stages), 240)


@needs_icarus
@pytest.mark.parametrize(
    ("fmt", "entries", "table", "stages"),
    [(BF16, 8, "registers", 1), (FP16, 8, "constants", 0)],
)
def test_every_code_of_16_bits(fmt, entries, table, stages):
    assert_equal(unit(fmt, entries, table=table, stages=stages), 60_000)


@needs_icarus
@pytest.mark.parametrize(
    ("entries", "choices"),
    [(8, {}), (16, {"table": "registers", "stages": 1}), (64, {"stages": 2, "table": "registers"}), (1, {})],
)
def test_fp32(entries, choices):
    assert_equal(unit(FP32, entries, **choices), 10_000)


@needs_icarus
def test_against_numpys_float32():
    made = unit(FP32, 8, table="registers", stages=1)
    x = np.random.default_rng(3).normal(size=10_000).astype(np.float32) * 3
    x[:7], x[7:9] = np.array(made.breakpoints, np.float32), [0.0, -0.0]
    slopes, intercepts = (np.array(c, np.float32) for c in (made.slopes, made.intercepts))
    line = (x[:, None] >= np.array(made.breakpoints, np.float32)).sum(1)
    want = slopes[line] * x + intercepts[line]
    assert_same(want.view(np.uint32), run_unit(made, {"x": x.view(np.uint32)})["y"])


@needs_icarus
def test_a_fitted_table_in_reals():
    table = Table(function="f", fmt=INT8, fraction=6, bits=8, scales={2: Stored((-8, 4), (0, 32, 64), (16, 0, -8))})
    made = FloatPwlUnit.of(table, 2, BF16, name="f")
    assert (made.breakpoints, made.slopes, made.intercepts) == ((-2.0, 1.0), (0.0, 0.5, 1.0), (0.25, 0.0, -0.125))
    x = np.array([-3.0, -2.0, 0.5, 1.0, 2.0])
    y = run_unit(made, {"x": BF16.encode(x)})["y"]
    assert_refused(lambda: FloatPwlUnit.of(table, 3, BF16), "table of f", "2**-3")
    assert_same([0.25, -1.0, 0.25, 0.875, 1.875], BF16.decode(y))


MUTANTS = {
    "ties go left": lambda t: t.replace("x_key >= breakpoint", "x_key > breakpoint"),
    "negative numbers backwards": lambda t: t.replace("^ {7{x_negative}}", ""),
    "two zeros": lambda t: t.replace("x[7] & (|x[6:0])", "x[7]"),
    "another line": lambda t: t.replace("& intercept_4", "& intercept_5"),
    "one edge early": lambda t: t.replace("assign y = y_kept", "assign y = sum"),
}


@needs_icarus
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    made = unit(FP8_E5M2, 8, table="registers", stages=1)
    assert mutated(made, MUTANTS[name]) > 0


@needs_yosys
def test_the_gates_are_equal():
    made = unit(FP6_E3M2, 4, table="registers", stages=2)
    codes = {"x": np.tile(made.stimulus(np.random.default_rng(0), 0)["x"], 32)}
    checked = check(
        synthesize(verilog_of(made), library_named("gate-equivalents")), bench_of(made, codes, 8, "every code")
    )
    assert checked.ran.cycles > 1900


REFUSED = {
    "stages": ({"stages": 3}, "stages 3", "0..2"),
    "table": ({"table": "ram"}, "'ram'"),
    "counts": ({"slopes": (1.0,)}, "1 breakpoints, 1 slopes, 2 intercepts"),
    "too many": ({"breakpoints": (0.0,) * 64, "slopes": (0.0,) * 65, "intercepts": (0.0,) * 65}, "65 slopes", "1..64"),
    "order": ({"breakpoints": (2.0, 1.0), "slopes": (0.0,) * 3, "intercepts": (0.0,) * 3}, "(2.0, 1.0)", "order"),
    "too large": ({"intercepts": (1e39, 0.0)}, "intercept 1e+39", "fp32"),
    "nan": ({"slopes": (float("nan"), 0.0)}, "slope nan"),
    "saturated": ({"fmt": FP8_E4M3, "intercepts": (0.0, 1e3)}, "intercept 1000.0", "fp8_e4m3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    choices, *culprits = REFUSED[case]
    plain = {"fmt": FP32, "breakpoints": (0.0,), "slopes": (1.0, 2.0), "intercepts": (0.0, 1.0)}
    assert_refused(lambda: FloatPwlUnit(**(plain | choices)), *culprits)
