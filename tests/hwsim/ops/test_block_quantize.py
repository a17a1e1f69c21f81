from dataclasses import replace

import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT32, INT48, INT64, TERNARY, UINT8, UINT16, Graph, QTensor, QType
from hwsim.blockformats import MXFP4, MXFP8_E4M3, RULES, BlockFormat, quantize_blocks
from hwsim.formats import E8M0, FP4_E1M2, FP4_E2M1, FP4_E3M0, FP6_E2M3, FP6_E3M2, FP8_E4M3, FP8_E5M2
from hwsim.ops import BlockMatMul, BlockQuantize
from hwsim.ranges import Interval
from tests.backends import check_engines
from tests.compare import assert_refused, assert_same
from tests.oracles.one_op import batch, overflows, refuses, run_all, t

ELEMENTS = (FP4_E2M1, FP4_E1M2, FP6_E2M3, FP6_E3M2, FP8_E4M3, FP8_E5M2, INT8, INT4, TERNARY)
ROUNDINGS = ("half_even", "half_away", "toward_zero")


def integers(rng, fmt, rows=40, k=37):
    """Rows of all magnitudes, ties, powers of two and their neighbours, ends, zeros."""
    top = fmt.max_int
    x = rng.normal(size=(rows, k)) * np.exp2(rng.uniform(0, np.log2(top) - 1, (rows, 1)))
    x = np.clip(np.rint(x), fmt.min_int, top).astype(np.int64)
    near = [v + d for v in (1 << e for e in range(top.bit_length())) for d in (-1, 0, 1) if 0 <= v + d <= top]
    x[0], x[1, :16], x[2], x[3, 0] = 0, 0, np.resize(near, k), fmt.min_int
    x[4 : 4 + len(near)] = np.minimum(x[4 : 4 + len(near)], np.array(near)[: rows - 4, None])
    x[4 : 4 + len(near), 5] = near[: rows - 4]
    return x


def expected(x, op, lo=-127, hi=127):
    """`quantize_blocks` on the same numbers as reals: another algorithm, which was compared with torchao and gfloat."""
    fmt = BlockFormat(name="b", element=op.fmt, block=op.block, rule=op.rule)
    made = quantize_blocks(x, fmt, rounding=op.rounding)
    exponent = np.clip(made.scales.to_int(), lo, hi)
    repeated = np.repeat(exponent, op.block, -1)[..., : x.shape[-1]]
    return op.fmt.encode(np.ldexp(x.astype(np.float64), -repeated), op.rounding), exponent + 127


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fmt", ELEMENTS, ids=lambda f: f.name)
def test_what_quantize_blocks_makes_of_the_same_numbers(fmt, rule):
    rng = np.random.default_rng(0)
    for rounding in ROUNDINGS:
        for source in (INT8, INT16, UINT16):
            x = integers(rng, source)
            op = BlockQuantize(fmt=fmt, block=16, rule=rule, rounding=rounding)
            codes, scales = run_all(op, batch(x, source))
            want = expected(x, op)
            assert_same(want[1], scales.codes, x.max(-1, keepdims=True), what=f"{rounding} {source.name}")
            assert_same(want[0], codes.codes, x, what=f"{rounding} {source.name}")


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fmt", ELEMENTS, ids=lambda f: f.name)
def test_every_element_on_every_engine(fmt, rule, rounding):
    x, op = integers(np.random.default_rng(1), INT16), BlockQuantize(fmt=fmt, block=16, rule=rule, rounding=rounding)
    g = Graph("quantize")
    g.output(*g.add_all(op, g.input("x", QType(("N", 37), INT16)), names=("codes", "scales")))
    want = expected(x, op)
    check_engines(g, {"x": x.astype(np.int16)}, {"codes": want[0], "scales": want[1]})


@pytest.mark.parametrize(("lo", "hi"), [(2, 5), (-127, -9), (90, 127), (3, 3), (70, 70)])
@pytest.mark.parametrize("fmt", [FP4_E2M1, FP8_E5M2, INT8], ids=lambda f: f.name)
def test_declared_exponents_saturate_on_every_engine(fmt, lo, hi):
    """Small blocks go to the lowest scale, elements of large blocks saturate; shifts past 62 bits."""
    x, op = integers(np.random.default_rng(2), INT32), BlockQuantize(fmt=fmt, block=8, lo=lo, hi=hi)
    g = Graph("range")
    g.output(*g.add_all(op, g.input("x", QType(("N", 37), INT32)), names=("codes", "scales")))
    want = expected(x, op, lo, hi)
    check_engines(g, {"x": x.astype(np.int32)}, {"codes": want[0], "scales": want[1]})


