"""Softmax in integers: equal to Python's integers, near float64, and no row becomes all 0."""

import numpy as np
import pytest

from hwsim import (
    CONTRACTS,
    FP8_E4M3,
    INT8,
    INT16,
    INT32,
    INT48,
    INT64,
    UINT1,
    UINT4,
    UINT8,
    UINT16,
    Graph,
    QTensor,
    QType,
    simulate,
)
from hwsim.blocks import Softmax
from hwsim.contracts import Pow2
from hwsim.formats import IntFormat
from hwsim.rounding import ROUNDINGS
from tests.backends import check_engines
from tests.compare import assert_refused, assert_same
from tests.oracles.blocks import SoftmaxOracle

BYTE, WORD = QType((), UINT8, 2.0**-8), QType((), UINT16, 2.0**-16)
EVERY_CONTRACT = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)


def graph(fmt=INT8, n=8, scale=0.1, zero=0, out=BYTE, mask=None, block=None, **settings):
    """Softmax of x (N, n); `mask`: an array, or the shape of an input called ``keep``."""
    g = Graph("softmax")
    x = g.input("x", QType(("N", n), fmt, scale, zero))
    if isinstance(mask, tuple):
        settings["mask"] = g.input("keep", QType(mask, UINT1))
    elif mask is not None:
        settings["mask"] = g.constant("keep", QTensor(QType(mask.shape, UINT1), mask.astype(np.uint8)))
    g.output((block or Softmax())(g, x, out, name="p", **settings))
    return g


def scores(fmt, n, count=40, seed=0, zero=0):
    """Codes: normal numbers of several widths, ties, one winner, both ends of the format."""
    rng, top = np.random.default_rng(seed), fmt.max_int
    spread = rng.choice([3, 20, top / 64 + 2, top / 3], (count, 1))
    x = np.rint(np.clip(rng.normal(zero, 1, (count, n)) * spread, fmt.min_int, top)).astype(np.int64)
    x[0], x[1], x[2] = 0, fmt.min_int, top
    x[3], x[3, 0] = fmt.min_int, top
    x[4], x[4, -1] = top - 1, top
    return x.astype(fmt.dtype)


def oracle(fmt, scale, zero=0, out=BYTE, block=None, contract="dyadic16", rounding="half_up"):
    b = block or Softmax()
    return SoftmaxOracle(
        lsb=scale, reach=(fmt.min_int, fmt.max_int), zero=zero, z_bits=int(b.z.removeprefix("int")), z_step=b.z_step,
        fraction=b.fraction, mantissa=b.mantissa, out_bits=out.fmt.bits, out_scale=out.scale, contract=contract,
        rounding=rounding,
    )  # fmt: skip


def check(x, want, g, *against):
    """Python's integers, numpy and numba, and other engines if named."""
    rows = [want([int(v) for v in row]) for row in x]
    check_engines(g, {"x": x}, {"p": np.array(rows)}, against=("numba", *against))


def floats(x, scale):
    z = np.exp(scale * (x.astype(float) - x.max(-1, keepdims=True)))
    return z / z.sum(-1, keepdims=True)


@EVERY_CONTRACT
@pytest.mark.parametrize(
    ("fmt", "scale", "zero"),
    [(INT8, 0.1, 7), (INT16, 0.0011, 0), (INT16, 2.0**-9, -300), (INT32, 2.0**-22, 0)],
    ids=str,
)
def test_codes_are_pythons(contract, fmt, scale, zero):
    x = scores(fmt, 9, zero=zero)
    want = oracle(fmt, scale, zero, WORD, contract=contract.name)
    check(x, want, graph(fmt, 9, scale, zero, WORD, contract=contract), *(["c", "ort"] if fmt == INT16 else []))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("out", [BYTE, QType((), UINT4, 1 / 11)], ids=lambda t: t.fmt.name)
def test_roundings(rounding, out):
    x = scores(INT16, 11)
    check(x, oracle(INT16, 0.002, 0, out, rounding=rounding), graph(INT16, 11, 0.002, 0, out, rounding=rounding), "c")


