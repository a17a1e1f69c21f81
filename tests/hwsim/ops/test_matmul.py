import numpy as np
import pytest

from hwsim import (
    BINARY,
    FP4_E1M2,
    FP4_E2M1,
    FP4_E3M0,
    FP8_E5M2,
    INT4,
    INT8,
    INT16,
    INT24,
    INT32,
    INT64,
    TERNARY,
    UINT1,
    UINT8,
    Graph,
    QType,
    narrowest_accumulator,
    simulate,
)
from hwsim.formats import IntFormat
from hwsim.ops import Datapath, MatMul
from tests.backends import check_engines
from tests.compare import all_codes, assert_same
from tests.oracles.floats import gfloat_values
from tests.oracles.one_op import codes, overflows, refuses, run, t, tensor


def python_matmul(a, b, bias=None):
    """Rows times columns in Python integers; b already less its zero point."""
    columns = list(zip(*b, strict=True))
    start = bias or [0] * len(columns)
    return [[s + sum(x * y for x, y in zip(r, c, strict=True)) for c, s in zip(columns, start, strict=True)] for r in a]


@pytest.mark.parametrize("fmt", [INT8, UINT8])
def test_all_products_of_8_bits(fmt):
    a, b = all_codes(INT8)[:, None], all_codes(fmt)[None]
    want = [[int(x) * int(y) for y in b[0]] for x in a[:, 0]]
    assert_same(want, codes(MatMul(), tensor(a), tensor(b, fmt)), a, b)
    assert_same(want, codes(MatMul(), tensor(a), tensor(b, fmt), constant=(1,)), a, b)


@pytest.mark.parametrize("fa", [FP4_E2M1, FP4_E1M2, FP4_E3M0])
@pytest.mark.parametrize("fb", [FP4_E2M1, FP4_E1M2, FP4_E3M0])
def test_all_products_of_4_bit_floats(fa, fb):
    a, b = np.arange(16)[:, None], np.arange(16)[None]
    y = run(MatMul(), tensor(a, fa, 0.5), tensor(b, fb, 0.25))
    assert_same(gfloat_values(fa)[a] * gfloat_values(fb)[b] / 8, y.dequantize(), a, b)


def test_all_products_of_e5m2_with_ternary():
    a = all_codes(FP8_E5M2)[:, None]
    y = run(MatMul(acc=INT64), tensor(a, FP8_E5M2), tensor(np.array([[-1, 0, 1]]), TERNARY))
    values = gfloat_values(FP8_E5M2)[a]
    assert_same(np.hstack([-values, values * 0, values]), y.dequantize(), a)


