"""Weights in blocks by recipe: near float, equal on every engine, refused where blocks mean nothing."""

import numpy as np
import pytest

from hwsim import QTensor, Recipe
from hwsim.blockformats import BLOCK_FORMATS, quantize_blocks
from hwsim.ops import BlockMatMul, MatMul
from hwsim.quantization import quantize_model
from hwsim.simulation import simulate
from tests.backends import check_engines
from tests.compare import assert_refused
from tests.hwsim.lowering.test_patterns import Net, sqnr
from tests.oracles.nets import encoder_net, lowered, samples
from tests.oracles.nets import sqnr as sqnr_of

DECIBELS = {"mx": 15, "nv": 15, "int4": 15, "uint4": 15, "mxfp6": 24, "mxfp8": 24, "mxint8": 28}


def two_layers():
    """K of 40, so that the last block is short; the second layer has no bias."""
    n = Net(40)
    y = n.node("relu", n.node("linear", "x", n.param("w", 24, 40), n.param("b", 24)))
    return n, [n.node("linear", y, n.param("v", 5, 24))]


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_every_block_format(name):
    net, outputs = two_layers()
    g, x = net.graph(*outputs, recipe=Recipe(weights=name))
    made = [n for n in g.nodes if isinstance(n.op, BlockMatMul)]
    assert len(made) == 2
    assert not any(isinstance(n.op, MatMul) for n in g.nodes)
    assert all(g.reach[n.outs[0].name].bits <= 32 for n in made)
    want = max(v for k, v in DECIBELS.items() if name.startswith(k))
    assert sqnr(net, g, x) > want
    engines = ("numba", "c", "ort", "onnx_reference") if name in ("mxfp4", "nvfp4", "uint4_g32") else ("numba", "ort")
    check_engines(g, {"x": x["x"][:4]}, against=engines)


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "int4_g32", "uint4_g64"])
def test_the_weights_are_those_of_quantize_blocks(name):
    """A layer of one-hot inputs reads its weights back, up to the step of the result."""
    n = Net(40)
    y = n.node("linear", "x", n.param("w", 24, 40))
    n.front.outputs = [y]
    eye = np.eye(40, dtype=np.float32)
    g = quantize_model(n.front, [{"x": eye}], Recipe(weights=name, activations="int16")).graph
    (out,) = g.outputs
    got = QTensor(out.type, simulate(g, {"x": eye})[out.name]).dequantize()
    want = quantize_blocks(n.front.params["w"].T, BLOCK_FORMATS[name], axis=0).dequantize()
    ends = QTensor(out.type.reshaped((2,)), np.array([-32768, 32767], np.int16)).dequantize()
    assert np.abs(got - np.clip(want, *ends)).max() < 1e-4 * np.abs(want).max()  # calibrated on the float weights


@pytest.mark.parametrize("contract", ["tfl_single", "tflm_double", "onnx_float"])
def test_every_contract(contract):
    net, outputs = two_layers()
    for name in ("mxfp4", "int4_g32"):
        r = Recipe(weights=name, contract=contract)
        g, x = net.graph(*outputs, recipe=r)
        check_engines(g, {"x": x["x"][:4]}, against=("c", "ort"))


def test_an_encoder():
    front = encoder_net(2, width=32, causal=True)
    data = samples(front)
    g = lowered(front, data, Recipe(weights="mxfp4"))
    (db,) = sqnr_of(front, g, data).values()
    assert db > 12, f"{db:.1f} dB"
    check_engines(g, {"x": data["x"][:3]})


def test_refusals():
    n = Net(3, 8, 8)
    y = n.node("conv2d", "x", n.param("w", 4, 3, 3, 3), stride=[1, 1], dilation=[1, 1], padding=[[0, 0]] * 2, groups=1)
    for name in ("mxfp4", "uint4_g128"):
        assert_refused(lambda name=name: n.graph(y, recipe=Recipe(weights=name)), "conv2d", name, "overrides")
    net, outputs = two_layers()
    shifts = Recipe(weights="int4_g32", contract="pow2")
    assert_refused(lambda: net.graph(*outputs, recipe=shifts), "linear", "pow2")
    assert_refused(lambda: Recipe(activations="mxfp4"), "'mxfp4'")
    assert_refused(lambda: Recipe(weights="mxfp5"), "'mxfp5'")
