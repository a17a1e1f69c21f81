from fractions import Fraction
from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest

from hwsim.formats import (
    BINARY,
    FORMATS,
    FP4_E2M1,
    FP8_E4M3FNUZ,
    FP8_E5M2FNUZ,
    INT8,
    FloatFormat,
    IntFormat,
    format_named,
)
from hwsim.ops import BlockQuantize
from hwsim.rounding import ROUNDINGS
from tests.compare import all_codes, assert_one_line, assert_same
from tests.oracles.exact import rounded, saturated
from tests.oracles.floats import GFLOAT, ML_DTYPES, MODES, float16_numbers, gfloat_codes, gfloat_values, ml_dtypes_codes

FLOATS = [f for f in FORMATS.values() if isinstance(f, FloatFormat)]
INTS = [f for f in FORMATS.values() if isinstance(f, IntFormat)]
FLOAT16 = float16_numbers()


def named(formats):
    return pytest.mark.parametrize("fmt", formats, ids=lambda f: f.name)


def values(fmt, codes):
    return np.ldexp(fmt.to_int(codes).astype(np.float64), fmt.lsb_exp)


def test_every_float_format_has_its_oracle():
    assert {f.name for f in FLOATS} == set(GFLOAT)
    without = {"fp4_e1m2", "fp4_e3m0", "fp6_e1m4", "fp6_e4m1", "fp8_e1m6", "fp8_e2m5", "fp8_e3m4"}
    assert set(GFLOAT) - set(ML_DTYPES) == without  # ml_dtypes' float8_e3m4 has infinities


@named(FLOATS)
def test_float_codes_decode_as_gfloat_and_ml_dtypes(fmt):
    codes = np.arange(1 << fmt.bits, dtype=np.uint8)
    reserved = fmt.is_reserved(codes)
    oracle = gfloat_values(fmt)
    assert_same(~np.isfinite(oracle), reserved, codes)
    assert_same(oracle[~reserved], values(fmt, codes[~reserved]), codes[~reserved])
    assert_same(np.zeros(reserved.sum()), fmt.to_int(codes[reserved]))
    if fmt.name in ML_DTYPES:
        theirs = codes.view(ML_DTYPES[fmt.name]).astype(np.float64)
        assert_same(theirs[~reserved], values(fmt, codes[~reserved]), codes[~reserved])
        assert not np.isfinite(theirs[reserved]).any()


@named(FLOATS)
def test_float_limits(fmt):
    finite = gfloat_values(fmt)[np.isfinite(gfloat_values(fmt))]
    assert np.ldexp(float(fmt.max_int), fmt.lsb_exp) == finite.max()
    assert np.ldexp(float(fmt.min_int), fmt.lsb_exp) == finite.min()
    assert (fmt.min_code, fmt.max_code, fmt.dtype) == (0, (1 << fmt.bits) - 1, np.uint8)


@pytest.mark.parametrize("rounding", MODES)
@named(FLOATS)
def test_float_encode_agrees_with_gfloat_on_all_float16(fmt, rounding):
    assert_same(gfloat_codes(fmt, FLOAT16, rounding), fmt.encode(FLOAT16, rounding), FLOAT16)


@named([FORMATS[name] for name in ML_DTYPES])
def test_float_encode_agrees_with_ml_dtypes_on_all_float16(fmt):
    theirs, finite = ml_dtypes_codes(fmt, FLOAT16)
    ours = fmt.encode(FLOAT16)
    assert_same(theirs[finite], ours[finite], FLOAT16[finite])
    biggest = np.ldexp(float(fmt.max_int), fmt.lsb_exp)
    assert_same(np.copysign(biggest, FLOAT16[~finite]), values(fmt, ours[~finite]), FLOAT16[~finite])
    assert finite.all() == (fmt.reserved == 0)  # E4M3 and E5M2 alone do not saturate in ml_dtypes


