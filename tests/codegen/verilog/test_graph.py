"""verify(against=("verilog",)): graphs node by node in Verilog, and what has no unit, all at once."""

import numpy as np
import pytest

from codegen import verify
from codegen.rtl import nodes
from codegen.unsupported import Unsupported
from hwsim import BATCH, FP4_E2M1, INT4, INT8, INT16, INT32, UINT8, Graph, QTensor, QType
from hwsim.blocks.reciprocal import reciprocal
from hwsim.contracts import Dyadic16
from hwsim.formats import BINARY, IntFormat
from hwsim.ops import Add, Conv2d, Lut, MatMul, Mul, Pad, Pool, Pwl, Reduce, Requant, Reshape, Shift, ShiftBy, Transpose
from hwsim.ops.datapath import Datapath
from tests.codegen.shipped import shipped
from tests.codegen.verilog.simulators import needs_icarus
from tests.compare import assert_refused

SATURATE = Datapath(overflow="saturate", tree=4)


def products(a=INT8, b=INT4, op=None, k=6, zero=0, scale=1.0):
    """a (N, 2, k) by constant b (k, 3) with a bias, then requantized per channel, shifted, looked up, bent."""
    rng, g = np.random.default_rng(0), Graph("products")
    op = op or MatMul()
    x = g.input("x", QType((BATCH, 2, k), a, scale, axis=2 if isinstance(scale, tuple) else None))
    signs = rng.integers(b.min_code, b.max_code + 1, (k, 3)).astype(b.dtype)
    w = g.constant("w", QTensor(QType((k, 3), b, (1.0, 0.5, 0.25), zero, 1), signs))
    bias = rng.integers(-100, 100, 3).astype(op.acc.dtype)
    start = g.constant("bias", QTensor(QType((3,), op.acc, op.out_type(x.type, w.type).scale, axis=0), bias))
    acc = g.add(op, x, w, start, name="acc")
    out = QType((BATCH, 2, 3), INT8, 4.0)
    y = g.add(Requant.to(out, acc.type, Dyadic16), acc, name="y")
    y = g.add(Transpose(perm=(0, 2, 1)), y, name="turned")
    y = g.add(Lut(table=tuple(range(127, -129, -1)), scale=1.0), y, name="table")
    y = g.add(Shift(bits=2, rounding="half_even", fmt=INT16), y, name="shifted")
    y = g.add(Reshape(shape=(6,)), y, name="flat")
    y = g.add(Pwl(breakpoints=(0,), slopes=(-1, 2), intercepts=(0, 3), shift=1), y, name="bent")
    g.output(y)
    return g, {"x": rng.integers(a.min_code, a.max_code, (20, 2, k)).astype(a.dtype)}


GRAPHS = {
    "plain": {},
    "float": {"a": FP4_E2M1, "b": FP4_E2M1},
    "saturating tree": {"op": MatMul(acc=IntFormat("int10", 10), datapath=SATURATE)},
    "wrapping": {"op": MatMul(acc=IntFormat("int9", 9), datapath=Datapath(overflow="wrap"))},
    "a zero point": {"zero": 3},
    "signs": {"a": BINARY, "b": BINARY, "op": MatMul(acc=IntFormat("int10", 10))},
    "cut": {"op": MatMul(acc=INT32, datapath=Datapath(drop=2))},
}


@needs_icarus
@pytest.mark.parametrize("name", GRAPHS)
def test_every_node_with_a_unit(name):
    graph, inputs = products(**GRAPHS[name])
    report = verify(graph, inputs, against=("verilog",))
    assert report.ok, f"\n{report}"
    assert [r.values for r in report.rows] == [1, 7]
    assert "5 nodes, 2 of wires" in report.rows[0].tool


@needs_icarus
def test_products_of_two_values():
    g, rng = Graph("attention"), np.random.default_rng(1)
    a, b = g.input("a", QType((BATCH, 3, 4), INT8)), g.input("b", QType((BATCH, 4, 5), INT8))
    g.output(g.add(MatMul(), a, b, name="y"))
    codes = {n: rng.integers(-128, 128, (6, *s)).astype(np.int8) for n, s in (("a", (3, 4)), ("b", (4, 5)))}
    assert verify(g, codes, against=("verilog",)).ok