WIDTHS = {
    "z int16": (Softmax(z="int16", z_step=2.0**-10), WORD),
    "z int4": (Softmax(z="int4", z_step=1.0), BYTE),
    "z int2": (Softmax(z="int2", z_step=1.0), BYTE),
    "z_step": (Softmax(z_step=0.03), BYTE),
    "fraction 14": (Softmax(fraction=14), WORD),
    "fraction 7": (Softmax(fraction=7), BYTE),
    "fraction 1": (Softmax(fraction=1), WORD),
    "mantissa 2": (Softmax(mantissa=2), BYTE),
    "mantissa 16": (Softmax(mantissa=16), WORD),
    "all": (Softmax(z="int16", z_step=2.0**-7, fraction=11, mantissa=12), QType((), UINT4, 1 / 16)),
    "uint1": (Softmax(), QType((), UINT1, 1 / 9)),
    "uint16 at another step": (Softmax(), QType((), UINT16, 1 / 65535)),
    "uint12": (Softmax(), QType((), IntFormat("uint12", 12, signed=False), 2.0**-12)),
}


@pytest.mark.parametrize("name", WIDTHS)
def test_other_widths(name):
    block, out = WIDTHS[name]
    x = scores(INT16, 9, seed=3)
    g = graph(INT16, 9, 0.001, out=out, block=block)
    check(x, oracle(INT16, 0.001, out=out, block=block), g, *(["c", "ort"] if name != "mantissa 16" else []))
    p = simulate(g, {"x": x})["p"]
    assert (g.outputs[0].type.fmt, g.outputs[0].type.scale) == (out.fmt, out.scale)
    assert (p.max(-1) > 0).all()


def test_on_every_engine_and_at_the_ends_of_wide_scores():
    for fmt, scale in ((INT8, 0.2), (INT32, 2.0**-24), (INT48, 2.0**-40)):
        x = scores(fmt, 6, 24)
        want = oracle(fmt, scale)
        check(x, want, graph(fmt, 6, scale), "c", "ort", "onnx_reference")


def test_computed_scores_of_odd_scales():
    """Under pow2 the argument's step is applied by a 16-bit multiplier where the gain is no power of two."""
    g = graph(INT16, 7, 2.0**-9 / 3, contract=Pow2)
    rules = {n.outs[0].name: n.op.contract.name for n in g.nodes if n.op.name == "requant"}
    assert rules == {"p.z.requant": "dyadic16"}


def test_the_table_holds_what_the_argument_can_reach():
    """-8 .. 0 in steps of 2**-4: 129 entries, not 256; the last is 1 exactly."""
    for block, entries in ((Softmax(), 129), (Softmax(z="int4", z_step=1.0), 9), (Softmax(z="int16"), 32769)):
        (table,) = (n.op.table for n in graph(INT16, 4, 2.0**-4, block=block).nodes if n.outs[0].name == "p.exp")
        assert (len(table), table[-1]) == (entries, 2**15)


FINE = Softmax(z="int16", z_step=2.0**-10, mantissa=12)


