"""Accumulators by recipe: ops as a hand-built graph has them, sums by Python integers, every engine, refusals."""

import numpy as np
import pytest

from hwsim import Recipe, simulate
from hwsim.formats import INT8, IntFormat
from hwsim.ops import Conv2d, MatMul
from hwsim.ops.datapath import Datapath
from hwsim.qtensor import quantize
from tests.backends import check_engines
from tests.compare import assert_refused, assert_same
from tests.hwsim.lowering.test_patterns import Net
from tests.oracles.nets import linear_net, lowered, samples

SATURATE = Datapath(overflow="saturate")
PATHS = {
    "saturate": SATURATE,
    "wrap": Datapath(overflow="wrap"),
    "drop": Datapath(overflow="saturate", drop=3, tree=4),
    "magnitude": Datapath(overflow="saturate", drop=2, signs="magnitude"),
}


def two_layers(bias=0.2):
    rng = np.random.default_rng(3)
    return linear_net(rng.normal(size=(5, 24)), rng.normal(size=5) * bias, relu=True)


def python_sums(x, w, start, path, lo, hi):
    """One row at a time, one product at a time."""
    y = []
    for n in range(w.shape[1]):
        acc, part = int(start[n]), 0
        for k in range(len(w)):
            p = int(x[k]) * int(w[k, n])
            part += p >> path.drop if path.signs == "twos" or p >= 0 else -(-p >> path.drop)
            if (k + 1) % path.tree == 0 or k + 1 == len(w):
                acc, part = acc + part, 0
                acc = min(max(acc, lo), hi) if path.overflow == "saturate" else (acc - lo) % (hi - lo + 1) + lo
        y.append(acc)
    return y


@pytest.mark.parametrize("name", PATHS)
def test_a_linear_layer_is_the_hand_built_one(name):
    front, path = two_layers(), PATHS[name]
    data = samples(front)
    g = lowered(front, data, Recipe(accumulator="int12", datapath=path))
    (node,) = (n for n in g.nodes if isinstance(n.op, MatMul))
    assert node.op == MatMul(acc=IntFormat("int12", 12), datapath=path)
    x, w, start = node.ins[0].type, g.constants["fc.weight"], g.constants["fc.bias"]
    want = quantize(front.params["w"].T.astype(np.float64), INT8, axis=1)
    assert x.zero_point == 0
    assert_same(want.codes, w.codes)
    step = x.scale * np.array(w.type.scale) * 2**path.drop
    assert start.type.fmt == node.op.acc
    assert_same(np.rint(front.params["b"].astype(np.float64) / step).astype(np.int16), start.codes)
    assert np.allclose(step, node.outs[0].type.lsb, rtol=1e-12)
    got = simulate(g, data, trace=True)
    lo, hi = (-2047 if path.signs == "magnitude" else -2048), 2047
    sums = [python_sums(row, w.codes, start.codes, path, lo, hi) for row in got["x"][:50].tolist()]
    assert_same(np.array(sums, np.int16), got["act.acc"][:50])
    plain = got["x"].astype(np.int64) @ w.codes + start.codes
    assert (plain != got["act.acc"]).any(), "nothing overflows here"
    check_engines(g, {"x": data["x"][:20]})


@pytest.mark.parametrize("name", PATHS)
def test_convolutions(name):
    n, path = Net(4, 6, 6), PATHS[name]
    y = n.node("relu", n.conv(n.conv("x", 4, 8), 8, 8, groups=8, stride=2))
    g, x = n.graph(y, recipe=Recipe(weights="int4", accumulator="int10", datapath=path))
    made = [m.op for m in g.nodes if isinstance(m.op, Conv2d)]
    assert [(op.acc.bits, op.datapath, op.groups) for op in made] == [(10, path, 1), (10, path, 8)]
    check_engines(g, {"x": x["x"][:4]})


