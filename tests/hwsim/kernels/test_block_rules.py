"""Weights in blocks on the machine: as bytes, their scales multiplied in, wherever that is exact."""

from dataclasses import replace

import numpy as np
import pytest

from hwsim import INT8, INT16, INT32, INT48, UINT8, Datapath, Graph, QType, quantize_blocks
from hwsim.blockformats import INT4_G32, MXFP4, MXINT8, NVFP4, UINT4_G32
from hwsim.contracts import Dyadic16
from hwsim.formats import FP4_E2M1, FP8_E4M3
from hwsim.kernels.block_rules import planes
from hwsim.ops import BlockMatMul, Requant
from hwsim.ops.block_scales import folded
from hwsim.ops.float_sum import Float32Sum
from tests.hwsim.kernels.both import WIDTHS, alone, check, given


def weights(k, n, spread=0):
    """Normal, blocks of 32 of sizes up to ``2**spread`` apart."""
    rng = np.random.default_rng(0)
    sizes = np.exp2(rng.integers(0, spread + 1, (-(-k // 32), n))).repeat(32, 0)[:k]
    return rng.normal(size=(k, n)) * sizes


def graph(fmt, a=INT8, shape=(70,), n=33, zero=0, spread=0, **fields):
    """One product of an input."""
    g, b = Graph(), quantize_blocks(weights(shape[-1], n, spread), fmt, axis=0)
    op = replace(BlockMatMul.exact(b), **fields)
    parts = [g.constant(f"w{i}", t) for i, t in enumerate(b.parts)]
    g.output(g.add(op, given(g, "x", a, *shape, zero=zero), *parts))
    return g


def test_weights_with_their_scales():
    b, factor = np.array([[3, 0], [-1, 0], [1, 5]]), np.array([[1, 1], [2, 4]])
    assert folded(b, factor, np.array([[0, -9], [29, 2]]), 2).tolist() == [[3, 0], [-1, 0], [1 << 30, 80]]
    assert folded(b, factor, np.array([[0, 0], [30, 0]]), 2) is None
    assert folded(b, factor, np.array([[-1, 0], [0, 0]]), 2) is None


def test_planes():
    rng = np.random.default_rng(0)
    ends = [0, 127, 128, -128, -129, 32639, 32640, -32896, -32897, (1 << 31) - 1, -(1 << 31) + 1]
    for x in (np.array([[e]]) for e in ends):
        check_planes(x)
    for bits in (7, 8, 15, 16, 24, 31):
        check_planes(rng.integers(-(1 << bits) + 1, 1 << bits, (9, 9)))


def check_planes(x):
    found = planes(x)
    assert all(p.min() >= -128 and p.max() <= 127 for p in found)
    assert sum(p * 256**i for i, p in enumerate(found[::-1])).tolist() == x.tolist()
    assert len(found) == 1 or found[0].any()


@pytest.mark.parametrize("fmt", [MXFP4, INT4_G32, UINT4_G32, MXINT8], ids=lambda f: f.name)
@pytest.mark.parametrize("n", WIDTHS)
def test_weights_in_blocks(fmt, n):
    g = graph(fmt, n=n, spread=2)
    check(g, on_machine=n > 1)


@pytest.mark.parametrize("spread", [0, 3, 6, 9])
def test_scales_far_apart(spread):
    """One to three bytes a weight."""
    g = graph(MXFP4, shape=(96,), spread=spread)
    check(g)


@pytest.mark.parametrize(("a", "zero"), [(INT8, -128), (INT8, 127), (UINT8, 0), (UINT8, 200), (FP4_E2M1, 0)])
def test_first_operands(a, zero):
    g = graph(MXFP4, a, (3, 40), zero=zero)
    check(g)


def test_among_other_nodes():
    """The operand is made by the same stage, the result is read by it."""
    g, b = Graph(), quantize_blocks(weights(48, 20, 5), MXFP4, axis=0)
    source = given(g, "x", INT16, 4, 48)
    x = g.add(Requant.to(QType(source.type.shape, INT8, 250.0), source.type, Dyadic16), source)
    y = g.add(BlockMatMul.exact(b), x, *(g.constant(f"w{i}", t) for i, t in enumerate(b.parts)))
    g.output(g.add(Requant.to(QType(y.type.shape, INT8, 50 * y.type.scale), y.type, Dyadic16), y))
    check(g)


UNFIT = {
    "shifted out": {"fmt": MXFP4, "lsb_exp": 1, "rounding": "half_up", "spread": 3},
    "wide operands": {"fmt": MXFP4, "a": INT16},
    "operands with wide grids": {"fmt": MXFP4, "a": FP8_E4M3, "acc": INT48},
    "more than 32 bits": {"fmt": NVFP4, "acc": INT48},
    "bits cut off": {"fmt": MXFP4, "datapath": Datapath(drop=2)},
    "saturates": {"fmt": MXFP4, "acc": INT16, "datapath": Datapath(overflow="saturate")},
    "float32": {"fmt": MXFP4, "datapath": Float32Sum()},
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_it_leaves_alone(name):
    g = graph(**UNFIT[name])
    check(g, on_machine=False)
    assert alone(g) == ["block_matmul"]


def test_an_accumulator_that_could_saturate_but_does_not():
    g = graph(MXFP4, acc=INT32, datapath=Datapath(overflow="saturate"))
    check(g)


def test_scales_that_are_computed():
    """That codes are the definition's: tests/hwsim/ops/test_block_matmul.py."""
    g, b = Graph(), quantize_blocks(weights(64, 18), MXFP4, axis=0)
    x, codes, scales = given(g, "x", INT8, 64), g.constant("w", b.codes), g.input("s", b.scales.type)
    g.output(g.add(BlockMatMul.exact(b, acc=INT48), x, codes, scales))
    assert alone(g) == ["block_matmul"]


@pytest.mark.parametrize("n", [1, 17])
def test_wide_accumulators_whose_sums_are_narrow(n):
    check(graph(MXINT8, shape=(33,), n=n, acc=INT48), on_machine=n > 1)
