from dataclasses import replace
from fractions import Fraction

import gfloat
import numpy as np
import pytest
from gfloat import formats as known

from hwsim import blockformats as bf
from hwsim.blockformats import BLOCK_FORMATS, MXFP4, MXINT8, NVFP4, RULES, BlockFormat, int4_groups, quantize_blocks
from hwsim.formats import E8M0, FP4_E2M1, FP8_E4M3, INT8, UINT4, UINT8
from tests.compare import assert_refused, assert_same
from tests.oracles.exact import rounded
from tests.oracles.record_mx import VECTORS, blocks

RECORDED = np.load(VECTORS)
X = RECORDED["x"].astype(np.float64)
MX = [BLOCK_FORMATS[n] for n in ("mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2")]
ALL = list(BLOCK_FORMATS.values())
GROUPS = [int4_groups(32, scale=s, symmetric=y) for s in (UINT8, FP8_E4M3, E8M0) for y in (True, False)]


def named(formats):
    return pytest.mark.parametrize("fmt", formats, ids=lambda f: f.name)


def test_the_recorded_inputs_are_the_seeded_ones():
    assert_same(blocks(), RECORDED["x"])


@pytest.mark.parametrize("rule", RULES)
@named(MX)
def test_scales_and_codes_as_torchao_recorded_them(fmt, rule):
    """Equal but where torchao is known to be wrong.

    Its exponent of rule rceil is ceil of a float32 log2, one short for the number after ``top * 2**k``; and blocks of
    scale code 0 are divided by 2**-126 (rceil: 1), not by the 2**-127 that the code says.
    """
    t = quantize_blocks(X, replace(fmt, rule=rule))
    scales, codes = (RECORDED[f"{fmt.element.name}.{rule}.{what}"] for what in ("scales", "codes"))
    amax = np.abs(RECORDED["x"]).max(1)
    before = np.nextafter(amax, np.float32(0)).astype(np.float64)
    short = (np.frexp(before)[0] == np.frexp(fmt.top)[0]) & (t.scales.codes != scales)[:, 0]
    assert short.sum() == {("rceil", "fp6_e3m2"): 2, ("rceil", "fp8_e4m3"): 2, ("rceil", "fp8_e5m2"): 3}.get(
        (rule, fmt.element.name), 0
    )
    assert_same(scales[:, 0] + short, t.scales.codes[:, 0], X[:, -1])
    trusted = (scales[:, 0] > 0) & ~short
    assert trusted.sum() >= 80
    assert_same(codes[trusted], t.codes.codes[trusted], X[trusted])
    assert (np.abs(t.codes.to_int())[short] <= fmt.element.max_int).all()


@pytest.mark.parametrize("base", ["one", "tensor"])
def test_nvfp4_as_torchao_recorded_it(base):
    t = quantize_blocks(RECORDED["nv"].astype(np.float64), replace(NVFP4, base=base))
    assert t.scales.type.scale == float(RECORDED[f"nvfp4.{base}.base"])
    assert_same(RECORDED[f"nvfp4.{base}.scales"], t.scales.codes)
    assert_same(RECORDED[f"nvfp4.{base}.codes"], t.codes.codes, RECORDED["nv"])
    assert (t.scales.to_int()[:, 3] == 8).all()  # all-zero blocks: the smallest normal E4M3 number, 2**-6


@named([*MX, MXINT8])
def test_reals_as_gfloat_quantizes_blocks(fmt):
    info = getattr(known, f"format_info_{'mxfp4_e2m1' if fmt is MXFP4 else fmt.name}")
    assert info.k == fmt.block
    sane = X[np.abs(X).max(1) < 2.0**126]  # gfloat's decoder overflows beyond
    want = [gfloat.quantize_block(info, row, gfloat.compute_scale_amax) for row in sane]
    assert_same(np.array(want), quantize_blocks(sane, fmt).dequantize(), sane)