@pytest.mark.parametrize("block", [Softmax(), FINE], ids=["default", "fine"])
@pytest.mark.parametrize(("n", "spread"), [(2, 1), (3, 0.5), (16, 2), (64, 3), (64, 8), (255, 1)])
def test_near_float64(block, n, spread):
    """Why the bound: z of the largest score is exact, every other is off by z_step / 2 (exp(1 / 32) for 2**-4).

    That moves p_i by p_i ((1 - p_i) d_i - sum p_j d_j), most for three equal scores: z_step / 6. The reciprocal adds
    p * 2**-mantissa, and each key further down than z reaches counts as its least, exp(-8) in eight bits.
    """
    x = np.clip(np.rint(np.random.default_rng(n).normal(0, spread, (4000, n)) / 2.0**-9), -32768, 32767)
    p = simulate(graph(INT16, n, 2.0**-9, out=WORD, block=block), {"x": x.astype(np.int16)})["p"] * 2.0**-16
    want = floats(x, 2.0**-9)
    tail = n * np.exp(-8.0) if block.z == "int8" else 0
    assert np.abs(p - want).max() < 1.02 * block.z_step / 6 + 2.0**-block.mantissa + tail + 2.0**-15
    assert np.abs(p.sum(-1) - 1).max() < 2.0**-block.mantissa + n * 2.0**-17
    flipped = p[np.arange(len(p)), want.argmax(-1)] < p.max(-1)
    assert not flipped.any(), f"{flipped.sum()} flips"  # z is monotone: the largest score keeps the largest code
    tied = (p == p.max(-1, keepdims=True)).sum(-1) > 1
    close = np.diff(np.sort(x, -1)[:, -2:], axis=-1)[:, 0] * 2.0**-9 <= block.z_step / 2 + 2.0**-12
    assert not (tied & ~close).any(), "a tie of scores further apart than half a step"
    if block == FINE:
        assert tied.sum() <= 4 + (np.diff(np.sort(x, -1)[:, -2:], axis=-1) == 0).sum()


def test_the_tail_counts_as_exp_of_minus_8():
    """One winner over 255 keys far below: float gives 1, eight bits of argument give 1 / (1 + 255 exp(-8))."""
    x = np.full((1, 256), -32768, np.int16)
    x[0, 0] = 32767
    for block, want in ((Softmax(), 1 / (1 + 255 * np.exp(-8))), (Softmax(z="int16"), 1.0)):
        p = simulate(graph(INT16, 256, 2.0**-9, out=WORD, block=block), {"x": x})["p"][0, 0] * 2.0**-16
        assert abs(p - want) <= 2**-9


@pytest.mark.parametrize("n", [1, 2, 3, 128, 255, 256])
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("mantissa", [2, 9])
def test_no_row_is_all_zero(n, rounding, mantissa):
    """All scores equal is the hardest row: each probability is 1 / n, for 256 keys one step of UINT8."""
    rng = np.random.default_rng(n)
    x = scores(INT16, max(n, 1), 60, seed=n)
    x[5:40] = np.where(rng.random((35, n)) < rng.random((35, 1)), 0, -1 - rng.integers(0, 3, (35, n)))
    for out in (BYTE, QType((), UINT4, min(1 / n, 1 / 15)), QType((), UINT1, 1 / n)):
        p = simulate(graph(INT16, n, 0.01, out=out, rounding=rounding, block=Softmax(mantissa=mantissa)), {"x": x})["p"]
        assert (p.max(-1) > 0).all()


def test_rows_that_would_be_all_zero_are_refused():
    assert_refused(lambda: graph(INT8, 257), "257 keys", "uint8", "1/257")
    assert simulate(graph(INT8, 257, out=WORD), {"x": np.zeros((1, 257), np.int8)})["p"].min() == 255
    assert_refused(lambda: graph(INT8, 17, out=QType((), UINT4, 1 / 16)), "17 keys", "uint4")
    assert_refused(lambda: graph(INT8, 65537, out=WORD), "65537 keys")
    graph(INT8, 49, out=QType((), UINT8, 1 / 49))  # 49 * (1 / 49) is below 1, 1 / 49 * 49 need not be


def test_a_constant_mask():
    n = 6
    g = Graph("causal")
    x = g.input("x", QType(("N", 2, n, n), INT16, 0.002))
    keep = np.tril(np.ones((n, n), np.uint8))
    mask = g.constant("mask", QTensor(QType((1, n, n), UINT1), keep[None]))
    g.output(Softmax()(g, x, BYTE, mask=mask, name="p"))
    codes = scores(INT16, n, 4 * n * 2, seed=5).reshape(4, 2, n, n)
    codes[:, :, keep == 0] = 32767  # however large
    want = oracle(INT16, 0.002)
    rows = [want(row, k) for row, k in zip(codes.reshape(-1, n).tolist(), np.tile(keep, (8, 1)).tolist(), strict=True)]
    check_engines(g, {"x": codes}, {"p": np.array(rows).reshape(codes.shape)})
    p = simulate(g, {"x": codes})["p"]
    assert (p[:, :, keep == 0] == 0).all()
    assert (p[:, :, 0, 0] == 255).all()  # the first query sees itself alone: 1 saturates


