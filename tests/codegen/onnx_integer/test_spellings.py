"""What other tools write: QCDQ, 4-bit weights, 16-bit activations, codes at the input, chains of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from codegen.onnx_reader import read_onnx
from hwsim.formats import INT4, INT16, UINT8
from hwsim.graph import Graph
from tests.backends import check_engines
from tests.codegen.onnx_integer.models import differences
from tests.codegen.onnx_integer.qdq import I8, U8, Qdq
from tests.compare import assert_refused

RNG = np.random.default_rng(0)
X = RNG.normal(0, 4, (400, 6)).astype(np.float32)


def graph_of(model: onnx.ModelProto) -> Graph:
    graph = read_onnx(model)
    assert isinstance(graph, Graph)
    return graph


def shares(model: onnx.ModelProto, x: np.ndarray = X, level: str = "ORT_ENABLE_ALL") -> dict[str, tuple[int, int, int]]:
    """Differences; every graph goes through all our engines, too."""
    graph = graph_of(model)
    check_engines(graph, {"x": x[:5]})
    return differences(graph, model.SerializeToString(), x, level)


def same(found: dict[str, tuple[int, int, int]]) -> bool:
    return not any(differ for _, differ, _ in found.values())


def close(found: dict[str, tuple[int, int, int]], share: float) -> bool:
    """Float32 sums of the same codes: ties fall elsewhere, by a step."""
    total, differ = (sum(f[i] for f in found.values()) for i in (0, 1))
    return max(f[2] for f in found.values()) <= 1 and differ <= share * total


def codes_of(kind: Any, low: int, high: int, *shape: int) -> np.ndarray:
    return RNG.integers(low, high, shape).astype(kind)


def test_brevitas_clips_codes() -> None:
    """QCDQ as Brevitas 0.13 writes it: 4 bits in int8, narrowed by Clip; weights in float, quantized in the file."""
    n = Qdq(6)
    quantized = n.quantize("x", 0.9, I8(0))
    x = n.node(
        "DequantizeLinear", n.node("Clip", quantized, n.constant(I8(-8)), n.constant(I8(7))), *n.parameters(0.9, I8(0))
    )
    weights = n.constant(RNG.uniform(-1, 1, (6, 5)).astype(np.float32))
    clipped = n.node("Clip", n.quantize(weights, 0.1, I8(0)), n.constant(I8(-7)), n.constant(I8(7)))
    w = n.node("DequantizeLinear", clipped, *n.parameters(0.1, I8(0)))
    model = n.done(n.node("MatMul", x, w), 0.3, I8(0))
    graph = graph_of(model)
    (narrow,) = (g for g in graph.nodes if g.outs[0].name.startswith("clip"))
    assert graph.reach[narrow.outs[0].name] == (-8, 7)
    (codes,) = (t.codes for name, t in graph.constants.items() if name.endswith(".weight"))
    assert (codes.min(), codes.max()) == (-7, 7)
    assert close(shares(model, level="ORT_DISABLE_ALL"), 0.01)


def test_weights_of_4_bits() -> None:
    n = Qdq(6)
    n.tensors.append(helper.make_tensor("w4", TensorProto.INT4, (6, 5), codes_of(I8, -8, 8, 6, 5).reshape(-1)))
    scales = np.asarray([0.1, 0.2, 0.05, 0.4, 0.25], np.float32)
    zeros = helper.make_tensor("z4", TensorProto.INT4, (5,), [0] * 5)
    n.tensors.append(zeros)
    w = n.node("DequantizeLinear", "w4", n.constant(scales), "z4", axis=1)
    model = n.done(n.node("MatMul", n.x, w), 0.3, U8(100))
    graph = graph_of(model)
    (weight,) = (t for name, t in graph.constants.items() if name.endswith(".weight"))
    assert weight.type.fmt == INT4
    assert close(shares(model, level="ORT_DISABLE_ALL"), 0.01)


def test_activations_of_16_bits() -> None:
    n = Qdq(6, scale=2.0**-12, zero=np.int16(0))
    w = n.codes(codes_of(I8, -127, 128, 6, 5), 0.01, I8(0))
    model = n.done(n.node("MatMul", n.x, w), 2.0**-11, np.int16(0))
    graph = graph_of(model)
    assert {v.type.fmt for v in graph.outputs} == {INT16}
    # Why not all optimisations: ONNX Runtime 1.32 rewrites this product then, and is up to 49 steps off its own answer
    assert close(shares(model, X / 4, "ORT_ENABLE_BASIC"), 0.005)


def test_codes_at_the_input_and_the_output() -> None:
    """A QOperator layer alone: uint8 in, uint8 out."""
    value = helper.make_tensor_value_info
    arrays = {
        "xs": np.float32(0.1), "xz": U8(3), "w": codes_of(I8, -64, 65, 6, 5), "ws": np.float32(0.02), "wz": I8(0),
        "ys": np.float32(0.2), "yz": U8(90),
    }  # fmt: skip
    node = helper.make_node("QLinearMatMul", ["x", *arrays], ["y"])
    graph = helper.make_graph(
        [node], "codes", [value("x", TensorProto.UINT8, ["N", 6])], [value("y", TensorProto.UINT8, ["N", 5])],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()],
    )  # fmt: skip
    made = graph_of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    assert [(v.name, v.type.fmt, v.type.zero_point) for v in made.inputs] == [("x", UINT8, 3)]
    assert [v.name for v in made.outputs] == ["y"]


Chain = Callable[[Qdq], Any]
CHAINS: dict[str, Chain] = {
    "gelu by erf": lambda n: n.node(
        "Mul",
        n.node("Mul", n.x, n.node("Add", n.node("Erf", n.node("Div", n.x, n.constant(np.float32(1.4142135)))), one(n))),
        n.constant(np.float32(0.5)),
    ),
    "gelu": lambda n: n.node("Gelu", n.x),
    "silu": lambda n: n.node("Mul", n.x, n.node("Sigmoid", n.x)),
    "hard swish": lambda n: n.node("HardSwish", n.x),
    "square": lambda n: n.node("Mul", n.node("Abs", n.x), n.x),
    "shifted": lambda n: n.node("Sub", n.node("Tanh", n.x), n.constant(np.float32(0.25))),
    "another type": lambda n: n.x,
}


def one(n: Qdq) -> str:
    return n.constant(np.float32(1))


@pytest.mark.parametrize("zero", [U8(120), I8(-3), np.int16(500)], ids=str)
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_of_functions_is_a_table(name: str, zero: Any) -> None:
    scale = 0.05 if np.dtype(zero).itemsize == 1 else 0.0004
    n = Qdq(6, scale=scale, zero=zero)
    model = n.done(CHAINS[name](n), 1.7 * scale, zero)
    graph = graph_of(model)
    assert [g.op.name for g in graph.nodes] == ["lut"]
    assert same(shares(model, level="ORT_DISABLE_ALL"))


def test_codes_that_move_without_a_quantizer_of_their_own() -> None:
    n = Qdq(2, 3)
    w = n.codes(codes_of(I8, -64, 65, 6, 5), 0.02, I8(0))
    flat = n.node("Flatten", n.node("Transpose", n.x, perm=[0, 2, 1]))
    model = n.done(n.node("Relu", n.node("MatMul", flat, w)), 0.1, U8(0))
    assert close(shares(model, X.reshape(-1, 2, 3), "ORT_DISABLE_ALL"), 0.01)
    assert [g.op.name for g in graph_of(model).nodes] == ["transpose", "reshape", "matmul", "requant"]


def test_a_clamp_goes_into_the_requantization() -> None:
    n = Qdq(6)
    w = n.codes(codes_of(I8, -64, 65, 6, 5), 0.02, I8(0))
    limits = (n.constant(np.float32(-1)), n.constant(np.float32(6)))
    model = n.done(n.node("Clip", n.node("MatMul", n.x, w), *limits), 0.1, U8(60))
    graph = graph_of(model)
    op: Any = graph.nodes[-1].op
    assert (op.lo, op.hi) == (50, 120)
    assert close(shares(model, level="ORT_DISABLE_ALL"), 0.01)


REFUSED: dict[str, tuple[Callable[[Qdq], Any], tuple[str, ...]]] = {
    "a sum of reals that nobody quantized": (
        lambda n: n.node("Add", n.node("Gelu", n.x), n.node("Tanh", "x")),
        ("Add",),
    ),
    "a product with a vector": (lambda n: n.node("MatMul", n.x, n.constant(np.ones((6, 3), np.float32))), ("weights",)),
    "other parameters at the other end": (
        lambda n: n.node("DequantizeLinear", n.quantize("x", 0.1, U8(0)), *n.parameters(0.2, U8(0))),
        ("0.2", "0.1"),
    ),
    "softmax over channels": (lambda n: n.node("Softmax", n.x, axis=0), ("axis 0",)),
    "dynamic": (lambda n: n.node("DynamicQuantizeLinear", "x", outs=3)[0], ("run time",)),
    "no finite scale": (lambda n: n.pair("x", np.inf, U8(0)), ("inf",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, culprits = REFUSED[name]
    n = Qdq(6)
    model = n.done(make(n))
    assert_refused(lambda: read_onnx(model), *culprits)