def test_zero_points_ranks_and_float_inputs_on_every_engine():
    rng = np.random.default_rng(3)
    g, op = Graph("shapes"), BlockQuantize(fmt=FP6_E2M3, block=4)
    a, b = rng.integers(0, 256, (5, 2, 3, 7)).astype(np.uint8), rng.integers(0, 127, (5, 6)).astype(np.uint8)
    x = g.input("x", QType(("N", 2, 3, 7), UINT8, 0.25, 100))
    y = g.input("y", QType(("N", 6), FP8_E4M3, 2.0))
    c = g.constant("c", QTensor(QType((9,), INT8), np.arange(-4, 5).astype(np.int8)))
    p, q, r = (g.add_all(op, v, names=(f"{v.name}.codes", f"{v.name}.scales")) for v in (x, y, c))
    g.output(*p, *q)
    assert [v.type.shape for v in (*p, *q, *r)] == [
        *(("N", 2, 3, 7), ("N", 2, 3, 2)),
        *(("N", 6), ("N", 2)),
        *((9,), (3,)),
    ]
    assert [v.type.scale for v in (*p, *q)] == [0.25, 1.0, 2.0 * 2.0**-9, 1.0]
    want = expected(a.astype(np.int64) - 100, op), expected(FP8_E4M3.to_int(b), op)
    named = {
        f"{n}.{k}": w
        for n, pair in zip("xy", want, strict=True)
        for k, w in zip(("codes", "scales"), pair, strict=True)
    }
    check_engines(g, {"x": a, "y": b}, named)


def test_the_real_number_is_element_times_power_times_step():
    """On a power-of-two scale it is the MX tensor of the reals."""
    x = integers(np.random.default_rng(4), INT16)
    codes, scales = run_all(BlockQuantize(fmt=FP8_E4M3), batch(x, INT16, 2.0**-9))
    reals = codes.dequantize() * 2.0 ** np.repeat(scales.dequantize(), 32, -1)[:, :37]
    assert_same(quantize_blocks(x * 2.0**-9, MXFP8_E4M3).dequantize(), reals)


def test_a_whole_mxfp4_layer_on_every_engine():
    """INT16 activations become MXFP4, meet MXFP4 weights, by integers alone; equal to the product of the tensors."""
    rng = np.random.default_rng(5)
    w = quantize_blocks(rng.normal(size=(70, 6)), replace(MXFP4, rule="even"), axis=0)
    x = integers(rng, INT16, k=70)
    g = Graph("layer")
    codes, scales = g.add_all(
        BlockQuantize(rule="even"), g.input("x", QType(("N", 70), INT16, 2.0**-12)), names=("c", "s")
    )
    op = BlockMatMul.exact(w, acc=INT48, left=Interval(-2, 13))
    y = g.add(op, codes, *(g.constant(n, v) for n, v in zip(("w", "w.scales"), w.parts, strict=True)), scales, name="y")
    g.output(y)
    a = quantize_blocks(x * 2.0**-12, replace(MXFP4, rule="even"))
    want = np.rint(a.dequantize() @ w.dequantize() / y.type.lsb)
    check_engines(g, {"x": x.astype(np.int16)}, {"y": want.astype(np.int64)})


def test_exponents_reach_no_further_than_the_input():
    g = Graph("reach")
    _, s = g.add_all(BlockQuantize(fmt=FP4_E2M1, lo=-2), g.input("x", QType(("N", 3), INT8)))
    assert g.reach[s.name] == Interval(125, 132)
    _, s = g.add_all(BlockQuantize(fmt=FP4_E2M1, hi=1), g.input("z", QType(("N", 3), INT8)))
    assert g.reach[s.name] == Interval(0, 128)
    assert s.type == QType(("N", 1), E8M0, 1.0, 127)


def test_refusals():
    for fields, culprits in (
        ({"block": 0}, ("block 0",)),
        ({"rule": "nearest"}, ("'nearest'", *RULES)),
        ({"lo": 3, "hi": 2}, ("3..2",)),
        ({"lo": -128}, ("-128", "-127..127")),
        ({"fmt": UINT8}, ("uint8", "signed")),
        ({"rounding": "floor"}, ("'floor'", *ROUNDINGS)),
        ({"fmt": FP4_E3M0}, ("fp4_e3m0", "'half_away'")),
    ):
        assert_refused(lambda fields=fields: BlockQuantize(**fields), *culprits)
    refuses(BlockQuantize(), (t("N"),), "('N',)")
    refuses(BlockQuantize(), (t(2, scale=(1.0, 2.0), axis=0),), "per-channel")
    overflows(BlockQuantize(fmt=FP8_E5M2), (t(2, fmt=INT64),), str(1 << 63), "69 bits", "fp8_e5m2")
