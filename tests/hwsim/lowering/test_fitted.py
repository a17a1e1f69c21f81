"""Fitted tables of a recipe: who gets one, what its argument's type becomes, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from algos.gqa_lut import tables
from hwsim import INT8, INT16, Recipe
from hwsim.front_ops import UNARY
from hwsim.ops import Lut, Pwl
from hwsim.quantization import quantize_model
from hwsim.recipe import TABLED
from hwsim.tables import exponent_of, is_power_of_two
from tests.backends import check_engines
from tests.compare import assert_refused
from tests.hwsim.lowering.test_patterns import Net, sqnr
from tests.oracles.nets import encoder_net, lowered, samples
from tests.oracles.nets import sqnr as sqnr_of

TABLES = tables()
SMOOTH = ("gelu", "hardswish", "hardsigmoid", "sigmoid", "tanh", "silu")


def activation(op, spread=1.0, **attrs):
    n = Net(8)
    w = n.param("w", 8, 8, scale=spread)
    y = n.node(op, n.node("reshape", n.node("linear", "x", w), shape=[2, 4]), **attrs)
    return n, [y, n.node("linear", n.node("reshape", y, shape=[8]), n.param("v", 8, 8))]


@pytest.mark.parametrize("op", [*SMOOTH, "gelu_tanh"])
def test_activations(op):
    attrs = {"approximate": "tanh"} if op == "gelu_tanh" else {}
    net, outputs = activation(op.removesuffix("_tanh"), **attrs)
    g, x = net.graph(*outputs, recipe=Recipe(tables=TABLES))
    (node,) = (n for n in g.nodes if isinstance(n.op, Pwl))
    assert not any(isinstance(n.op, Lut) for n in g.nodes)
    for value in (node.ins[0], *(n.outs[0] for n in g.nodes if n.outs[0].name.startswith("linear1"))):
        if value.type.fmt == INT8:
            assert (is_power_of_two(value.type.scale), value.type.zero_point) == (True, 0)
    assert sqnr(net, g, x) > 20
    check_engines(g, {"x": x["x"][:4]}, against=("numba", "c", "ort") if op == "gelu" else ("numba",))


def test_every_function_of_a_value_may_have_a_table():
    used = {"gelu_tanh", *(op.replace("hardsw", "hsw").replace("hards", "hs") for op in SMOOTH)}
    assert used | {"exp", "log", "reciprocal", "rsqrt"} == set(TABLED)
    assert set(UNARY) == {*SMOOTH, "relu", "relu6"}


def test_other_functions_keep_their_whole_tables():
    nets = [(activation("tanh"), Recipe(tables=t)) for t in ({}, {"gelu": TABLES["gelu"]})]
    without, beside = ([n.op for n in net.graph(*outputs, recipe=r)[0].nodes] for (net, outputs), r in nets)
    assert without == beside
    assert any(isinstance(op, Lut) for op in beside)


def test_small_ranges_take_the_finest_step():
    net, outputs = activation("gelu", spread=0.001)
    g, _ = net.graph(*outputs, recipe=Recipe(tables=TABLES))
    (x,) = (n.ins[0] for n in g.nodes if isinstance(n.op, Pwl))
    assert exponent_of(x.type) == -6


def test_a_step_that_the_table_lacks_gives_way_to_the_next_coarser_one():
    some = {n: s for n, s in TABLES["gelu"].scales.items() if n in (0, 3)}
    net, outputs = activation("gelu")
    g, _ = net.graph(*outputs, recipe=Recipe(tables={"gelu": replace(TABLES["gelu"], scales=some)}))
    (x,) = (n.ins[0] for n in g.nodes if isinstance(n.op, Pwl))
    assert x.type.scale in (2.0**-3, 1.0)


def test_an_encoder_whose_functions_are_all_fitted():
    front = encoder_net(2, causal=True)
    data = samples(front)
    made = lowered(front, data, Recipe(tables=TABLES))
    fitted = {n.outs[0].name.rpartition(".")[2] for n in made.nodes if isinstance(n.op, Pwl)}
    assert fitted == {"exact", "exp", "reciprocal", "rsqrt"}  # gelu, softmax, norms
    assert not any(isinstance(n.op, Lut) and len(n.op.table) > 64 for n in made.nodes)
    (db,), (whole,) = (sqnr_of(front, g, data).values() for g in (made, lowered(front, data, Recipe())))
    assert db > min(22, whole - 3), f"{db:.1f} dB, whole tables {whole:.1f}"
    check_engines(made, {"x": data["x"][:3]})


@pytest.mark.parametrize("contract", ["pow2", "tfl_single", "tflm_double", "onnx_float"])
def test_every_contract(contract):
    front = encoder_net(1)
    data = samples(front)
    check_engines(
        lowered(front, data, Recipe(tables=TABLES, contract=contract)), {"x": data["x"][:3]}, against=("c", "ort")
    )


def test_sixteen_bit_inputs():
    wide = tables(("gelu", "exp", "reciprocal", "rsqrt"), 16, fmt=INT16)
    front = encoder_net(1)
    data = samples(front)
    r = Recipe(tables=wide, activations="int16", softmax={"z": "int16", "z_step": 2.0**-6})
    g = lowered(front, data, r)
    (db,) = sqnr_of(front, g, data).values()
    assert db > 30, f"{db:.1f} dB"
    check_engines(g, {"x": data["x"][:3]}, against=("numba", "c", "ort"))


def test_refusals():
    net, outputs = activation("gelu", spread=500)
    assert_refused(lambda: net.graph(*outputs, recipe=Recipe(tables=TABLES)), "'linear0'", "gelu", "2**-0")
    net, outputs = activation("gelu")
    assert_refused(
        lambda: net.graph(*outputs, recipe=Recipe(tables=TABLES, activations="int16")), "int8", "fit it for int16"
    )
    front = encoder_net(1)
    data = samples(front)
    fine = Recipe(tables=TABLES, softmax={"z_step": 2.0**-7})
    assert_refused(lambda: quantize_model(front, [data], fine), "exp", "2**-7")
    odd = Recipe(tables=TABLES, softmax={"z_step": 0.07})
    assert_refused(lambda: quantize_model(front, [data], odd), "exp", "0.07", "power of two")
    assert np.isfinite(data["x"]).all()
