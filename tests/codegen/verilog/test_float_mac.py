"""Float multiply-accumulate units: every running sum, in Icarus Verilog and as gates."""

import numpy as np
import pytest

from codegen.rtl import BF16, FP16, FP32, FloatMacUnit
from codegen.runners.verilog import run_unit
from codegen.synthesis import check, library_named, synthesize
from codegen.synthesis.benches import bench_of, verilog_of
from hwsim import FP4_E2M1, FP8_E4M3, INT4, INT8, INT32
from hwsim.formats import FP4_E1M2, FP4_E3M0, FP8_E5M2
from tests.codegen.verilog.simulators import assert_equal, mutated, needs_icarus, needs_yosys
from tests.compare import assert_refused, assert_same

UNITS = [
    *((FP32, FP32, FP32), (BF16, BF16, FP32), (FP16, FP16, FP32), (FP16, FP16, FP16), (BF16, BF16, BF16)),
    *((FP4_E2M1, FP4_E2M1, FP16), (FP4_E2M1, FP4_E1M2, FP8_E4M3), (FP4_E2M1, FP4_E2M1, FP8_E5M2)),
    *((INT4, INT4, FP16), (INT8, FP4_E2M1, BF16)),
]


@needs_icarus
@pytest.mark.parametrize(("a", "b", "acc"), UNITS, ids=lambda f: f.name)
def test_every_running_sum(a, b, acc):
    assert_equal(FloatMacUnit(a=a, b=b, acc=acc), 10_000)


@needs_icarus
def test_starts_and_kept_operands():
    assert_equal(FloatMacUnit(a=FP32, b=BF16, acc=FP32, bias=True, stages=1), 10_000)
    assert_equal(FloatMacUnit(a=FP4_E2M1, b=FP4_E2M1, acc=FP16, bias=True), 10_000)


@needs_icarus
def test_against_numpys_float32():
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=2000).astype(np.float32) for _ in range(2))
    b[1::7] = -b[0:-1:7]
    first, acc, want = (np.arange(2000) % 50 == 0), np.float32(0), []
    for x, y, f in zip(a, b, first, strict=True):
        acc = (np.float32(0) if f else acc) + x * y
        want.append(acc)
    codes = {"first": first.astype(np.int64), "a": a.view(np.uint32), "b": b.view(np.uint32)}
    assert_same(np.array(want).view(np.uint32), run_unit(FloatMacUnit(a=FP32, b=FP32, acc=FP32), codes)["y"])


def test_exact_products_take_no_rounding():
    for fmt, acc in ((BF16, FP32), (FP16, FP32), (FP4_E2M1, FP16)):
        text = str(FloatMacUnit(a=fmt, b=fmt, acc=acc).module)
        assert "product_up" not in text
        assert "sum_up" in text
    assert "product_up" in str(FloatMacUnit(a=FP16, b=FP16, acc=FP16).module)


@needs_icarus
def test_an_overflown_sum_stays_infinite_until_the_next_first():
    unit = FloatMacUnit(a=FP16, b=FP16, acc=FP16)
    large, one, minus = FP16.largest, 15 << 10, 0x8000
    steps = [(1, large, one), (0, large, one), (0, large | minus, one), (0, large | minus, large), (0, one, one)]
    first, a, b = (np.array(c) for c in zip(*steps, (1, one, one), strict=True))
    y = run_unit(unit, {"first": first, "a": a, "b": b})["y"]
    assert_same([large, FP16.overflow, FP16.overflow, FP16.nan, FP16.nan, one], y.astype(np.int64))


MUTANTS = {
    "half of the sums go on": lambda t: t.replace("first ?", "first && (a[0] || &acc === 1'bx) ?"),
    "infinity is a number": lambda t: t.replace("sum_infinite ?", "1'b0 ?"),
    "no nan": lambda t: t.replace("sum_nan = ", "sum_nan = 1'b0 & "),
    "lost carry": lambda t: t.replace("{sum_total[15] & ~sum_less", "{1'b0"),
}


@needs_icarus
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    assert mutated(FloatMacUnit(a=FP16, b=FP16, acc=FP16), MUTANTS[name]) > 0


@needs_yosys
def test_the_gates_are_equal():
    unit = FloatMacUnit(a=FP4_E2M1, b=FP4_E2M1, acc=FP16)
    codes = {p: c[:2048] for p, c in unit.stimulus(np.random.default_rng(0), 2048).items()}
    made = synthesize(verilog_of(unit), library_named("gate-equivalents"))
    assert check(made, bench_of(unit, codes, 16, "all pairs, seed 0")).ran.cycles > 1900


REFUSED = {
    "stages": ({"stages": 2}, "stages 2", "0..1"),
    "wide": ({"b": INT32}, "int32", "24 bits"),
    "no significand": ({"a": FP4_E3M0}, "fp4_e3m0"),
    "accumulator": ({"acc": FP4_E3M0}, "fp4_e3m0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    choices, *culprits = REFUSED[case]
    assert_refused(lambda: FloatMacUnit(**({"a": BF16, "b": BF16, "acc": FP32} | choices)), *culprits)