def by_fractions(row, fmt, base):
    """One group by exact fractions, scale and zero point included; base is the real number of a scale's 1."""
    x = [Fraction(float(v)) for v in row]
    low, high = min(0, *x), max(0, *x)
    peak = high - low if fmt.zero else max(high, -low)
    ideal = peak / Fraction(fmt.top)
    if fmt.scale == E8M0:
        e = next(e for e in range(-127, 128) if e == 127 or ideal <= Fraction(2) ** e)
        scale, code = Fraction(2) ** e, e + 127
    else:
        values = np.ldexp(fmt.scale.to_int(np.arange(fmt.scale.max_code + 1)).astype(float), fmt.scale.lsb_exp)
        legal = [c for c in range(fmt.scale.max_code + 1) if values[c] > 0]
        code = min(legal, key=lambda c: (abs(Fraction(values[c]) - ideal / base), c % 2))
        scale = Fraction(values[code]) * base
    zero = min(max(rounded([-low / scale], "half_even")[0], 0), 15) if fmt.zero else 0
    q = [
        min(max(v + zero, fmt.element.min_int), fmt.element.max_int)
        for v in rounded([v / scale for v in x], "half_even")
    ]
    return code, zero, q


@named(GROUPS)
def test_int4_groups_by_fractions(fmt):
    rng = np.random.default_rng(3)
    w = rng.normal(size=(70, 6)) * np.exp(rng.normal(size=(1, 6)))
    w[:32, 0], w[32:64, 1] = 0, np.abs(w[32:64, 1])
    t = quantize_blocks(w, fmt, axis=0)
    base = np.broadcast_to(np.asarray(t.scales.type.scale), 6)
    for c in range(6):
        for g in range(3):
            code, zero, q = by_fractions(w[g * 32 : g * 32 + 32, c], fmt, Fraction(float(base[c])))
            assert t.scales.codes[g, c] == code
            assert t.zeros is None or t.zeros.codes[g, c] == zero
            assert_same(q, t.codes.codes[g * 32 : g * 32 + 32, c], w[g * 32 : g * 32 + 32, c])
    assert (t.codes.to_int()[:32, 0] == 0).all()


@named([*ALL, *GROUPS])
def test_any_axis_and_short_last_blocks(fmt):
    """A short block is a full one with zeros behind; the axis only says where."""
    x = np.random.default_rng(1).normal(size=(fmt.block + 5, 3))
    first = quantize_blocks(x, fmt, axis=0)
    padded = quantize_blocks(np.vstack([x, np.zeros((fmt.block - 5, 3))]), fmt, axis=-2)
    assert_same(padded.codes.codes[: len(x)], first.codes.codes)
    assert_same(padded.scales.codes, first.scales.codes)
    last = quantize_blocks(x.T, fmt)
    assert (first.axis, last.axis, first.scales.type.shape, last.scales.type.shape) == (0, 1, (2, 3), (3, 2))
    for a, b in zip(first.parts, last.parts, strict=True):
        assert_same(a.codes.T, b.codes)
    assert_same(first.dequantize().T, last.dequantize())


@named([*ALL, *GROUPS])
def test_zeros_and_what_is_already_on_the_grid(fmt):
    x = np.random.default_rng(2).normal(size=(6, 2 * fmt.block))
    x[2] = 0
    t = quantize_blocks(x, fmt)
    assert_same(np.zeros(2 * fmt.block), t.dequantize()[2])
    assert (t.scale() > 0).all()
    again = quantize_blocks(t.dequantize(), replace(fmt, rule="rceil" if fmt.scale == E8M0 else fmt.rule))
    if fmt.scale == E8M0 and fmt.zero is None:  # a second rounding changes nothing
        assert_same(t.dequantize(), again.dequantize())


def test_signed_zero_keeps_its_code_in_float_elements():
    assert quantize_blocks([-0.0, 0.0, 1.0], MXFP4).codes.codes.tolist() == [8, 0, 6]
    assert quantize_blocks([-0.0, 0.0, 1.0], MXINT8).codes.codes.tolist() == [0, 0, 64]


