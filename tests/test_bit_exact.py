"""The promise: the same bits on numpy, numba, C, ONNX Runtime (optimisations off, all) and onnx's ReferenceEvaluator.

Expectations come from Python integers and ml_dtypes, never from the code under test.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

import ml_dtypes
import numpy as np
import pytest

from hwsim.contracts import Contract, Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle
from hwsim.formats import (
    FP4_E2M1,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E5M2,
    INT4,
    INT8,
    INT16,
    INT32,
    INT48,
    INT64,
    UINT8,
    Format,
    IntFormat,
)
from hwsim.graph import Graph
from hwsim.ops import Lut, MatMul, Pwl, Requant, Shift
from hwsim.qtensor import BATCH, QTensor, QType
from hwsim.rounding import ROUNDINGS
from tests.backends import check_engines
from tests.compare import assert_same
from tests.oracles.exact import nearest_float32
from tests.random_graphs import random_graph

ML = {
    FP4_E2M1: ml_dtypes.float4_e2m1fn,
    FP6_E3M2: ml_dtypes.float6_e3m2fn,
    FP8_E4M3: ml_dtypes.float8_e4m3fn,
    FP8_E5M2: ml_dtypes.float8_e5m2,
}


def all_codes(fmt: Format) -> np.ndarray:
    codes = np.arange(fmt.min_code, fmt.max_code + 1).astype(fmt.dtype)
    return codes if isinstance(fmt, IntFormat) else codes[~fmt.is_reserved(codes)]


def exact(fmt: Format, codes: np.ndarray) -> list[Fraction]:
    """What outsiders say the codes mean."""
    return [
        Fraction(float(v)) for v in (codes if isinstance(fmt, IntFormat) else codes.view(ML[fmt]).astype(np.float64))
    ]


def rounded(x: Fraction, rounding: str) -> int:
    """Python's own arithmetic: the five roundings on exact fractions."""
    down, half = floor(x), Fraction(1, 2)
    rest = x - down
    up = {
        "half_even": rest > half or (rest == half and down % 2 == 1),
        "half_up": rest >= half,
        "half_away": rest > half or (rest == half and x > 0),
        "floor": False,
        "toward_zero": x < 0 and rest > 0,
    }
    return down + up[rounding]


PAIRS = [
    *[
        (INT8, INT8, INT32),
        (FP4_E2M1, FP4_E2M1, INT32),
        (INT4, INT4, INT32),
        (UINT8, INT8, INT32),
        (INT8, UINT8, INT32),
    ],
    *[(INT8, FP4_E2M1, INT32), (FP8_E4M3, FP4_E2M1, INT32), (FP6_E3M2, FP6_E3M2, INT32), (INT4, FP8_E4M3, INT32)],
    *[(FP8_E4M3, FP8_E4M3, INT48), (INT8, FP8_E5M2, INT48)],
]


@pytest.mark.parametrize(("fa", "fb", "acc"), PAIRS, ids=lambda f: f.name)
def test_every_product(fa: Format, fb: Format, acc: IntFormat) -> None:
    """All pairs of codes: 65,536 for INT8 x INT8, 256 for FP4 x FP4."""
    a, b = all_codes(fa), all_codes(fb)
    g = Graph("products")
    x = g.input("x", QType((BATCH, 1), fa))
    w = g.constant("w", QTensor(QType((1, b.size), fb), b[None]))
    g.output(g.add(MatMul(acc=acc), x, w, name="y"))
    unit = Fraction(2) ** (fa.lsb_exp + fb.lsb_exp)
    want = [[int(p * q / unit) for q in exact(fb, b)] for p in exact(fa, a)]
    compared = check_engines(g, {"x": a[:, None]}, {"y": np.array(want, np.int64)})
    assert compared == 10 * a.size * b.size  # five engines, ORT twice; less the definition itself; two builds each


def contract_graph(contract: Contract, source: IntFormat, out: IntFormat, zero_point: int) -> Graph:
    """One requantization, a channel for each constant."""
    g, n = Graph("contract"), contract.channels
    x = g.input("x", QType((BATCH, n), source, tuple(contract.ratio.tolist()), axis=1))
    g.output(g.add(Requant(contract=contract, fmt=out, scale=1.0, zero_point=zero_point), x, name="y"))
    return g


def contract_inputs(rng: np.random.Generator, source: IntFormat, ties: np.ndarray) -> np.ndarray:
    """Ends, small numbers, random ones and, for each channel, numbers next to its ties; shape (samples, channels)."""
    ends = [source.min_int, source.min_int + 1, -2, -1, 0, 1, 2, source.max_int - 1, source.max_int]
    rows = [np.full(ties.shape[1], e) for e in ends]
    rows += [rng.integers(source.min_int, source.max_int, ties.shape[1], endpoint=True) for _ in range(40)]
    rows += [np.clip(t + d, source.min_int, source.max_int) for t in ties for d in (-1, 0, 1)]
    return np.clip(np.array(rows, np.int64), source.min_int, source.max_int).astype(source.dtype)


