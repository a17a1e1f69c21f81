"""The definition of float units, against numpy, ml_dtypes and exact fractions."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from codegen.rtl.float_format import BF16, FP16, FP32, ArithmeticFloat, arithmetic
from codegen.rtl.float_stimulus import numbers, pairs
from hwsim.formats import (
    BINARY,
    FORMATS,
    FP4_E2M1,
    FP4_E3M0,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E4M3FNUZ,
    FP8_E5M2,
    FP8_E5M2FNUZ,
    FloatFormat,
)
from tests.compare import assert_refused, assert_same
from tests.oracles.native_floats import codes_of, exact_code, numbers_of

SMALL = [arithmetic(f) for f in (FP4_E2M1, FP6_E2M3, FP6_E3M2, FP8_E4M3, FP8_E5M2)]
WIDE = [FP32, FP16, BF16]
KEPT = [replace(f, subnormals="keep") for f in WIDE]


def name(fmt):
    return f"{fmt.name}-{fmt.subnormals}"


@pytest.mark.parametrize("fmt", [*SMALL, *WIDE, *KEPT], ids=name)
def test_sums_and_products_are_numpys(fmt):
    a, b = pairs(np.random.default_rng(fmt.bits), fmt, fmt, 200_000)
    x, y = (numbers_of(fmt, c) for c in (a, b))
    with np.errstate(all="ignore"):
        native = {"sum": x + y, "product": x * y}
    have = {"sum": fmt.sum(a, b), "product": fmt.product(a, fmt, b, fmt)}
    for op, want in native.items():
        want = codes_of(fmt, want)
        # Why not these: numpy rounds to a subnormal's bits first, a flushing unit to all bits; fractions tell below.
        compared = np.ones(len(want), bool)
        if fmt.flushes and op == "product":
            compared = want & (1 << (fmt.bits - 1)) - 1 != 1 << fmt.man_bits
        assert compared.mean() > 0.99
        assert_same(want[compared], have[op].astype(np.int64)[compared])


@pytest.mark.parametrize("fmt", [*SMALL, *WIDE, *KEPT, ArithmeticFloat("e3m4", 3, 4, 3, 0, "flush")], ids=name)
def test_sums_and_products_are_exact_fractions_rounded_once(fmt):
    a, b = pairs(np.random.default_rng(1), fmt, fmt, 1500)
    some = np.random.default_rng(2).permutation(len(a))[:1500]
    low = (fmt.bias // 2 + np.arange(-2, 3)) << fmt.man_bits  # squares of these are at the smallest normal number
    ends = np.concatenate([low, low - 1, low + 1])
    ends = ends[fmt.finite(ends) & (ends >= 0)]
    a, b = np.concatenate([a[some], np.repeat(ends, len(ends))]), np.concatenate([b[some], np.tile(ends, len(ends))])
    sums, products = fmt.sum(a, b), fmt.product(a, fmt, b, fmt)
    assert np.isfinite(fmt.decode(a)).all()
    for i, (x, y) in enumerate(zip(map(Fraction, fmt.decode(a)), map(Fraction, fmt.decode(b)), strict=True)):
        if x + y:
            assert exact_code(fmt, x + y) == sums[i], (a[i], b[i])
        if x * y:
            assert exact_code(fmt, x * y) == products[i], (a[i], b[i])


def test_ties_far_from_float64s_own_last_bit():
    one, ulp = 1.0, 2.0**-23
    for x, want in ((one + ulp / 2, 0), (one + ulp / 2 + 2.0**-52, 1), (one + 3 * ulp / 2, 2), (one - ulp / 4, 0)):
        assert FP32.encode(np.array([x]))[0] == (127 << 23) + want


@pytest.mark.parametrize("fmt", [*(f for f in FORMATS.values() if isinstance(f, FloatFormat) and f.man_bits)], ids=str)
def test_small_formats_name_the_same_numbers_and_round_alike(fmt):
    f, codes = arithmetic(fmt), numbers(arithmetic(fmt))
    values = np.ldexp(fmt.to_int(codes.astype(fmt.dtype)).astype(float), fmt.lsb_exp)
    assert_same(values, f.decode(codes))
    x = np.random.default_rng(0).normal(size=5000) * float(np.ldexp(1.0 * fmt.max_int, fmt.lsb_exp)) / 2
    inside = np.abs(x) < values.max()
    assert_same(fmt.encode(x[inside]), f.encode(x[inside]))


def test_infinities_and_one_nan():
    for fmt in WIDE:
        inf, top = fmt.overflow, fmt.largest
        minus = 1 << (fmt.bits - 1)
        a = np.array([inf, inf, inf | minus, fmt.nan, top, top | minus])
        b = np.array([top | minus, inf | minus, inf | minus, 0, top, top | minus])
        assert_same([inf, fmt.nan, inf | minus, fmt.nan, inf, inf | minus], fmt.sum(a, b).astype(np.int64))
    e4m3 = arithmetic(FP8_E4M3)
    assert e4m3.sum(np.array([126]), np.array([126]))[0] == 126


def test_flushed_results_are_judged_after_rounding():
    x = 2.0**-126 * np.array([1 - 2.0**-25, 1 - 2.0**-24, -(1 - 2.0**-24), 0.5])
    assert_same([1 << 23, 0, 1 << 31, 0], FP32.encode(x).astype(np.int64))


REFUSED = {
    "no mantissa": (lambda: arithmetic(FP4_E3M0), "fp4_e3m0", "E3M0", "M1..23"),
    "no number": (lambda: arithmetic(BINARY), "binary", "E0M0"),
    "fnuz": (lambda: arithmetic(FP8_E4M3FNUZ), "fp8_e4m3fnuz", "unsigned zero"),
    "fnuz too": (lambda: arithmetic(FP8_E5M2FNUZ), "fp8_e5m2fnuz"),
    "float64": (lambda: ArithmeticFloat("fp64", 11, 52, 1023), "E11M52", "E1..8"),
    "reserved": (lambda: ArithmeticFloat("odd", 5, 2, 15, 3), "reserved 3", "0, 1, or 4"),
    "subnormals": (lambda: ArithmeticFloat("odd", 5, 2, 15, 4, "maybe"), "'maybe'", "flush, keep"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    make, *culprits = REFUSED[case]
    assert_refused(make, *culprits)
