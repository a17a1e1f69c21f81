"""Toggle rates of nodes against Python integers and against what the nodes compute."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hwsim import INT8, INT16, INT32, UINT1, UINT8, Graph, QTensor, QType, simulate
from hwsim.blockformats import MXFP4, quantize_blocks
from hwsim.contracts import Dyadic16
from hwsim.costs.hardware import MatrixUnit, VectorUnit
from hwsim.costs.product_activity import SUMS, drawn_sums, float_toggles, product_activity
from hwsim.costs.vector_activity import vector_activity
from hwsim.formats import FP4_E2M1
from hwsim.ops import Add, BlockMatMul, BlockQuantize, Conv2d, Lut, MatMul, Mul, Reduce, Requant
from hwsim.qtensor import BATCH
from hwsim.ranges import Interval

RNG = np.random.default_rng(0)
INT_ARRAY = MatrixUnit(name="m", rows=2, columns=2, a="int9", b="int8", accumulator=32)


def rate(codes, bits):
    """Mean changed bits, by Python integers."""
    mask = (1 << bits) - 1
    steps = [((int(a) ^ int(b)) & mask).bit_count() for a, b in pairwise(codes)]
    return sum(steps) / len(steps)


def run(graph, **inputs):
    return {n: t.codes for n, t in graph.constants.items()} | simulate(graph, inputs, trace=True)


def bias(g, n, scale=1.0):
    """Zeros: what the zero point would fold in is no part of the sum that toggles."""
    return g.constant("bias", QTensor(QType((n,), INT32, scale), np.zeros(n, np.int32)))


def dot(k=16, zero=0, floats=False):
    """One sum, so that every drawn one is it."""
    fmt = FP4_E2M1 if floats else INT8
    g = Graph("dot")
    x = g.input("x", QType((BATCH, k), UINT8 if zero else fmt, 0.5, zero))
    codes = RNG.integers(0, 16, (k, 1)).astype(np.uint8) if floats else RNG.integers(-128, 128, (k, 1), np.int8)
    w = g.constant("w", QTensor(QType((k, 1), fmt, 0.25), codes))
    g.output(g.add(MatMul(), x, w, *([bias(g, 1, 0.125)] if zero else []), name="y"))
    low, high = (0, 256) if zero else (0, 16) if floats else (-128, 128)
    return g, run(g, x=RNG.integers(low, high, (1, k)).astype(x.type.fmt.dtype))


def test_an_integer_sum():
    g, env = dot()
    found = product_activity(INT_ARRAY, g.nodes[0], env)
    a, b = env["x"][0].tolist(), env["w"][:, 0].tolist()
    products = [p * q for p, q in zip(a, b, strict=True)]
    sums = np.cumsum(products).tolist()
    expected = {"a": rate(a, 9), "b": rate(b, 8), "product": rate(products, 17), "acc": rate(sums, 32)}
    assert found == pytest.approx(expected, rel=1e-12)
    assert sums[-1] == env["y"][0, 0]


def test_unsigned_codes_enter_as_they_are():
    g, env = dot(zero=128)
    found = product_activity(INT_ARRAY, g.nodes[0], env)
    assert found["a"] == pytest.approx(rate(env["x"][0].tolist(), 9))


def test_a_sum_of_small_floats():
    g, env = dot(floats=True)
    array = MatrixUnit(name="m", rows=2, columns=2, a="fp4_e2m1", b="fp4_e2m1", accumulator=24)
    found = product_activity(array, g.nodes[0], env)
    assert found["a"] == pytest.approx(rate(env["x"][0].tolist(), 4))
    ints = [FP4_E2M1.to_int(c).tolist() for c in (env["x"][0], env["w"][:, 0])]
    sums = np.cumsum([p * q for p, q in zip(*ints, strict=True)]).tolist()
    assert found["acc"] == pytest.approx(rate(sums, 24))


def test_floats_toggle_as_float32():
    g, env = dot(zero=7)
    array = MatrixUnit(name="m", rows=2, columns=2, floating="fp32")
    found = product_activity(array, g.nodes[0], env)
    a, b = ((env["x"][0].astype(int) - 7) * 0.5).astype(np.float32), (env["w"][:, 0] * 0.25).astype(np.float32)
    sums, y = [], np.float32(0)
    for p, q in zip(a, b, strict=True):
        y = np.float32(y + np.float32(p * q))
        sums.append(y)
    words = [[int(v.view(np.uint32)) for v in values] for values in (a, b, sums)]
    assert [found[k] for k in "aby"] == pytest.approx([rate(w, 32) for w in words], rel=1e-12)


def test_shorter_floats():
    x = np.array([1.0, -1.0, 1.5])  # the sign; the sign and the first mantissa bit
    assert [float_toggles(x, f, axis=0) for f in ("fp32", "fp16", "bf16")] == [1.5, 1.5, 1.5]


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_drawn_sums_of_a_convolution_are_its_results(groups):
    g = Graph("conv")
    x = g.input("x", QType((BATCH, 5, 6, 4), UINT8, 1.0, 9))
    w = RNG.integers(-128, 128, (8, 3, 2, 4 // groups), np.int8)
    op = Conv2d(kernel=(3, 2), stride=(2, 1), padding=((1, 0), (0, 1)), groups=groups)
    g.output(g.add(op, x, g.constant("w", QTensor(QType(w.shape, INT8), w)), bias(g, 8), name="y"))
    env = run(g, x=RNG.integers(0, 256, (3, 5, 6, 4)).astype(np.uint8))
    a, b, _ = drawn_sums(g.nodes[0], env["x"].astype(np.int64), w.astype(np.int64), 9, np.random.default_rng(0))
    assert a.shape == b.shape == (SUMS, 3 * 2 * 4 // groups)
    assert set((a * b).sum(1).tolist()) <= set(env["y"].ravel().tolist())


def test_drawn_sums_of_products_of_two_values_are_its_results():
    g = Graph("heads")
    a, b = g.input("a", QType((BATCH, 3, 4, 8), INT8)), g.input("b", QType((BATCH, 3, 8, 5), INT8))
    g.output(g.add(MatMul(), a, b, name="y"))
    env = run(g, a=RNG.integers(-128, 128, (2, 3, 4, 8), np.int8), b=RNG.integers(-128, 128, (2, 3, 8, 5), np.int8))
    p, q, _ = drawn_sums(g.nodes[0], *(env[n].astype(np.int64) for n in "ab"), 0, np.random.default_rng(0))
    assert set((p * q).sum(1).tolist()) <= set(env["y"].ravel().tolist())


def test_blocks_change_their_sum_once_a_block():
    g = Graph("blocks")
    x = g.input("x", QType((BATCH, 64), INT8))
    b = quantize_blocks(RNG.normal(size=(64, 1)), MXFP4, axis=0)
    codes, exponents = g.add_all(BlockQuantize(block=32, lo=0, hi=6), x, names=("codes", "exponents"))
    op = BlockMatMul.exact(b, left=Interval(0, 6))
    g.output(g.add(op, codes, g.constant("w", b.codes), g.constant("s", b.scales), exponents, name="y"))
    env = run(g, x=RNG.integers(-128, 128, (1, 64), np.int8))
    array = MatrixUnit(name="mx", rows=2, columns=2, block="mxfp4", lanes=8)
    found = product_activity(array, g.nodes[1], env)
    ints = [FP4_E2M1.to_int(c).reshape(2, 32) for c in (env["codes"][0], env["w"][:, 0])]
    dots = (ints[0] * ints[1]).sum(1)
    shift = env["exponents"][0].astype(int) - 127 + env["s"][:, 0].astype(int) - 127 - op.lsb_exp
    sums = np.cumsum(dots * 2**shift)
    assert sums[-1] == env["y"][0, 0]
    assert found["y"] == pytest.approx(rate(sums.tolist(), 32) / 7)  # one change in eight cycles, seven steps
    lanes = env["codes"][0].reshape(8, 8)
    assert found["a"] == pytest.approx(sum(rate(lanes[:, i].tolist(), 4) for i in range(8)))


def vector(family, **parameters):
    return VectorUnit(family=family, lanes=1, parameters=parameters)


def test_a_sum_with_a_constant():
    g = Graph("add")
    x = g.input("x", QType((BATCH, 3), INT16))
    c = g.constant("c", QTensor(QType((3,), INT8), np.array([1, -2, 3], np.int8)))
    g.output(g.add(Add(), x, c, name="y"))
    env = run(g, x=RNG.integers(-1000, 1000, (7, 3), np.int16))
    found = vector_activity(vector("add", bits=24), g.nodes[0], env)
    by_place = [[rate(env[n][:, i].tolist(), w) for i in range(3)] for n, w in (("x", 24), ("y", 25))]
    assert found == pytest.approx({"x": np.mean(by_place[0]), "y": np.mean(by_place[1])})  # the constant stands still


def test_a_product_and_a_requantization_and_a_table():
    g = Graph("chain")
    x, z = g.input("x", QType((BATCH, 3), INT8)), g.input("z", QType((BATCH, 3), INT8))
    p = g.add(Mul(), x, z, name="p")
    y = g.add(Requant(contract=Dyadic16.of(0.01), fmt=INT8, scale=100.0), p, name="y")
    g.output(g.add(Lut(table=tuple(RNG.integers(-128, 128, 256).tolist()), scale=1.0), y, name="t"))
    env = run(g, **{n: RNG.integers(-128, 128, (9, 3), np.int8) for n in "xz"})

    def mean(name, bits, less=0):
        return np.mean([rate((env[name][:, i].astype(int) - less).tolist(), bits) for i in range(3)])

    units = vector("multiply", a=16, b=8), vector("requant", bits=24, out=8), vector("lut", bits=8, out=16)
    found = [vector_activity(u, n, env) for u, n in zip(units, g.nodes, strict=True)]
    assert found[0] == pytest.approx({"x": mean("x", 16) + mean("z", 8), "y": mean("p", 24)})
    assert found[1] == pytest.approx({"x": mean("p", 24), "y": mean("y", 8)})
    assert found[2] == pytest.approx({"x": mean("y", 8, less=-128), "y": mean("t", 16)})


def test_a_table_is_addressed_from_its_first_entry():
    g = Graph("table")
    x = g.add(Reduce(kind="max", axes=(1,)), g.input("x", QType((BATCH, 2), UINT1)), name="m")
    y = g.add(Add(), x, g.constant("c", QTensor(QType((1,), INT8), np.array([7], np.int8))), name="y")
    g.output(g.add(Lut(table=(5, 6), first=7), g.add(Requant(contract=Dyadic16.of(1.0), scale=1.0), y, name="z")))
    env = run(g, x=np.array([[0, 0], [0, 1], [0, 0]], np.uint8))
    found = vector_activity(vector("lut", bits=8, out=8), g.nodes[-1], env)
    assert found["x"] == 1  # 0, 1, 0; the codes 7, 8, 7 differ in four bits


@pytest.mark.parametrize("kind", ["sum", "max", "min", "sum_square"])
def test_running_results_of_a_reduction(kind):
    g = Graph("reduce")
    x = g.input("x", QType((BATCH, 2, 8), INT8))
    g.output(g.add(Reduce(kind=kind, axes=(2,)), x, name="y"))
    env = run(g, x=RNG.integers(-128, 128, (3, 2, 8), np.int8))
    rows = env["x"].reshape(6, 8).astype(int)
    terms = rows**2 if kind == "sum_square" else rows
    running = {"max": np.maximum, "min": np.minimum}.get(kind, np.add).accumulate(terms, axis=1)
    found = vector_activity(vector("reduce", bits=16, acc=32), g.nodes[0], env)
    means = [np.mean([rate(r.tolist(), bits) for r in rows]) for rows, bits in ((terms, 16), (running, 32))]
    assert [found[k] for k in "xy"] == pytest.approx(means)
    assert running[:, -1].tolist() == env["y"].ravel().tolist()


def test_squares_are_multiplied_first():
    g = Graph("squares")
    x = g.input("x", QType((BATCH, 6), INT8))
    g.output(g.add(Reduce(kind="sum_square", axes=(1,)), x, name="y"))
    env = run(g, x=RNG.integers(-128, 128, (4, 6), np.int8))
    found = vector_activity(vector("multiply", a=8, b=8), g.nodes[0], env)
    columns = env["x"].astype(int)
    x_rate = np.mean([rate(columns[:, i].tolist(), 8) for i in range(6)])
    y_rate = np.mean([rate((columns[:, i] ** 2).tolist(), 16) for i in range(6)])
    assert found == pytest.approx({"x": 2 * x_rate, "y": y_rate})
