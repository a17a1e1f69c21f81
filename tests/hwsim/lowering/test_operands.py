"""Operands in formats of their own: copies before layers and products, floats, blocks, steps one a channel."""

import numpy as np
import pytest

from hwsim import FP4_E2M1, INT8, INT16, QTensor, Recipe, quantize, simulate
from hwsim.calibration import calibrate
from hwsim.formats import format_named
from hwsim.front import FrontGraph, FrontNode, Mark
from hwsim.lowering import lower
from hwsim.lowering.operands import operand_copies
from hwsim.lowering.simplify import simplify
from hwsim.ops import BlockMatMul, BlockQuantize
from hwsim.quantization import quantize_model, settle
from tests.backends import check_engines
from tests.compare import assert_refused, assert_same
from tests.oracles.nets import encoder_net, linear_net, lowered, residual_net, samples, sqnr

FLOOR = {"fp4_e2m1": 6, "int4": 6, "fp6_e2m3": 18, "fp8_e3m4": 22, "mxfp4": 9, "mxfp6_e2m3": 18, "mxint8": 22}


def copies(front):
    return [(n.ins[0], n.out, n.attrs["operand"]) for n in front.nodes if "operand" in n.attrs]


def saturated(x, t):
    """`x` within what type `t` of 16 bits can name."""
    return np.clip(x, *QTensor(t.reshaped((2,)), np.array([-32768, 32767], np.int16)).dequantize())


def test_a_copy_for_each_format_before_layers_and_products():
    front = residual_net(0)
    made = operand_copies(front, Recipe(operands="fp4_e2m1"))
    assert copies(made) == [(x, f"{x}.operand", "fp4_e2m1") for x in ("flat", "act1", "act2")]
    assert copies(operand_copies(made, Recipe(operands="fp4_e2m1"))) == copies(made)
    assert copies(operand_copies(front, Recipe())) == []
    two = Recipe(operands="fp4_e2m1", overrides=(("fc3", {"operands": "int8"}), ("fc2", {"operands": ""})))
    assert copies(operand_copies(front, two)) == [
        ("flat", "flat.operand", "fp4_e2m1"),
        ("act2", "act2.operand", "int8"),
    ]


def test_layers_that_read_one_value_share_its_copy_and_blocks_leave_products_alone():
    front = encoder_net(0)
    linears = [n for n in front.nodes if n.op == "linear"]
    products = [n for n in front.nodes if n.op == "matmul"]
    floats, blocks = (simplify(front, Recipe(operands=f)) for f in ("fp4_e2m1", "mxfp4"))
    assert len(copies(blocks)) == len({n.ins[0] for n in linears})
    assert len(copies(floats)) == len({i for n in linears for i in n.ins[:1]} | {i for n in products for i in n.ins})
    assert not any(n.out.endswith(".narrow") for n in floats.nodes)  # the copy reads the wide value itself


def test_a_name_that_is_taken_gets_a_number():
    front = residual_net(0)
    front.params["flat.operand"] = np.zeros(1, np.float32)
    assert copies(operand_copies(front, Recipe(operands="int4")))[0][1] == "flat.operand.1"


@pytest.mark.parametrize("name", FLOOR)
def test_an_encoder_with_operands_on_every_engine(name):
    front = encoder_net(0)
    data = samples(front)
    g = lowered(front, data, Recipe(weights=name, operands=name))
    assert min(sqnr(front, g, data).values()) > FLOOR[name]
    check_engines(g, {k: x[:3] for k, x in data.items()})


def test_float_operands_are_what_hwsim_quantize_makes_but_for_ties_of_the_grid():
    front = linear_net(np.eye(16))
    data = samples(front)
    g = lowered(front, data, Recipe(activations="int16", weights="int8", operands="fp4_e2m1"))
    (v,) = [v for v in g.values() if v.name == "x.operand"]
    assert v.type.fmt == FP4_E2M1
    got = QTensor(v.type, simulate(g, data, trace=True)["x.operand"]).dequantize()
    want = v.type.scale * np.ldexp(FP4_E2M1.to_int(FP4_E2M1.encode(data["x"] / v.type.scale)), -1)
    assert (got != want).mean() < 0.08  # next to a tie, within half a step of the finer grid
    assert np.abs(got - want).max() <= 2 * v.type.scale


