from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.contracts import (
    CONTRACTS,
    Dyadic16,
    OnnxFloat,
    Pow2,
    TflmDouble,
    TflSingle,
    contract_named,
    dyadic,
    quantize_multiplier,
)
from hwsim.rounding import ROUNDINGS
from tests.compare import assert_refused, assert_same
from tests.oracles.exact import float32, rounded, tflm_multiply, tie_adjacent

INT32 = (-(2**31), -(2**31) + 1, 2**31 - 1)
Q31 = (1 << 30, (1 << 31) - 1, 3 << 29, 1_518_500_250)


def near_ties(multiplier, shift, limit):
    """Integers next to where ``x * multiplier / 2**shift`` is half-way, small and large, and the ends of the domain."""
    steps = (0, 1, 2, 3, 127, limit * multiplier // (1 << shift) - 1)
    middles = {s * (2 * k + 1) * (1 << shift) // (2 * multiplier) for k in steps for s in (1, -1)}
    near = {m + d for m in middles for d in (-1, 0, 1, 2)} | set(INT32) | {0, limit, -limit, limit - 1, 1 - limit}
    return sorted(x for x in near if -limit <= x <= limit)


def both(contract, x):
    """Results of `apply` after showing that the numba twin agrees."""
    x = np.asarray(x, np.int64)
    y = contract.apply(x)
    assert_same(y, contract.apply_fast(x), x, what=f"numba twin of {contract}")
    assert y.dtype == np.int64
    return y


@pytest.mark.parametrize("multiplier", [1 << 15, (1 << 16) - 1, 40961, 49152])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_dyadic16_is_exact_for_every_shift(rounding, multiplier):
    for shift in range(63):
        c = Dyadic16(multiplier=(multiplier,), shift=(shift,), rounding=rounding)
        x = near_ties(multiplier, shift, c.max_input)
        expected = rounded((Fraction(v * multiplier, 1 << shift) for v in x), rounding)
        assert_same(expected, both(c, x), x, what=f"{multiplier} >> {shift} {rounding}")


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_pow2_is_exact_for_every_shift(rounding):
    for shift in range(-30, 63):
        c = Pow2(shift=(shift,), rounding=rounding)
        x = tie_adjacent(max(shift, 0), c.max_input)
        expected = rounded((Fraction(v) / Fraction(2) ** shift for v in x), rounding)
        assert_same(expected, both(c, x), x, what=f"shift {shift} {rounding}")


@pytest.mark.parametrize("rounding", ["half_away", "half_up"])
@pytest.mark.parametrize("multiplier", Q31)
def test_tfl_single_is_exact_for_every_shift(multiplier, rounding):
    for shift in range(-31, 31):
        c = TflSingle(multiplier=(multiplier,), shift=(shift,), rounding=rounding)
        x = near_ties(multiplier, 31 - shift, c.max_input)
        expected = rounded((v * multiplier * Fraction(2) ** (shift - 31) for v in x), rounding)
        assert_same(expected, both(c, x), x, what=f"{multiplier} shift {shift}")


@pytest.mark.parametrize("multiplier", Q31)
def test_tflm_double_is_gemmlowp_for_every_shift(multiplier):
    for shift in range(-31, 31):
        c = TflmDouble(multiplier=(multiplier,), shift=(shift,))
        inner = near_ties(multiplier, 31 - max(shift, 0), c.max_input)  # ties of the first rounding
        x = sorted({*inner, *near_ties(multiplier, 31 - shift, c.max_input)})
        expected = [tflm_multiply(v, multiplier, shift) for v in x]
        assert_same(expected, both(c, x), x, what=f"{multiplier} shift {shift}")


def test_onnx_float_is_float32_step_by_step():
    rng = np.random.default_rng(0)
    scales = [float32(s) for s in (1.0, 0.5, 2.0**-9, 1 / 3, 1e-7, 2.0**-31, 3.0, *rng.uniform(0, 0.01, 20))]
    for scale in scales:
        middles = [int((k + 0.5) / scale) for k in range(-200, 200)]
        near = {m + d for m in middles for d in (-1, 0, 1)} | set(INT32) | {0, 2**31, 2**24 + 1, 2**25 + 3}
        x = sorted(v for v in near if abs(v) <= 2**31)
        expected = [round(Fraction(float32(float32(v) * scale))) for v in x]
        assert_same(expected, both(OnnxFloat(scale=(scale,)), x), x, what=f"scale {scale}")


@pytest.mark.parametrize("origin", [-128, -1, 3, 255])
def test_onnx_float_from_an_origin_rounds_the_product_then_the_sum(origin):
    rng = np.random.default_rng(1)
    x = np.arange(-65025, 65026, 7)
    for scale in (float32(s) for s in (0.5, 2.0**-9, 1 / 3, *rng.uniform(0, 0.01, 6))):
        sums = [float32(float32(int(v) * scale) + origin) for v in x]
        expected = [round(Fraction(s)) - origin for s in sums]
        assert_same(expected, both(OnnxFloat(scale=(scale,), origin=origin), x), x, what=f"scale {scale}")


def test_an_origin_moves_ties():
    x = np.array([1, 3, 5])
    assert_same([0, 2, 2], both(OnnxFloat(scale=(0.5,)), x), x)
    assert_same([1, 1, 3], both(OnnxFloat(scale=(0.5,), origin=1), x), x)


def test_constants_go_by_the_last_axis():
    rng = np.random.default_rng(1)
    x = rng.integers(-(2**31), 2**31, (3, 4, 63))
    shift, m16 = tuple(range(63)), tuple(rng.integers(1 << 15, 1 << 16, 63).tolist())
    m31, left = tuple(rng.integers(1 << 30, 1 << 31, 63).tolist()), tuple(range(-31, 0)) + (0,) * 32
    scale = tuple(float32(s) for s in rng.uniform(0, 0.01, 63))
    for many, one in (
        (Dyadic16(multiplier=m16, shift=shift), lambda c: Dyadic16(multiplier=m16[c : c + 1], shift=shift[c : c + 1])),
        (Pow2(shift=shift), lambda c: Pow2(shift=shift[c : c + 1])),
        (TflSingle(multiplier=m31, shift=left), lambda c: TflSingle(multiplier=m31[c : c + 1], shift=left[c : c + 1])),
        (
            TflmDouble(multiplier=m31, shift=left),
            lambda c: TflmDouble(multiplier=m31[c : c + 1], shift=left[c : c + 1]),
        ),
        (OnnxFloat(scale=scale), lambda c: OnnxFloat(scale=scale[c : c + 1])),
    ):
        assert many.channels == 63
        alone = np.stack([both(one(c), x[..., c]) for c in range(63)], -1)
        assert_same(alone, both(many, x), x, what=many.name)
        assert_same(alone.transpose(1, 0, 2), both(many, x.transpose(1, 0, 2)), what=f"{many.name}, strided")


@given(st.floats(2.0**-46, 2.0**15))
def test_dyadic16_of_takes_the_nearest_multiplier(ratio):
    c = Dyadic16.of(ratio)
    (m,), (s,) = c.multiplier, c.shift
    assert 1 << 15 <= m < 1 << 16
    assert abs(Fraction(ratio) * 2**s - m) <= Fraction(1, 2)
    assert c.ratio[0] == m * 2.0**-s
    assert abs(c.ratio[0] / ratio - 1) <= 2.0**-16


@given(st.floats(2.0**-31, 2.0**29))
def test_tfl_of_takes_the_nearest_multiplier(ratio):
    c = TflSingle.of(ratio)
    (m,), (s,) = c.multiplier, c.shift
    assert 1 << 30 <= m < 1 << 31
    assert abs(Fraction(ratio) * Fraction(2) ** (31 - s) - m) <= Fraction(1, 2)
    assert TflmDouble.of(ratio).multiplier == (m,)
    assert quantize_multiplier(ratio) == ((m,), (s,))


def test_multipliers_at_the_top_carry_into_the_shift():
    assert dyadic(1 - 2.0**-20, 16) == (1 << 15, 15)
    assert dyadic(1 - 2.0**-17, 16) == (1 << 15, 15)  # a tie between 65535 and 65536: the even one
    assert dyadic(1 - 2.0**-16, 16) == ((1 << 16) - 1, 16)
    assert dyadic(1.0, 16) == (1 << 15, 15)
    assert quantize_multiplier([1 - 2.0**-40, 1.0, 0.75]) == ((1 << 30, 1 << 30, 3 << 29), (1, 1, 0))
    assert quantize_multiplier([2.0**-32, 2.0**-33]) == ((1 << 30, 0), (-31, 0))
    assert TflSingle.of(2.0**-33).ratio.tolist() == [0.0]


@pytest.mark.parametrize("exponent", range(-62, 31))
def test_pow2_of_takes_the_exponent(exponent):
    c = Pow2.of(2.0**exponent)
    assert (c.shift, c.ratio.tolist()) == ((-exponent,), [2.0**exponent])


def test_onnx_float_of_takes_the_nearest_float32():
    ratios = np.random.default_rng(2).uniform(0, 1, 500)
    assert_same([float32(r) for r in ratios], OnnxFloat.of(ratios).ratio, ratios)


def test_of_takes_channels_and_a_rounding():
    assert Dyadic16.of([0.5, 0.25], "floor") == Dyadic16(multiplier=(1 << 15,) * 2, shift=(16, 17), rounding="floor")
    assert Pow2.of([0.5, 4.0], "half_even") == Pow2(shift=(1, -2), rounding="half_even")
    assert [c.name for c in CONTRACTS] == ["dyadic16", "pow2", "tfl_single", "tflm_double", "onnx_float"]
    assert all(contract_named(c.name) is c for c in CONTRACTS)


REFUSED = {
    "15 bits": (lambda: Dyadic16(multiplier=(32767,), shift=(0,)), "multiplier 32767", "32768..65535"),
    "17 bits": (lambda: Dyadic16(multiplier=(65536,), shift=(0,)), "multiplier 65536"),
    "shift": (lambda: Dyadic16(multiplier=(32768,), shift=(63,)), "shift 63", "0..62"),
    "negative shift": (lambda: Dyadic16(multiplier=(32768,), shift=(-1,)), "shift -1"),
    "fraction": (lambda: Dyadic16(multiplier=(40000.5,), shift=(0,)), "40000.5"),
    "lengths": (lambda: Dyadic16(multiplier=(32768,) * 2, shift=(1,)), "2 and 1"),
    "none": (lambda: Pow2(shift=()), "empty"),
    "rounding": (lambda: Pow2(shift=(1,), rounding="up"), "'up'"),
    "left": (lambda: Pow2(shift=(-31,)), "shift -31", "-30..62"),
    "32 bits": (lambda: TflmDouble(multiplier=(1 << 31,), shift=(0,)), str(1 << 31)),
    "41 bits": (lambda: TflSingle(multiplier=(1 << 40,), shift=(0,)), str(1 << 40)),
    "tfl shift": (lambda: TflmDouble(multiplier=(1 << 30,), shift=(31,)), "shift 31", "-31..30"),
    "float64": (lambda: OnnxFloat(scale=(0.1,)), "0.1"),
    "inf": (lambda: OnnxFloat(scale=(float("inf"),)), "inf"),
    "zero scale": (lambda: OnnxFloat(scale=(0.0,)), "0.0"),
    "origin": (lambda: OnnxFloat(scale=(0.5,), origin=1 << 17), "origin 131072"),
    "no origin": (lambda: OnnxFloat(scale=(0.5,), origin=0.5), "origin 0.5"),
    "no power": (lambda: Pow2.of([0.5, 0.75]), "0.75", "power"),
    "pow2 of zero": (lambda: Pow2.of(0.0), "0.0"),
    "zero": (lambda: Dyadic16.of(0.0), "0.0"),
    "nan": (lambda: Dyadic16.of(float("nan")), "nan"),
    "far too small": (lambda: Dyadic16.of(2.0**-80), "shift 95", "0..62"),
    "far too large": (lambda: Dyadic16.of(2.0**16), "shift -1"),
    "tfl zero": (lambda: TflSingle.of(0.0), "0.0"),
    "tfl large": (lambda: TflSingle.of(2.0**30), "31", "30"),
    "name": (lambda: contract_named("gemmlowp"), "'gemmlowp'", "dyadic16"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_one_line_that_names_the_culprit(name):
    assert_refused(*REFUSED[name])
