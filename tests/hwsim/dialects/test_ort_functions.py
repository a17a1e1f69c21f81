"""Functions of one value: every code, many types, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnxruntime import InferenceSession

from hwsim.dialects.ort_functions import concat, leaky_relu, requantize, table
from hwsim.formats import INT8, INT16, INT32
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QType
from tests.backends import check_engines
from tests.oracles.ort_ops import between, qlinear

from .one_ort_op import DTYPES, Build, codes, compare, graph_of, kind, refuses

FUNCTIONS = ("Sigmoid", "Tanh", "Exp", "Erf", "Softplus", "HardSigmoid", "LeakyRelu", "Sqrt", "Relu")


def session(op: str) -> InferenceSession:
    """The float function itself in ONNX Runtime."""
    value = helper.make_tensor_value_info
    x, y = value("x", TensorProto.FLOAT, [None]), value("y", TensorProto.FLOAT, [None])
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], "function", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def by_onnxruntime(op: str) -> Build:
    run = session(op)

    def build(g: Graph, x: list[Value], out: QType) -> Value:
        def fn(reals: Any) -> Any:
            return run.run(None, {"x": np.maximum(reals, 0) if op == "Sqrt" else reals})[0]

        return table(g, x[0], out, fn, name="y")

    return build


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", FUNCTIONS)
def test_any_function_between_two_quantizers(op: str, dtype: str) -> None:
    rng, outputs, x = np.random.default_rng(3), 0, codes(dtype).reshape(1, -1)
    build = by_onnxruntime(op)
    for _ in range(400):
        t, out = kind(rng, dtype), kind(rng, dtype)
        t = (t[0], int(x.min())) if op == "Sqrt" else t  # of no negative number
        outputs += compare(between(op, x, t, out, {}), build, [(x, t)], out)
    assert outputs >= 100_000


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_sigmoid_operator_is_that_function(dtype: str) -> None:
    rng, outputs, x, build = np.random.default_rng(4), 0, codes(dtype).reshape(1, -1), by_onnxruntime("Sigmoid")
    for _ in range(400):
        t, out = kind(rng, dtype), kind(rng, dtype)
        outputs += compare(qlinear("QLinearSigmoid", [(x, t)], out, {}), build, [(x, t)], out)
    assert outputs >= 100_000


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_leaky_relu_operator(dtype: str) -> None:
    rng, outputs, x = np.random.default_rng(5), 0, codes(dtype).reshape(1, -1)
    for _ in range(400):
        t, out = kind(rng, dtype), kind(rng, dtype)
        alpha = float(np.float32(rng.choice([0.01, 0.1, 0.25, 0.0, -0.5, rng.uniform(0, 2)])))
        want = qlinear("QLinearLeakyRelu", [(x, t)], out, {"alpha": alpha})
        outputs += compare(want, lambda g, v, o, a=alpha: leaky_relu(g, v[0], o, alpha=a, name="y"), [(x, t)], out)
    assert outputs >= 100_000


def requantized(g: Graph, x: list[Value], out: QType) -> Value:
    return requantize(g, x[0], out, name="y")


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_another_type(dtype: str, level: str) -> None:
    rng, outputs, x = np.random.default_rng(6), 0, codes(dtype).reshape(1, -1)
    while outputs < 200_000:
        t, out = kind(rng, dtype), kind(rng, dtype)
        outputs += compare(between("", x, t, out, {}, level), requantized, [(x, t)], out)


@pytest.mark.parametrize("dtype", DTYPES)
def test_concat(dtype: str) -> None:
    rng, outputs = np.random.default_rng(7), 0
    for i in range(120):
        axis, out = 1 + i % 3, kind(rng, dtype)
        shapes = [(8, *(int(rng.integers(1, 9)) if a + 1 == axis else 7 for a in range(3))) for _ in range(3)]
        parts = [(rng.choice(codes(dtype), s), kind(rng, dtype)) for s in shapes]
        parts[i % 3] = (parts[i % 3][0], out)
        want = qlinear("QLinearConcat", parts, out, {"axis": axis})
        outputs += compare(want, lambda g, v, o, a=axis: concat(g, v, o, axis=a, name="y"), parts, out)
    assert outputs >= 100_000


def test_every_engine_of_ours() -> None:
    x, wide = codes("int8").reshape(1, -1), codes("int16").reshape(1, -1)
    check_engines(graph_of(by_onnxruntime("Sigmoid"), [(x, (0.05, -3))], (1 / 256, -128)), {"x0": x})
    check_engines(graph_of(requantized, [(wide, (0.003, -3000))], (0.007, 12)), {"x0": wide})
    parts = [(x, (0.05, -3)), (x, (0.1, 7))]
    g = graph_of(lambda g, v, o: concat(g, v, o, axis=1, name="y"), parts, (0.1, 7))
    assert [n.op.name for n in g.nodes] == ["lut", "concat"]  # a part of the result's type is not looked up
    check_engines(g, {"x0": x, "x1": x})


def test_what_no_table_holds_is_refused() -> None:
    g, out = Graph(), QType((1,), INT8, 0.1)
    wide, x = g.input("w", QType((BATCH, 3), INT32, 0.1)), g.input("x", QType((BATCH, 3), INT16, 0.1))
    refuses("table 'y': int32 to int8; takes integers of up to 16 bits", lambda: requantize(g, wide, out, name="y"))
    refuses(
        "table 'y': the function gives NaN at -3276.8",
        lambda: table(g, x, out, lambda r: np.where(r < 0, np.nan, r), name="y"),
    )
    refuses("the function gives shape \\(1,\\)", lambda: table(g, x, out, lambda r: r[:1], name="y"))