@pytest.mark.parametrize("zero", [0, 7, (3, -128, 127)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_bias_and_zero_points(zero, with_bias):
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (5, 20)), rng.integers(-128, 128, (20, 3))
    bias = rng.integers(-(10**6), 10**6, 3)
    z = np.broadcast_to(zero, 3)
    weights = tensor(b, INT8, 0.5, zero, axis=1 if isinstance(zero, tuple) else None)
    ins = [tensor(a, INT8, 0.25), weights, tensor(bias, INT24, 0.125)][: 2 + with_bias]
    want = python_matmul(a.tolist(), (b - z).tolist(), bias.tolist() if with_bias else None)
    for constant in ((), (1,), (1, 2)[: 1 + with_bias]):
        assert_same(want, codes(MatMul(), *ins, constant=constant))


def test_scales_multiply_per_channel():
    op, a = MatMul(), t("N", 3, scale=0.5)
    w = t(3, 2, fmt=FP4_E2M1, scale=(1.0, 4.0), axis=1)
    assert op.out_type(a, w) == QType(("N", 2), INT32, (0.25, 1.0), axis=1)
    bias = t(2, fmt=INT32, scale=(0.25, 1.0), axis=0)
    assert op.out_type(t("N", 3, scale=0.5, zero=7), w, bias) == op.out_type(a, w)


@pytest.mark.parametrize(
    ("a", "b"),
    [((4,), (4, 3)), ((2, 4), (4, 3)), ((2, 5, 4), (4, 3)), ((2, 5, 4), (2, 4, 3)), ((2, 3, 1, 4), (2, 3, 4, 1))],
)
def test_every_rank(a, b):
    rng = np.random.default_rng(1)
    x, y = rng.integers(-128, 128, a), rng.integers(-128, 128, b)
    got = codes(MatMul(), tensor(x), tensor(y))
    rows, left = x.reshape(-1, 1, 4) if len(b) == 2 else x.reshape(-1, *a[-2:]), y.reshape(-1, *b[-2:])
    want = [python_matmul(r.tolist(), left[i % len(left)].tolist()) for i, r in enumerate(rows)]
    assert_same(np.array(want).reshape(got.shape), got)


LIMITS = {  # k where k * max|a| * max|b| meets 2**24 and 2**53: float32, float64 past it, int64 from there on
    "float32": (INT8, INT8, 1023),
    "float32 at 2**24": (INT8, INT8, 1024),
    "float64 past 2**24": (INT8, INT8, 1025),
    "float64 far past 2**24": (INT8, INT8, 1999),
    "float64 under 2**53": (INT32, INT16, 127),
    "int64 from 2**53": (INT32, INT16, 128),
    "int64 past 2**53": (INT32, INT16, 255),
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_widest_sums_of_each_float_type(name):
    fa, fb, k = LIMITS[name]
    a, b = np.full((2, k), fa.min_int), np.full((k, 2), fb.min_int)
    a[:, 0], b[0] = fa.max_int, fb.max_int  # an odd product: the sum needs its last bit
    b[1:, 1] = fb.max_int
    got = codes(MatMul(acc=INT64), tensor(a, fa), tensor(b, fb), constant=(1,))
    assert_same(python_matmul(a.tolist(), b.tolist()), got)
    assert got[0, 0] % 2 == 1


def test_many_random_sums():
    rng = np.random.default_rng(2)
    a, b = rng.integers(-128, 128, (8, 300)), rng.integers(-8, 8, (300, 8))
    assert_same(python_matmul(a.tolist(), b.tolist()), codes(MatMul(), tensor(a), tensor(b, INT4)))


def test_refusals():
    op = MatMul()
    refuses(op, (t(2, 3), t(4, 2)), "(2, 3) @ (4, 2)")
    refuses(op, (t(3), t(3)), "(3,) @ (3,)")
    refuses(op, (t(2, 3, 4), t(5, 4, 2)), "(2, 3, 4) @ (5, 4, 2)")
    refuses(op, (t("N", 4), t("N", 4, 2)), "('N', 4) @ ('N', 4, 2)")
    refuses(op, (t("N"), t("N", 4)), "batch")
    refuses(op, (t(3, scale=(1.0, 3.0, 1.0), axis=0), t(3, 2)), "first operand", "powers of two", "(1.0, 3.0, 1.0)")
    refuses(op, (t(3), t(3, 2, scale=(1.0,) * 3, axis=0)), "axis 0")
    refuses(op, (t(3, zero=5), t(3, 2)), "zero_point 5", "bias")
    refuses(op, (t(3), t(3, 2), t(3, fmt=INT32)), "(3,)", "(2,)")
    refuses(op, (t(3), t(3, 2), t(2, fmt=FP4_E2M1)), "fp4_e2m1")
    refuses(op, (t(3), t(3, 2), t(2, fmt=INT32, zero=1)), "zero_point 0")
    refuses(op, (t(3), t(3, 2), t(2, fmt=INT32, scale=0.5)), "scale")
    refuses(op, (t(3), t(3, 2), t(2, fmt=INT32, scale=1 + 1e-11)), "scale")
    assert op.out_type(t(3), t(3, 2), t(2, fmt=INT32, scale=1 + 1e-13)).scale == 1.0
    overflows(MatMul(acc=INT16), (t(2), t(2, 2)), "-32512..32768", "int16")
    assert codes(MatMul(acc=INT16), tensor(np.full(2, -128)), tensor(np.full((2, 1), 1), UINT1)).tolist() == [-256]
    overflows(MatMul(acc=INT64), (t(2, fmt=INT64), t(2, 2)), "int64")


def test_gain_is_what_the_result_means():
    a, b = np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4)
    plain, gained = (run(MatMul(gain=g), tensor(a, scale=0.5), tensor(b, scale=0.25)) for g in (1.0, 0.125))
    assert_same(plain.codes, gained.codes)
    assert gained.type.scale == 0.125 * plain.type.scale
    per_channel = MatMul(gain=2.0).out_type(t(2, 3), t(3, 2, scale=(0.5, 0.25), axis=1))
    assert per_channel.scale == (1.0, 0.5)
    for gain in (0.0, -1.0, float("inf")):
        refuses(MatMul(gain=gain), (t(2, 3), t(3, 2)), repr(gain))
    refuses(MatMul(gain=2.0), (t(2, 3), t(3, 2), t(2, fmt=INT32)), "gain 2.0", "bias")


SIGNS = {0: 1, 1: -1}  # of binary codes


@pytest.mark.parametrize("k", [1, 7, 8, 31, 32, 33, 64, 100])
@pytest.mark.parametrize("rows", [1, 3])
def test_binary_and_ternary_on_every_engine(k, rows):
    """+-1 times +-1 and times -1, 0, 1, by Python integers; constants of 1 and 2 bits in C, of all lengths."""
    rng = np.random.default_rng(k)
    signs, three, wide = (
        rng.integers(0, 2, (4, rows, k)),
        rng.integers(-1, 2, (k, 5)),
        rng.integers(-128, 128, (4, rows, k)),
    )
    ones, start = rng.integers(0, 2, (k, 5)), rng.integers(-99, 99, 5)
    g = Graph("few bits")
    b, x = g.input("b", t("N", rows, k, fmt=BINARY)), g.input("x", t("N", rows, k))
    w1, w2 = g.constant("w1", tensor(ones, BINARY)), g.constant("w2", tensor(three, TERNARY))
    bias = g.constant("bias", tensor(start, INT16))
    pairs = {"bb": (b, w1, bias), "bt": (b, w2), "xb": (x, w1), "xt": (x, w2, bias), "plain": (b, w1)}
    g.output(*(g.add(MatMul(), *ins, name=name) for name, ins in pairs.items()))
    plus = np.vectorize(SIGNS.get)
    left = {"b": plus(signs), "x": wide}
    right = {"w1": plus(ones), "w2": three}
    want = {
        name: [
            python_matmul(r.tolist(), right[w.name].tolist(), start.tolist() if more else None) for r in left[a.name]
        ]
        for name, (a, w, *more) in pairs.items()
    }
    check_engines(g, {"b": signs.astype(np.uint8), "x": wide}, {n: np.array(v) for n, v in want.items()})


STEPS = (0.5, 0.125, 2.0, 0.25, 0.5)  # of the first operand's columns: 4, 1, 16, 2, 4 of the smallest


@pytest.mark.parametrize("fa", [FP4_E2M1, FP4_E1M2, FP4_E3M0, INT4])
@pytest.mark.parametrize("constant", [True, False])
def test_steps_along_k_on_every_engine(fa, constant):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 16, (7, 5)), rng.integers(0, 16, (5, 3))
    a = a - 8 if fa == INT4 else a
    g = Graph("steps")
    x = g.input("x", t("N", 5, fmt=fa, scale=STEPS, axis=1))
    weight = tensor(b, FP4_E2M1, (1.0, 0.5, 2.0), axis=1)
    w = g.constant("w", weight) if constant else g.input("w", weight.type)
    y = g.add(MatMul(), x, w, name="y")
    g.output(y)
    assert y.type.scale == tuple(0.125 * s * 0.5 * 2.0**fa.lsb_exp for s in (1.0, 0.5, 2.0))
    gains = [4, 1, 16, 2, 4]
    rows = [[int(v) * s for v, s in zip(r, gains, strict=True)] for r in fa.to_int(a)]
    want = python_matmul(rows, FP4_E2M1.to_int(b).tolist())
    data = {"x": a.astype(fa.dtype)} | ({} if constant else {"w": b.astype(np.uint8)})
    check_engines(g, data, {"y": want})
    if constant:
        assert g.reach["y"].hi <= 12 * max(fa.max_int, -fa.min_int) * sum(gains)