def test_conv1d_and_pow2():
    n = Net(4, 9)
    recipe = Recipe(contract="pow2", accumulator="int11", datapath=SATURATE)
    g, x = n.graph(n.conv1d("x", 4, 6), recipe=recipe)
    assert [m.op.acc.bits for m in g.nodes if isinstance(m.op, Conv2d)] == [11]
    check_engines(g, {"x": x["x"][:4]})


def test_a_proven_accumulator_is_the_default_with_another_width():
    front = two_layers()
    data = samples(front)
    plain, named = (lowered(front, data, Recipe(symmetric=True, accumulator=name)) for name in ("", "int24"))
    assert [n.op.acc.name for g in (plain, named) for n in g.nodes if isinstance(n.op, MatMul)] == ["int32", "int24"]
    a, b = (simulate(g, data, trace=True) for g in (plain, named))
    assert_same(a["act"], b["act"])
    assert_same(a["act.acc"], b["act.acc"])
    assert_refused(lambda: lowered(front, data, Recipe(accumulator="int16")), "'act.acc'", "outside int16")


def test_one_layer_alone():
    """Its input needs no zero point that is folded, so what it reads goes symmetric too."""
    n = Net(12)
    y = n.node("relu", n.node("linear", "x", n.param("w", 9, 12), n.param("b", 9, scale=0.1), out="fc1"), out="act")
    y = n.node("linear", y, n.param("v", 4, 9), out="fc2")
    path = {"overflow": "wrap"}
    recipe = Recipe(overrides=(("fc1", {"accumulator": "int14", "datapath": path}), ("x", {"symmetric": True})))
    g, x = n.graph(y, recipe=recipe)
    made = [m.op for m in g.nodes if isinstance(m.op, MatMul)]
    assert [(op.acc.bits, op.datapath.overflow) for op in made] == [(14, "wrap"), (32, "refuse")]
    assert g.known["x"].type.zero_point == 0
    check_engines(g, {"x": x["x"][:4]})


@pytest.mark.parametrize("drop", [0, 1, 4, 7])
@pytest.mark.parametrize("signs", ["twos", "magnitude"])
def test_inputs_of_zero_leave_the_bias_whatever_is_dropped(drop, signs):
    front = two_layers()
    data = {"x": samples(front)["x"] + np.float32(2)}
    path = Datapath(overflow="saturate", drop=drop, signs=signs)
    overrides = (("fc", {"accumulator": "int28", "datapath": path}),)
    g = lowered(front, data, Recipe(overrides=overrides))
    x = g.known["x"].type
    assert x.zero_point != 0
    codes = np.full((1, 24), x.zero_point, np.int8)
    got = simulate(g, {"x": codes}, trace=True)["act.acc"]
    step = np.array(g.known["act.acc"].type.lsb)
    assert_same(np.rint(front.params["b"].astype(np.float64) / step).astype(np.int32)[None], got)
    assert np.allclose(step, x.scale * np.array(g.constants["fc.weight"].type.scale) * 2**drop, rtol=1e-12)


def test_refusals():
    front = two_layers(bias=40)
    data = samples(front)
    recipe = Recipe(accumulator="int12", datapath=SATURATE)
    g = lowered(front, data, Recipe(symmetric=True))
    reach = int(np.abs(g.constants["fc.bias"].codes).max())
    bits = reach.bit_length() + 1
    assert_refused(
        lambda: lowered(front, data, recipe), "'fc'", f"{bits} bits", "int12 holds -2048..2047", "[overrides."
    )
    lowered(front, data, Recipe(accumulator=f"int{bits}", datapath=SATURATE))
    alone = Recipe(overrides=(("fc", {"accumulator": "int12", "datapath": {"overflow": "wrap"}}),))
    shifted = {"x": data["x"] + np.float32(2)}
    assert_refused(lambda: lowered(two_layers(), shifted, alone), "'fc'", "zero_point", "symmetric = true")
    for name in ("mxfp4", "int4_g32"):
        blocks = Recipe(weights=name, accumulator="int16", datapath=SATURATE)
        assert_refused(lambda r=blocks: lowered(front, data, r), "'fc'", "int16", name, "overrides")
