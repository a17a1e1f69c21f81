"""Float adders and multipliers: formats of all sizes, the small ones exhaustively, and numpy's float32."""

from dataclasses import replace

import numpy as np
import pytest

from codegen.rtl import BF16, FP16, FP32, ArithmeticFloat, FloatAdderUnit, FloatMultiplierUnit
from codegen.rtl.float_format import arithmetic
from codegen.runners.verilog import run_unit
from hwsim import FP4_E2M1, FP8_E4M3, INT4, INT8, INT16, INT32, UINT8
from hwsim.formats import FP4_E1M2, FP6_E2M3, FP6_E3M2, FP8_E5M2, TERNARY, UINT1
from tests.codegen.verilog.simulators import assert_equal, lint, mutated, needs_icarus, needs_yosys
from tests.compare import assert_refused, assert_same
from tests.oracles.native_floats import codes_of, numbers_of

FLUSHED = [ArithmeticFloat("e4m3", 4, 3, 7, 0, "flush"), ArithmeticFloat("e5m6", 5, 6, 15, 64, "flush")]
FORMATS = [
    *(FP32, FP16, BF16, replace(FP32, subnormals="keep"), *FLUSHED),
    *(FP4_E2M1, FP4_E1M2, FP6_E2M3, FP6_E3M2, FP8_E4M3, FP8_E5M2),
]
MIXED = [
    *((FP4_E2M1, FP4_E2M1, FP16), (FP4_E2M1, FP4_E1M2, FP6_E3M2), (BF16, BF16, FP32), (FP16, FP16, FP32)),
    *((FP16, FP16, BF16), (FP32, FP16, FP8_E5M2), (FP6_E3M2, FP6_E3M2, FP8_E4M3), (INT4, INT4, FP16)),
    *((INT8, FP4_E2M1, FP16), (INT16, UINT8, FP32), (INT8, INT8, FP4_E2M1), (TERNARY, FP16, FP16), (UINT1, INT4, FP16)),
]


@needs_icarus
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f"{f.name}-{arithmetic(f).subnormals}")
def test_every_format(fmt):
    pairs = min(10_000, (1 << 2 * fmt.bits) * 7 // 10)
    assert_equal(FloatAdderUnit(fmt=fmt, stages=2), pairs)
    assert_equal(FloatMultiplierUnit(a=fmt, b=fmt, fmt=fmt, stages=1), pairs)


@needs_icarus
@pytest.mark.parametrize(("a", "b", "fmt"), MIXED, ids=lambda f: f.name)
def test_products_of_one_format_in_another(a, b, fmt):
    assert_equal(FloatMultiplierUnit(a=a, b=b, fmt=fmt), 32)


@needs_icarus
@pytest.mark.parametrize("fmt", [FP32, FP16, BF16], ids=lambda f: f.name)
def test_against_numpy(fmt):
    adder, multiplier = FloatAdderUnit(fmt=fmt), FloatMultiplierUnit(a=fmt, b=fmt, fmt=fmt)
    codes = adder.stimulus(np.random.default_rng(7), 10_000)
    x, y = (numbers_of(fmt, codes[p]) for p in "ab")
    with np.errstate(all="ignore"):
        sums, products = codes_of(fmt, x + y), codes_of(fmt, x * y)
    assert_same(sums, run_unit(adder, codes)["y"].astype(np.int64), codes["a"], codes["b"])
    at_the_flush = (products & (1 << (fmt.bits - 1)) - 1) == 1 << fmt.man_bits  # numpy rounds there to fewer bits
    have = run_unit(multiplier, codes)["y"].astype(np.int64)
    assert_same(products[~at_the_flush], have[~at_the_flush])


ADDER = {
    "no sticky bit": lambda t: t.replace("| (|sum_align_by_2[3:0])", ""),
    "far is forgotten": lambda t: t.replace("sum_align_far ?", "1'b0 ?"),
    "no swap": lambda t: t.replace("sum_swap ?", "1'b0 ?"),
    "ties go up": lambda t: t.replace("(sum_lead_left_1[4] | ", "(1'b1 | "),
    "no infinity": lambda t: t.replace("? 15'h7c00 :", "? 15'h0 :"),
    "negative zero": lambda t: t.replace(" & ~(sum_less & sum_nothing)", ""),
    "subnormals live": lambda t: t.replace("& {10{|a[14:10]}}", ""),
    "no flush": lambda t: t.replace("sum_nothing | (sum_high < 2'sh1)", "sum_nothing"),
}
MULTIPLIER = {
    "no zero": lambda t: t.replace("a_zero | b_zero | ", ""),
    "sticky": lambda t: t.replace("(|product_lead_left_1[9:0])", "1'b0"),
    "bias": lambda t: t.replace("_exponent + b", "_exponent + 2'sh1 + b"),
    "flush before rounding": lambda t: t.replace("product_high < 2'sh1", "product_exponent < 2'sh1"),
}


@needs_icarus
@pytest.mark.parametrize("name", [*ADDER, *MULTIPLIER])
def test_mutants_are_seen(name):
    if name in ADDER:
        assert mutated(FloatAdderUnit(fmt=FP16), ADDER[name]) > 0
    else:
        assert mutated(FloatMultiplierUnit(a=FP16, b=FP16, fmt=FP16), MULTIPLIER[name]) > 0


@needs_yosys
def test_yosys_finds_nothing(tmp_path):
    lint(FloatAdderUnit(fmt=FP16), tmp_path)
    lint(FloatMultiplierUnit(a=FP8_E4M3, b=INT4, fmt=FP8_E5M2, stages=2), tmp_path)


REFUSED = {
    "stages": (lambda: FloatAdderUnit(fmt=FP32, stages=3), "stages 3", "0..2"),
    "wide": (lambda: FloatMultiplierUnit(a=INT32, b=FP32, fmt=FP32), "int32", "24 bits"),
    "stages too": (lambda: FloatMultiplierUnit(a=FP32, b=FP32, fmt=FP32, stages=True), "True"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    make, *culprits = REFUSED[case]
    assert_refused(make, *culprits)