@pytest.mark.parametrize("fa", [FP4_E2M1, FP4_E3M0, INT8, INT16])
def test_steps_along_k_of_a_constant(fa):
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 16, (4, 5)), rng.integers(-128, 128, (5, 3))
    g = Graph("constant")
    left = g.constant("a", tensor(a, fa, STEPS, axis=1))
    g.output(g.add(MatMul(), left, g.input("b", t(5, 3)), name="y"))
    rows = fa.to_int(a) * np.array([4, 1, 16, 2, 4])
    check_engines(g, {"b": b.astype(np.int8)}, {"y": rows @ b})


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_steps_along_k_in_a_narrow_accumulator(overflow):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 16, (6, 5)), rng.integers(0, 16, (5, 2))
    g = Graph("narrow")
    op = MatMul(acc=IntFormat("int10", 10), datapath=Datapath(overflow=overflow))
    x = g.input("x", t("N", 5, fmt=FP4_E2M1, scale=STEPS, axis=1))
    g.output(g.add(op, x, g.constant("w", tensor(b, FP4_E2M1)), name="y"))
    want = np.zeros((6, 2), int)
    for i, j in np.ndindex(6, 2):
        total = 0
        for k, gain in enumerate((4, 1, 16, 2, 4)):
            total += int(FP4_E2M1.grid[a[i, k]]) * gain * int(FP4_E2M1.grid[b[k, j]])
            total = min(max(total, -512), 511) if overflow == "saturate" else (total + 512) % 1024 - 512
        want[i, j] = total
    check_engines(g, {"x": a.astype(np.uint8)}, {"y": want})


def test_steps_along_k_that_no_shift_can_make_are_refused():
    w = t(2, 2)
    refuses(MatMul(), (t(3, 2, scale=(1.0, 3.0), axis=1), w), "first operand", "powers of two")
    refuses(MatMul(), (t(2, 2, scale=(1.0, 2.0), axis=0), w), "axis 0", "last axis")
    refuses(MatMul(), (t(3, 2, scale=(1.0, 2.0), zero=1, axis=1), w, t(2, fmt=INT32)), "zero_point 1", "zero_point 0")
    refuses(MatMul(), (t(3, 2, scale=(1.0, 2.0**31), axis=1), w), "2**30")


def test_the_witness_of_steps_along_k_needs_every_bit():
    rng = np.random.default_rng(2)
    g = Graph("witness")
    x = g.input("x", t("N", 5, fmt=FP4_E2M1, scale=STEPS, axis=1))
    g.output(g.add(MatMul(), x, g.constant("w", tensor(rng.integers(0, 16, (5, 4)), FP4_E2M1)), name="y"))
    found = narrowest_accumulator(g, "y")
    got = simulate(g, {"x": found.witness[None]})["y"][0]
    assert got[found.at] == found.sum
    assert IntFormat("less", found.bits - 1).max_int < abs(found.sum)