def near_ties(rng: np.random.Generator, ratio: np.ndarray, count: int = 40) -> np.ndarray:
    """Inputs whose product is nearest to k + 1/2, for small and random k."""
    k = np.concatenate([np.arange(-6, 6)[:, None] + 0 * ratio, rng.integers(-140, 140, (count, ratio.size))])
    return np.rint(np.clip((k + 0.5) / ratio, -(2.0**31), 2.0**31 - 1)).astype(np.int64)


def check_contract(contract: Contract, formula, source: IntFormat = INT32, outs=((INT8, 3), (INT64, 0))) -> None:
    rng = np.random.default_rng(7)
    x = contract_inputs(rng, source, near_ties(rng, contract.ratio))
    for out, zero_point in outs:
        g = contract_graph(contract, source, out, zero_point)
        want = [
            [min(max(formula(int(v), c) + zero_point, out.min_int), out.max_int) for c, v in enumerate(r)] for r in x
        ]
        check_engines(g, {"x": x}, {"y": np.array(want, object)})


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_dyadic16_at_every_shift(rounding: str) -> None:
    rng = np.random.default_rng(1)
    shifts = tuple(range(63)) * 2
    multipliers = tuple([1 << 15] * 63 + rng.integers(1 << 15, 1 << 16, 63).tolist())
    contract = Dyadic16(multiplier=multipliers, shift=shifts, rounding=rounding)
    check_contract(contract, lambda x, c: rounded(Fraction(x * multipliers[c], 1 << shifts[c]), rounding))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_pow2_at_every_shift(rounding: str) -> None:
    shifts = tuple(range(-30, 63))
    contract = Pow2(shift=shifts, rounding=rounding)
    check_contract(contract, lambda x, c: rounded(Fraction(x) / Fraction(2) ** shifts[c], rounding))


def tfl_constants(shifts: range) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rng = np.random.default_rng(2)
    n = len(shifts)
    return (*([1 << 30] * n), *rng.integers(1 << 30, 1 << 31, n).tolist()), (*shifts, *shifts)


@pytest.mark.parametrize("rounding", ["half_away", "half_up"])
def test_tfl_single_at_every_shift(rounding: str) -> None:
    m, e = tfl_constants(range(-31, 31))
    contract = TflSingle(multiplier=m, shift=e, rounding=rounding)
    check_contract(contract, lambda x, c: rounded(Fraction(x * m[c]) / Fraction(2) ** (31 - e[c]), rounding))


@pytest.mark.parametrize(("bits", "shifts"), [(32, range(-31, 1)), (16, range(1, 17)), (2, range(17, 31))])
def test_tflm_double_at_every_shift(bits: int, shifts: range) -> None:
    """Left shifts only as far as int32 holds the shifted input: past that the C original overflows."""
    m, e = tfl_constants(shifts)

    def formula(x: int, c: int) -> int:
        high = rounded(Fraction((x << max(e[c], 0)) * m[c], 1 << 31), "half_up")
        return rounded(Fraction(high, 1 << max(-e[c], 0)), "half_away")

    check_contract(TflmDouble(multiplier=m, shift=e), formula, IntFormat(f"int{bits}", bits))


def test_onnx_float_at_many_scales() -> None:
    """Expected by float32 arithmetic in Python's struct: one multiplication rounded once, then half to even."""
    rng = np.random.default_rng(3)
    scales = [*(2.0**e for e in range(-40, 8)), *rng.uniform(1e-9, 4, 48).astype(np.float32).tolist()]

    def formula(x: int, c: int) -> int:
        exactly = Fraction(float(np.float32(x))) * Fraction(scales[c])
        return rounded(Fraction(float(np.float32(float(exactly)))), "half_even")  # float() rounds once, far finer

    check_contract(OnnxFloat(scale=tuple(scales)), formula, outs=((INT8, 3), (INT32, 0)))

    def from_origin(x: int, c: int) -> int:
        product = nearest_float32(Fraction(float(np.float32(x))) * Fraction(scales[c]))
        return round(nearest_float32(product - 77)) + 77

    check_contract(OnnxFloat(scale=tuple(scales), origin=-77), from_origin, outs=((INT8, -77), (INT32, 0)))


UNARY = [INT8, UINT8, INT4, FP8_E4M3, FP4_E2M1]