@named(FLOATS)
def test_float_half_up_agrees_with_fractions_on_all_float16(fmt):
    oracle = gfloat_values(fmt)
    grid = sorted({Fraction(v) for v in oracle[np.isfinite(oracle)]})
    middles = [(a + b) / 2 for a, b in pairwise(grid)]
    assert all(Fraction(float(m)) == m for m in middles)  # so that comparing floats is exact
    nearest = np.searchsorted(np.array(middles, np.float64), FLOAT16, side="right")
    got = fmt.encode(FLOAT16, "half_up")
    assert_same(np.array(grid, np.float64)[nearest], values(fmt, got), FLOAT16)
    assert_same(np.signbit(FLOAT16), got >> (fmt.bits - 1) == 1, FLOAT16)


@named(FLOATS)
def test_float_codes_encode_to_themselves(fmt):
    codes = all_codes(fmt)
    x = np.copysign(values(fmt, codes), np.where(codes >> (fmt.bits - 1), -1.0, 1.0))
    for rounding in ROUNDINGS:
        assert_same(codes, fmt.encode(x, rounding), x)


def int_inputs(fmt):
    """Ties, their neighbours, both ends and far past them, as exact fractions that float64 holds."""
    around = {0, 1, -1, 2, -2, fmt.min_int, fmt.max_int, fmt.min_int // 2, fmt.max_int // 3}
    steps = [Fraction(k, 4) for k in range(-6, 7)]
    far = [Fraction(s * 2**e) for e in (52, 53, 62, 63, 64, 90) for s in (1, -1)]
    numbers = {Fraction(a) + s for a in around for s in steps} | set(far)
    return sorted(f for f in numbers if Fraction(float(f)) == f)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@named(INTS)
def test_int_encode_agrees_with_python_integers(fmt, rounding):
    x = int_inputs(fmt)
    expected = saturated(rounded(x, rounding), fmt.min_int, fmt.max_int)
    got = fmt.encode(np.array(x, np.float64), rounding)
    assert got.dtype == fmt.dtype
    assert_same(expected, got, np.array(x, np.float64))


@named(INTS)
def test_int_limits(fmt):
    span = 2**fmt.bits - (1 if fmt.narrow else 0)
    assert fmt.max_int - fmt.min_int + 1 == span
    assert (fmt.min_code, fmt.max_code, fmt.lsb_exp) == (fmt.min_int, fmt.max_int, 0)
    assert fmt.dtype.itemsize * 8 >= fmt.bits
    assert (fmt.min_int < 0) == fmt.signed


def test_negative_zero_keeps_its_code_in_floats_and_loses_it_in_integers():
    zeros = np.array([-0.0, 0.0, -1e-30, 1e-30])
    for fmt in FLOATS:
        sign = 1 << (fmt.bits - 1)
        assert_same([sign, 0, sign, 0], fmt.encode(zeros), zeros)
        assert_same([0, 0], fmt.to_int(np.array([sign, 0])))
    for fmt in INTS:
        assert_same([0, 0, 0, 0], fmt.encode(zeros), zeros)


def test_huge_numbers_saturate_without_a_warning():
    x = np.array([1.7e308, -1.7e308])
    for fmt in FORMATS.values():
        lo, hi = (np.ldexp(float(v), fmt.lsb_exp) for v in (fmt.min_int, fmt.max_int))
        assert_same([hi, lo], values(fmt, fmt.encode(x)), x, what=fmt.name)


@named([FP4_E2M1, FORMATS["fp8_e5m2"], INT8])
def test_stochastic_takes_neighbours_alone_with_the_right_mean(fmt):
    low, high = 2.0, 3.0
    for x in (low, 2.3, 2.5):
        many = np.full(60_000, x)
        got = values(fmt, fmt.encode(many, "stochastic", np.random.default_rng(7)))
        again = values(fmt, fmt.encode(many, "stochastic", np.random.default_rng(7)))
        step = values(fmt, all_codes(fmt))
        below, above = step[step <= x].max(), step[step >= x].min()
        assert set(got) == {below, above}
        assert abs(got.mean() - x) < 0.01 * (high - low)
        assert_same(got, again)
    with pytest.raises(ValueError, match="needs rng="):
        fmt.encode(np.ones(1), "stochastic")


def test_refusals_name_the_format():
    for make in (
        lambda: IntFormat("wide", 65),
        lambda: IntFormat("wide", 64, signed=False),
        lambda: IntFormat("wide", 0),
        lambda: FloatFormat("wide", 5, 3, bias=1),
        lambda: FloatFormat("wide", 6, 1, bias=1),
        lambda: FloatFormat("wide", -1, 3, bias=1),
    ):
        with pytest.raises(ValueError, match="'wide'") as e:
            make()
        assert_one_line(e.value)
    with pytest.raises(ValueError, match="'int9' is unknown") as e:
        format_named("int9")
    assert_one_line(e.value, *FORMATS)
    assert format_named("int8") is INT8


def test_binary_is_the_sign():
    codes = np.array([0, 1], np.uint8)
    assert BINARY.to_int(codes).tolist() == [1, -1]
    assert (BINARY.bits, BINARY.lsb_exp, BINARY.min_int, BINARY.max_int) == (1, 0, -1, 1)
    for rounding in MODES:
        assert_same(np.signbit(FLOAT16), BINARY.encode(FLOAT16, rounding), FLOAT16)


def test_signs_with_a_fraction_and_no_exponent():
    fmt = FloatFormat("sign and 1.mm", 0, 2, bias=1)
    assert fmt.grid.tolist() == [4, 5, 6, 7, -4, -5, -6, -7]
    x = np.array([0.0, 0.3, 1.0, 1.125, 1.375, 1.6, 1.9, -0.1, -1.3])
    assert np.ldexp(fmt.to_int(fmt.encode(x)), fmt.lsb_exp).tolist() == [1, 1, 1, 1, 1.5, 1.5, 1.75, -1, -1.25]


CASTS = {
    "fp8_e4m3": (FORMATS["fp8_e4m3"], ml_dtypes.float8_e4m3fn),
    "fp8_e5m2": (FORMATS["fp8_e5m2"], ml_dtypes.float8_e5m2),
    "fp8_e4m3fnuz": (FP8_E4M3FNUZ, ml_dtypes.float8_e4m3fnuz),
    "fp8_e5m2fnuz": (FP8_E5M2FNUZ, ml_dtypes.float8_e5m2fnuz),
}


@pytest.mark.parametrize("name", CASTS)
def test_casts_of_every_float16_are_those_of_ml_dtypes(name):
    """NaN with both signs, infinities, and what rounds past the largest number: ml_dtypes never saturates."""
    fmt, theirs = CASTS[name]
    with np.errstate(invalid="ignore"):
        x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
        assert_same(x.astype(theirs).view(np.uint8), fmt.cast(x.astype(np.float64), saturate=False), x)
    finite = x[np.isfinite(x)].astype(np.float64)
    assert_same(fmt.encode(finite), fmt.cast(finite), finite)
    top = np.ldexp(float(fmt.max_int), fmt.lsb_exp)
    assert values(fmt, fmt.cast(np.array([np.inf, -np.inf]))).tolist() == [top, -top]


@named([FP8_E4M3FNUZ, FP8_E5M2FNUZ])
def test_unsigned_zero_by_ml_dtypes(fmt):
    codes = np.arange(256, dtype=np.uint8)
    theirs = codes.view(CASTS[fmt.name][1]).astype(np.float64)
    assert_same(np.isnan(theirs), fmt.is_reserved(codes), codes)
    assert np.flatnonzero(fmt.is_reserved(codes)).tolist() == [128]
    assert_same(np.nan_to_num(theirs), values(fmt, codes), codes)
    assert fmt.encode(np.array([-0.0, -1e-30])).tolist() == [0, 0]


@pytest.mark.parametrize(("x", "saturate"), [(np.nan, True), (9.0, False)])
def test_no_code_for_nan_is_refused(x, saturate):
    with pytest.raises(ValueError, match="fp4_e2m1") as e:
        FP4_E2M1.cast(np.array([1.0, x]), saturate=saturate)
    assert_one_line(e.value, str(x))


def test_blocks_refuse_unsigned_zero():
    with pytest.raises(ValueError, match="fp8_e4m3fnuz") as e:
        BlockQuantize(block=32, fmt=FP8_E4M3FNUZ)
    assert_one_line(e.value, "zero")