@pytest.mark.parametrize("rule", RULES)
def test_worked_scales_of_each_rule(rule):
    """amax at the format's limits: E2M1's largest is 6."""
    want = {
        "floor": {1.0: -2, 3.5: -1, 4.0: 0, 6.0: 0, 6.5: 0, 7.0: 0, 7.9: 0, 8.0: 1},
        "even": {1.0: -2, 3.5: 0, 4.0: 0, 6.0: 0, 6.5: 0, 7.0: 1, 7.9: 1, 8.0: 1},
        "rceil": {1.0: -2, 3.5: 0, 4.0: 0, 6.0: 0, 6.5: 1, 7.0: 1, 7.9: 1, 8.0: 1},
        "ceil": {1.0: -2, 3.5: 0, 4.0: 0, 6.0: 1, 6.5: 1, 7.0: 1, 7.9: 1, 8.0: 1},
    }[rule]
    fmt = replace(MXFP4, rule=rule)
    for amax, exponent in want.items():
        assert quantize_blocks([amax, -0.5], fmt).scales.to_int().tolist() == [exponent], amax
    for amax, code in ((1e-300, 0), (2.0**-127, 0), (2.0**130, 254), (1e300, 254)):
        assert quantize_blocks([amax], fmt).scales.codes.tolist() == [code], amax
    assert quantize_blocks([1e300], fmt).dequantize().tolist() == [6 * 2.0**127]


def test_rceil_never_saturates_and_floor_says_where():
    x = np.random.default_rng(5).normal(size=(50, 64))
    strict = replace(MXFP4, saturate=False)
    quantize_blocks(x, replace(strict, rule="rceil"))
    assert_refused(lambda: quantize_blocks([1.0, 7.5], strict), "(1,)", "7.5", "fp4_e2m1", "6", "'rceil'")


@pytest.mark.parametrize("rounding", ["floor", "toward_zero", "half_away"])
def test_rounding_is_the_elements(rounding):
    x = np.array([4.0, 2.5, -2.5, 0.25, -0.3])
    t = quantize_blocks(x, MXFP4, rounding=rounding)
    assert_same(FP4_E2M1.encode(x, rounding), t.codes.codes)


def test_stochastic_needs_a_generator():
    assert_refused(lambda: quantize_blocks([1.0], MXFP4, rounding="stochastic"), "rng=")
    a, b = (quantize_blocks(X[:9], MXFP4, rounding="stochastic", rng=np.random.default_rng(1)) for _ in range(2))
    assert_same(a.codes.codes, b.codes.codes)


def test_refusals():
    for bad in (np.nan, np.inf, -np.inf, 2.0**1000):
        assert_refused(lambda bad=bad: quantize_blocks([[1.0, bad]], MXFP4), str(bad), "(0, 1)")
    assert_refused(lambda: quantize_blocks(1.0, MXFP4), "axis -1", "()")
    assert_refused(lambda: quantize_blocks(np.zeros((3, 0)), MXFP4), "(3, 0)")
    assert_refused(lambda: quantize_blocks(np.zeros((3, 4)), MXFP4, axis=2), "axis 2", "(3, 4)")
    assert_refused(lambda: quantize_blocks(np.zeros(4), bf.INT4_G32), "int4_g32", "(4,)", "base='tensor'")
    assert_refused(lambda: quantize_blocks(np.zeros(4), NVFP4, tensor_scale=0.0), "0.0", "nvfp4")
    assert_refused(lambda: quantize_blocks(np.zeros(4), MXFP4, tensor_scale=1.0), "1.0", "mxfp4")
    make = {"element": INT8, "block": 32, "name": "odd"}
    assert_refused(lambda: BlockFormat(**make | {"block": 0}), "'odd'", "block 0")
    assert_refused(lambda: BlockFormat(**make, rule="nearest"), "'odd'", "'nearest'", *RULES)
    assert_refused(lambda: BlockFormat(**make, scale=UINT8, rule="ceil"), "'odd'", "'ceil'", "uint8")
    assert_refused(lambda: BlockFormat(**make, base="tensor"), "'odd'", "'tensor'", "e8m0")
    assert_refused(lambda: BlockFormat(**make, zero=UINT4), "'odd'", "int8")
    assert_refused(lambda: bf.block_format_named("mxfp5"), "'mxfp5'", *BLOCK_FORMATS)
    assert bf.block_format_named("nvfp4") is NVFP4


def test_e8m0_is_an_exponent_and_255_is_no_code():
    assert (E8M0.min_int, E8M0.max_int, E8M0.dtype) == (0, 254, np.uint8)
    t = quantize_blocks([[2.0**127], [2.0**-126]], MXFP4).scales
    assert t.to_int().tolist() == [[125], [-127]]
    assert t.type.zero_point == 127
    assert_refused(lambda: replace(t, codes=np.full((2, 1), 255, np.uint8)), "255", "e8m0")