@needs_icarus
@pytest.mark.parametrize("name", ["mlp", "ds-cnn"])
def test_shipped_networks_run_in_verilog(name):
    graph, inputs = shipped(name)
    report = verify(graph, {name: x[:1] for name, x in inputs.items()}, against=("verilog",))
    assert report.ok, f"\n{report}"
    assert report.rows[1].values == len(graph.nodes)


@needs_icarus
def test_a_first_product_left_out_is_found(monkeypatch):
    graph, inputs = products(**GRAPHS["saturating tree"])

    def late(unit, node, ins):
        codes = nodes.feeds(unit, node, ins)
        return (
            codes | {"first": np.roll(codes["first"], 1) | (np.arange(len(codes["a"])) == 0)} if "a" in codes else codes
        )

    monkeypatch.setattr("codegen.runners.verilog_graph.feeds", late)
    report = verify(graph, inputs, against=("verilog",))
    assert report.rows[1].first.value == "acc"


@needs_icarus
def test_images_norms_and_choices():
    rng, g = np.random.default_rng(2), Graph("image")
    x = g.input("x", QType((BATCH, 5, 4, 4), UINT8, 1.0, 9))
    w = g.constant("w", QTensor(QType((6, 3, 2, 2), INT4, 1.0, -2), rng.integers(-8, 8, (6, 3, 2, 2)).astype(np.int8)))
    bias = g.constant("bias", QTensor(QType((6,), INT32), np.arange(-3000, 3000, 1000, dtype=np.int32)))
    conv = Conv2d(kernel=(3, 2), stride=(2, 1), padding=((1, 1), (0, 1)), groups=2)
    acc = g.add(conv, x, w, bias, name="conv")
    y = g.add(Requant.to(QType((), INT8, 40.0), acc.type, Dyadic16), acc, name="y")
    best, total = (g.add(Reduce(kind=k, axes=(1, 3)), y, name=k) for k in ("max", "sum_square"))
    mean = g.add(Reduce(kind="sum", axes=(2,)), y, name="sum")
    least = g.add(Pad(before=(0, 0, 1), after=(1, 0, 0)), g.add(Reduce(kind="min", axes=(3,)), y, name="min"))
    r, h = reciprocal(g, total, name="r")
    scaled = g.add(ShiftBy(), g.add(Mul(), g.add(Shift(bits=8, fmt=INT16), r), best, name="p"), h, name="scaled")
    g.output(mean, least, g.add(Add(), scaled, scaled, name="twice"))
    inputs = {"x": rng.integers(0, 256, (3, 5, 4, 4)).astype(np.uint8)}
    report = verify(g, inputs, against=("verilog",))
    assert report.ok, f"\n{report}"
    assert report.rows[1].values == len(g.values()) - 1


@needs_icarus
def test_everything_without_a_unit_in_one_error():
    g = Graph("g")
    x = g.input("x", QType((BATCH, 4, 4, 2), INT8))
    pools = [g.add(Pool(kind=kind, kernel=(2, 2)), x, name=kind) for kind in ("max", "mean")]
    g.output(*pools)
    with pytest.raises(Unsupported) as e:
        verify(g, {"x": np.zeros((1, 4, 4, 2), np.int8)}, against=("verilog",))
    assert len(e.value.problems) == 2
    assert "node 0 pool 'max'" in str(e.value)
    assert "node 1 pool 'mean'" in str(e.value)


REFUSED = {
    "zero points": (lambda: products(zero=(0, 1, 0)), "zero_point (0, 1, 0)"),
    "steps": (lambda: products(scale=(1.0, 2.0, 1.0, 1.0, 4.0, 1.0)), "step a channel"),
    "signs": (
        lambda: products(a=BINARY, b=BINARY, op=MatMul(acc=IntFormat("int10", 10), datapath=SATURATE)),
        "6 products of signs in steps of 4",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, *culprits = REFUSED[name]
    assert_refused(lambda: nodes.units_of(make()[0], 1), *culprits)


def test_too_many_cycles():
    graph, _ = products()
    assert_refused(lambda: nodes.units_of(graph, 1 << 20), "cycles", "1048576 samples", "fewer samples")