@pytest.mark.parametrize("source", UNARY, ids=lambda f: f.name)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_code_through_every_unary_op(source: Format, rounding: str) -> None:
    """lut, pwl, shift and an 8-bit requant with zero points, chained so that C fuses them and each alone."""
    rng = np.random.default_rng(4)
    codes, zero = all_codes(source), 5 if isinstance(source, IntFormat) else 0
    ints = [int(v / Fraction(2) ** source.lsb_exp) for v in exact(source, codes)]
    g = Graph("unary")
    x = g.input("x", QType((BATCH,), source, 1.0, zero))
    x0 = g.input("x0", QType((BATCH,), source))
    table = tuple(int(t) for t in rng.integers(-128, 128, source.max_code - source.min_code + 1))
    points = tuple(sorted(rng.choice(ints, 5).tolist()))
    slopes, intercepts = (tuple(rng.integers(-90, 90, 6).tolist()) for _ in range(2))
    pieces = Pwl(breakpoints=points, slopes=slopes, intercepts=intercepts, shift=5, rounding=rounding, zero_point=-3)
    narrow = Requant(
        contract=Dyadic16(multiplier=(45000,), shift=(16,), rounding=rounding), fmt=UINT8, zero_point=7,
        scale=float(np.ldexp(1.0, source.lsb_exp) * 2**16 / 45000),
    )  # fmt: skip
    outs = [g.add(Lut(table=table), x, name="lut"), g.add(pieces, x, name="pwl"), g.add(narrow, x, name="requant")]
    outs += [g.add(Shift(bits=2, rounding=rounding), x0, name="shift")]
    g.output(*outs, g.add(Lut(table=table if source == INT8 else tuple(range(-128, 128))), outs[1], name="chain"))
    segment = [sum(p <= v for p in points) for v in ints]
    want = {
        "lut": [table[int(c) - source.min_code] for c in codes],
        "pwl": [
            min(max(rounded(Fraction(slopes[s] * v + intercepts[s], 32), rounding) - 3, -128), 127)
            for s, v in zip(segment, ints, strict=True)
        ],
        "requant": [min(max(rounded(Fraction((v - zero) * 45000, 1 << 16), rounding) + 7, 0), 255) for v in ints],
        "shift": [rounded(Fraction(v, 4), rounding) for v in ints],
    }
    check_engines(g, {"x": codes, "x0": codes}, {k: np.array(v) for k, v in want.items()})


@pytest.mark.parametrize("first", range(0, 300, 25))
def test_random_graphs(first: int) -> None:
    """300 seeded graphs over the whole vocabulary, every value on every engine."""
    for seed in range(first, first + 25):
        g, inputs = random_graph(seed)
        try:
            check_engines(g, inputs)
        except AssertionError as e:
            raise AssertionError(f"seed {seed}: {e}") from None


def test_random_graphs_use_the_whole_vocabulary() -> None:
    from hwsim.ops import OPS

    seen = {n.op.name for seed in range(60) for n in random_graph(seed)[0].nodes}
    assert seen == {op.name for op in OPS}


def test_int16_tables_on_all_65536_codes() -> None:
    """Wide inputs take the compare-and-gather form in ONNX."""
    codes = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
    points = (-20000, -300, -300, 0, 77, 9000, 30000)
    slopes, intercepts = (3, -90, 1, 127, -128, 64, 2, 5), (9, -4000, 0, 12345, -7, 60, 1, 2)
    g = Graph("wide")
    x = g.input("x", QType((BATCH,), INT16))
    g.output(g.add(Pwl(breakpoints=points, slopes=slopes, intercepts=intercepts, shift=9, fmt=INT16), x, name="y"))
    want = []
    for c in codes.tolist():
        s = sum(p <= c for p in points)
        want.append(min(max((slopes[s] * c + intercepts[s] + 256) >> 9, -32768), 32767))
    check_engines(g, {"x": codes}, {"y": np.array(want)})


def test_pwl_constants_past_int32() -> None:
    """Products, intercepts or breakpoints may pass int32 where the result does not."""
    g = Graph("wide")
    x = g.input("x", QType((BATCH,), INT16))
    far = Pwl(
        breakpoints=(-(1 << 40), 0, 1 << 33),
        slopes=(0, 1 << 17, -(1 << 17), 5),
        intercepts=(1, 1 << 32, 7, 0),
        shift=18,
    )
    g.output(g.add(far, x, name="y"))
    codes = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
    want = [((c << 17) + (1 << 32) if c < 0 else 7 - (c << 17)) + (1 << 17) >> 18 for c in codes.tolist()]
    check_engines(g, {"x": codes}, {"y": np.clip(want, -128, 127)})


def test_the_comparison_itself_can_fail() -> None:
    with pytest.raises(AssertionError, match=r"y: 1 of 3 differ.*\(5, 2\)"):
        assert_same(np.array([1, 5, 3]), np.array([1, 2, 3]), what="y")