def test_block_operands_are_the_blocks_of_what_was_read():
    """One-hot weights read the operand back: exponents and codes of each block as OCP has them."""
    front = linear_net(np.eye(64))
    x = np.random.default_rng(0).normal(0, 1, (32, 64)).astype(np.float32) * np.exp2(np.arange(64) // 32 * 3)
    g = quantize_model(front, [{"x": x}], Recipe(activations="int16", weights="mxint8", operands="mxfp4")).graph
    (op,) = [n.op for n in g.nodes if isinstance(n.op, BlockMatMul)]
    assert op.left
    assert any(isinstance(n.op, BlockQuantize) for n in g.nodes)
    trace = simulate(g, {"x": x}, trace=True)
    read = QTensor(next(v.type for v in g.values() if v.name == "x.operand"), trace["x.operand"])
    assert read.type.fmt == INT16
    assert np.frexp(read.type.scale)[0] == 0.5
    blocks = read.dequantize().reshape(32, 2, 32)
    exponent = np.floor(np.log2(np.abs(blocks).max(-1))) - 2
    scale = np.exp2(exponent)[..., None]
    want = scale * FP4_E2M1.to_int(FP4_E2M1.encode(blocks / scale)) / 2
    out = g.outputs[0].type
    got = QTensor(out, trace[g.outputs[0].name]).dequantize()
    off = np.abs(got - saturated(want.reshape(32, 64), out))
    assert off.max() <= out.scale  # half a step, and 2**-17 of a multiplier


def test_steps_one_a_channel_come_as_a_mark():
    weight = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    front = simplify(linear_net(weight), Recipe(weights="fp4_e2m1", operands="fp4_e2m1"))
    steps = (0.25, 1.0, 0.5, 2.0)
    front.marks["x.operand"] = Mark(steps)
    data = {"x": (np.random.default_rng(1).normal(size=(64, 4)) * 4 * np.array(steps)).astype(np.float32)}
    recipe = Recipe(activations="int16", weights="fp4_e2m1", operands="fp4_e2m1")
    g = lower(front, calibrate(front, [data], recipe), recipe)
    v = next(v for v in g.values() if v.name == "x.operand")
    assert (v.type.scale, v.type.axis) == (steps, 1)
    want = FP4_E2M1.encode(QTensor(g.inputs[0].type, simulate(g, data, trace=True)["x"]).dequantize() / np.array(steps))
    got = simulate(g, data, trace=True)["x.operand"]
    assert (got != want).mean() < 0.05
    check_engines(g, {"x": data["x"][:16]})


@pytest.mark.parametrize("weights", ["int8", "int4", "fp8_e4m3", "ternary"])
def test_block_operands_under_weights_of_elements(weights):
    """One scale a column: the sum is the dot product of the operand as it was quantized with those weights."""
    rng = np.random.default_rng(0)
    front = linear_net(rng.normal(size=(5, 40)), rng.normal(size=5))
    data = samples(front)
    g = lowered(front, data, Recipe(weights=weights, operands="mxint8", activations="int16"))
    (node,) = [n for n in g.nodes if isinstance(n.op, BlockMatMul)]
    assert node.op.left
    assert (
        g.constants["fc.scales"].type.scale == quantize(front.params["w"].T, format_named(weights), axis=1).type.scale
    )
    trace = simulate(g, data, trace=True)
    w = quantize(front.params["w"].T, format_named(weights), axis=1).dequantize()
    v = {v.name: v for v in g.values()}
    exponents = trace["x.operand.exponents"].astype(int) - 127
    read = QTensor(v["x.operand.codes"].type, trace["x.operand.codes"]).dequantize()
    read *= np.exp2(np.repeat(exponents, 32, 1)[:, :40])
    out = g.outputs[0].type
    got = QTensor(out, trace[g.outputs[0].name]).dequantize()
    want = read @ w + front.params["b"]
    assert np.abs(got - saturated(want, out)).max() <= 2 * out.scale
    check_engines(g, {"x": data["x"][:16]})


def test_a_wide_range_of_exponents_is_rounded_away_block_by_block():
    """MXFP8 on both sides: what int64 does not hold, a coarser accumulator does."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 128)) * np.exp2(-6.0 * (np.arange(128) // 32))
    front = linear_net(weight, rng.normal(size=4))
    data = samples(front)
    g = lowered(front, data, Recipe(weights="mxfp8_e4m3", operands="mxfp8_e4m3"))
    (op,) = [n.op for n in g.nodes if isinstance(n.op, BlockMatMul)]
    assert op.rounding == "half_up"
    assert min(sqnr(front, g, data).values()) > 20
    check_engines(g, {"x": data["x"][:8]})


def test_conv_layers_keep_the_format_of_activations():
    n = FrontGraph("c", {"x": (2, 4)}, {"w": np.ones((3, 2, 1), np.float32)})
    attrs = {"stride": [1], "dilation": [1], "padding": [[0, 0]], "groups": 1}
    n.nodes, n.outputs = [FrontNode("conv1d", ("x", "w"), "y", attrs)], ["y"]
    g = lowered(n, samples(n), Recipe(operands="fp4_e2m1"))
    assert {v.type.fmt for v in g.inputs} == {INT8}


REFUSED = {
    "blocks of two sizes": (Recipe(operands="mxfp4", weights="int4_g64"), "'fc'", "blocks of 32", "blocks of 64"),
    "scales that no shift makes": (Recipe(operands="nvfp4", weights="nvfp4"), "nvfp4", "e8m0", "mxfp4"),
    "floats as activations": (Recipe(activations="fp4_e2m1"), "fp4_e2m1", "operands"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what):
    recipe, *culprits = REFUSED[what]
    front = linear_net(np.eye(16))
    assert_refused(lambda: lowered(front, samples(front), recipe), *culprits)


def test_recipes_name_formats_that_exist():
    assert_refused(lambda: Recipe(operands="fp3"), "'fp3'")
    assert Recipe.from_dict(Recipe(operands="mxfp4").to_dict()) == Recipe(operands="mxfp4")


def test_products_of_float_operands_are_symmetric_and_exact():
    front = encoder_net(1)
    data = samples(front)
    g = lowered(front, data, Recipe(weights="int4", operands="int4"))
    names = {n.out for n in simplify(front, Recipe(operands="int4")).nodes if "operand" in n.attrs}
    product = [n for n in g.nodes if n.op.name == "matmul" and n.ins[1].name not in g.constants]
    assert product
    assert all(n.ins[0].type.zero_point == 0 for n in product)
    assert names & {n.ins[0].name for n in g.nodes}
    assert_same(simulate(g, data)[g.outputs[0].name], simulate(g, data, engine="numpy")[g.outputs[0].name])


def test_coarse_products_on_a_fine_result_are_shifted_left_exactly():
    """4 by 4 bits onto steps of 2**-20 of the largest: more than dyadic16 multiplies by."""
    front = linear_net(np.random.default_rng(0).normal(size=(6, 4)))
    data = samples(front)
    g = lowered(front, data, Recipe(weights="int2", operands="int2", overrides=(("fc", {"activations": "int24"}),)))
    (shift,) = [n for n in g.nodes if n.op.name == "shift"]
    assert shift.outs[0].name == "fc.finer"
    assert shift.op.bits < 0
    check_engines(g, {"x": data["x"][:16]})


@pytest.mark.parametrize("operands", ["fp8_e5m2", "fp8_e4m3", "fp6_e4m1", "fp4_e3m0", "int8"])
@pytest.mark.parametrize("weights", ["int8", "fp8_e4m3"])
def test_wide_floats_leave_the_weights_their_scales(operands, weights):
    rng = np.random.default_rng(0)
    front = linear_net(rng.normal(size=(16, 8)), rng.normal(size=16))
    data = samples(front)
    recipe = Recipe(weights=weights, operands=operands, activations="int16")
    g = lowered(front, data, recipe)
    ideal = quantize(front.params["w"].T, format_named(weights), axis=1).type.scale
    if (weights, operands) == ("fp8_e4m3", "fp8_e5m2"):  # the bias leaves 48 bits of products of 50
        assert min(sqnr(front, g, data).values()) > 15
    else:
        assert g.constants["fc.weight"].type.scale == pytest.approx(ideal)
    check_engines(g, {"x": data["x"][:8]})


def test_steps_far_apart_leave_the_weights_their_scales():
    rng = np.random.default_rng(0)
    front = simplify(linear_net(rng.normal(size=(6, 4)), rng.normal(size=6)), Recipe(operands="fp6_e4m1"))
    front.marks["x.operand"] = Mark((1.0, 2.0**-15, 0.5, 1.0))
    data = samples(front)
    recipe = Recipe(operands="fp6_e4m1", activations="int16")
    g = lower(front, calibrate(front, [data], recipe), recipe)
    ideal = quantize(front.params["w"].T, INT8, axis=1).type.scale
    assert g.constants["fc.weight"].type.scale == pytest.approx(ideal)
    check_engines(g, {"x": data["x"][:8]})


def test_a_recipe_that_changed_after_calibration_is_refused():
    front = residual_net(0)
    data = samples(front)
    settled = settle(front, [data], Recipe(operands="fp4_e2m1"))
    for other in ("int8", ""):
        recipe = Recipe(operands=other)
        assert_refused(lambda r=recipe: lower(settled.front, settled.ranges, r), "fp4_e2m1", repr(other), "calibrate")


def test_overrides_of_operands_must_name_a_reader():
    front = residual_net(0)
    for name in ("act1", "flat"):
        recipe = Recipe(overrides=((name, {"operands": "int4"}),))
        assert_refused(lambda r=recipe: settle(front, [samples(front)], r), f"'{name}'", "match no layer")


def test_equalized_weights_reach_through_copies():
    front = residual_net(0)
    data = samples(front)
    params = {
        operands: set(settle(front, [data], Recipe(operands=operands, equalize="weights")).front.params)
        for operands in ("", "int4")
    }
    assert any("equalized" in name for name in params[""])
    assert params["int4"] == params[""]