def test_padding():
    """One mask for all rows; one key stays."""
    keep = np.array([0, 1, 0, 0])
    x = scores(INT8, 4)
    p = simulate(graph(INT8, 4, mask=keep), {"x": x})["p"]
    assert_same(np.tile([0, 255, 0, 0], (len(x), 1)), p)
    check_engines(graph(INT8, 4, mask=np.array([[1, 1, 0, 1]])), {"x": x}, against=("c", "ort"))


def test_a_computed_mask_may_empty_a_row_which_then_is_all_zero():
    g = graph(INT16, 5, 0.01, zero=11, mask=("N", 5))
    x = scores(INT16, 5, 32, zero=11)
    keep = (np.arange(32)[:, None] >> np.arange(5) & 1).astype(np.uint8)
    want = oracle(INT16, 0.01, 11)
    rows = [want(row, k) for row, k in zip(x.tolist(), keep.tolist(), strict=True)]
    check_engines(g, {"x": x, "keep": keep}, {"p": np.array(rows)})
    p = simulate(g, {"x": x, "keep": keep})["p"]
    assert ((p.max(-1) > 0) == keep.any(-1)).all()


def test_refusals():
    assert_refused(lambda: graph(mask=np.zeros((1, 8))), "(0,)", "every row must keep one")
    assert_refused(lambda: graph(mask=np.ones((1, 9))), "(1, 9)")
    assert_refused(lambda: graph(n=1, mask=np.ones((1, 300))), "(1, 300)", "widens")
    for out in (
        QType((), INT8, 2.0**-8),
        QType((), UINT8, 2.0**-8, 3),
        QType((), FP8_E4M3),
        QType((2,), UINT8, (0.1, 0.1), axis=0),
    ):
        assert_refused(lambda out=out: graph(out=out), out.fmt.name, "unsigned")
    for mask in (None, np.ones(8)):
        assert_refused(lambda mask=mask: graph(FP8_E4M3, mask=mask), "'x'", "fp8_e4m3", "must be integers")
    g = Graph("channels")
    x = g.input("x", QType(("N", 2), INT8, (0.1, 0.2), axis=1))
    assert_refused(lambda: Softmax()(g, x, BYTE), "per-channel")
    assert_refused(lambda: Softmax()(g, g.input("v", QType((3,), INT8)), BYTE), "(3,)", "(.., keys)")
    assert_refused(lambda: Softmax()(g, g.input("w", QType(("N",), INT8)), BYTE), "('N',)", "(.., keys)")
    assert_refused(lambda: graph(INT32, zero=5), "zero_point 5", "requantize")
    assert_refused(lambda: graph(INT64), "int64")
    assert_refused(lambda: graph(scale=1e9), "ratio")


@pytest.mark.parametrize(
    ("settings", "culprits"),
    [
        ({"z": "uint8"}, ("'uint8'", "signed")),
        ({"z": "int32"}, ("'int32'", "16 bits")),
        ({"z": "fp8_e4m3"}, ("'fp8_e4m3'",)),
        ({"z": "int9"}, ("'int9'",)),
        ({"z_step": 0.0}, ("0.0", "(0, 1]")),
        ({"z_step": 1.5}, ("1.5",)),
        ({"z_step": float("nan")}, ("nan",)),
        ({"fraction": 0}, ("fraction 0", "1..15")),
        ({"fraction": 16}, ("fraction 16",)),
        ({"mantissa": 1}, ("mantissa 1", "2..16")),
        ({"mantissa": 17}, ("mantissa 17",)),
    ],
)
def test_widths_that_cannot_be_built_are_refused(settings, culprits):
    assert_refused(lambda: Softmax(**settings), *culprits)
