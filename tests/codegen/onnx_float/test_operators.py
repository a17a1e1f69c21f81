"""Each operator's front graph computes what ONNX Runtime does, for an open batch and for a fixed one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codegen.onnx_float import front_graph
from codegen.onnx_model import load_model
from codegen.unsupported import Unsupported
from hwsim.front_ops import FRONT_OPS

from .outside import model, ort_answers, reals

I64 = np.int64
IMAGE, LINE, ROW = {"x": (4, 9, 7)}, {"x": (4, 11)}, {"x": (3, 8)}
CASES: dict[str, tuple[str, dict[str, tuple[int, ...]], dict[str, Any], int, str]] = {
    "conv2d": ("y = Conv<pads=[1,0,2,1], strides=[2,1]>(x, w, b)", IMAGE, {"w": (6, 4, 3, 3), "b": (6,)}, 13, "conv2d"),
    "depthwise": ("y = Conv<group=4, dilations=[2,2]>(x, w)", IMAGE, {"w": (4, 1, 3, 3)}, 22, "conv2d"),
    "conv1d": ('y = Conv<auto_pad="SAME_UPPER", strides=[2]>(x, w)', LINE, {"w": (5, 4, 4)}, 17, "conv1d"),
    "same lower": ('y = Conv<auto_pad="SAME_LOWER", strides=[2,2]>(x, w)', IMAGE, {"w": (5, 4, 4, 2)}, 17, "conv2d"),
    "valid": ('y = Conv<auto_pad="VALID">(x, w)', LINE, {"w": (5, 4, 3)}, 17, "conv1d"),
    "gemm": ("y = Gemm<transB=1>(x, w, b)", {"x": (8,)}, {"w": (5, 8), "b": (5,)}, 13, "linear"),
    "gemm scaled": ("y = Gemm<alpha=0.5, beta=2.0>(x, w, b)", {"x": (8,)}, {"w": (8, 5), "b": (1, 5)}, 13, "linear"),
    "gemm scalar": ("y = Gemm(x, w, b)", {"x": (8,)}, {"w": (8, 5), "b": ()}, 13, "linear"),
    "matmul": ("y = MatMul(x, w)", ROW, {"w": (8, 5)}, 13, "linear"),
    "matmul bias": ("m = MatMul(x, w)\ny = Add(b, m)", ROW, {"w": (8, 5), "b": (5,)}, 13, "linear"),
    "products": ("t = Transpose<perm=[0,2,1]>(x)\ny = MatMul(x, t)", ROW, {}, 13, "matmul"),
    "batch norm": (
        "v = Mul(s, s)\ny = BatchNormalization(x, g, b, m, v)", IMAGE,
        {"g": (4,), "b": (4,), "m": (4,), "s": (4,)}, 15, "batch_norm",
    ),
    "add": ("y = Add(c, x)", ROW, {"c": (3, 8)}, 14, "add"),
    "add values": ("s = Mul(x, c)\ny = Add(x, s)", ROW, {"c": ()}, 14, "add"),
    "sub": ("y = Sub(x, c)", ROW, {"c": (1, 3, 1)}, 14, "add"),
    "sub from": ("y = Sub(c, x)", ROW, {"c": ()}, 14, "mul"),
    "sub values": ("s = Mul(x, c)\ny = Sub(x, s)", ROW, {"c": (8,)}, 14, "add"),
    "div": ("y = Div(x, c)", ROW, {"c": (8,)}, 14, "mul"),
    "div values": ("r = Relu(x)\ns = Add(r, one)\ny = Div(x, s)", ROW, {"one": np.float32(1)}, 14, "div"),
    "neg": ("y = Neg(x)", ROW, {}, 13, "mul"),
    "square": ("y = Pow(x, two)", ROW, {"two": np.float32(2)}, 13, "mul"),
    "max pool": ("y = MaxPool<kernel_shape=[3,2], strides=[2,1], pads=[1,0,1,1]>(x)", IMAGE, {}, 13, "max_pool2d"),
    "max pool line": ("y = MaxPool<kernel_shape=[3], strides=[2]>(x)", LINE, {}, 13, "max_pool1d"),
    "average pool": (
        "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(x)", IMAGE, {}, 13, "avg_pool2d",
    ),
    "average": ("y = AveragePool<kernel_shape=[2], strides=[2]>(x)", LINE, {}, 22, "avg_pool1d"),
    "global average": ("y = GlobalAveragePool(x)", IMAGE, {}, 13, "mean"),
    "global maximum": ("y = GlobalMaxPool(x)", IMAGE, {}, 13, "max_pool2d"),
    "global maximum line": ("y = GlobalMaxPool(x)", LINE, {}, 13, "max_pool1d"),
    "reduce mean": ("y = ReduceMean<axes=[2,-1], keepdims=0>(x)", IMAGE, {}, 13, "mean"),
    "reduce mean 18": ("y = ReduceMean(x, a)", IMAGE, {"a": np.array([-1], I64)}, 18, "mean"),
    "reduce sum": ("y = ReduceSum<keepdims=0>(x, a)", IMAGE, {"a": np.array([1], I64)}, 13, "sum"),
    "reduce max": ("y = ReduceMax<axes=[1], keepdims=0>(x)", IMAGE, {}, 13, "max_pool2d"),
    "reduce max two": ("y = ReduceMax<axes=[2,3]>(x)", IMAGE, {}, 13, "max_pool2d"),
    "softmax": ("y = Softmax(x)", ROW, {}, 13, "softmax"),
    "softmax axis": ("y = Softmax<axis=1>(x)", IMAGE, {}, 13, "softmax"),
    "log softmax": ("y = LogSoftmax<axis=1>(x)", ROW, {}, 13, "log_softmax"),
    "masked": ("m = Add(x, c)\ny = Softmax(m)", ROW, {"c": np.where(np.tri(3, 8), 0, -np.inf)}, 13, "softmax"),
    "where": (
        "m = Where(k, x, c)\ny = Softmax(m)", ROW, {"k": np.tri(3, 8, dtype=bool), "c": np.float32(-1e9)}, 16,
        "softmax",
    ),
    "layer norm": ("y = LayerNormalization(x, g, b)", ROW, {"g": (8,), "b": (8,)}, 17, "layer_norm"),
    "layer norm two": ("y = LayerNormalization<axis=1>(x, g)", ROW, {"g": (3, 8)}, 17, "layer_norm"),
    "rms norm": ("y = RMSNormalization(x, g)", ROW, {"g": (8,)}, 23, "rms_norm"),
    "concat": ("r = Relu(x)\ny = Concat<axis=-1>(x, r)", IMAGE, {}, 13, "concat"),
    "flatten": ("y = Flatten(x)", IMAGE, {}, 13, "reshape"),
    "reshape": ("y = Reshape(x, s)", IMAGE, {"s": np.array([0, 2, -1], I64)}, 14, "reshape"),
    "squeeze": (
        "u = Unsqueeze(x, a)\nv = Relu(u)\ny = Squeeze(v, a)", ROW, {"a": np.array([1], I64)}, 13, "reshape",
    ),
    "transpose": ("y = Transpose<perm=[0,3,1,2]>(x)", IMAGE, {}, 13, "transpose"),
    "slice": (
        "y = Slice(x, s, e, a, t)", IMAGE,
        {"s": np.array([1, -3], I64), "e": np.array([99, -1], I64), "a": np.array([2, 3], I64),
         "t": np.array([3, 1], I64)}, 13, "slice",
    ),
    "gather one": ("y = Gather<axis=1>(x, i)", IMAGE, {"i": np.array(-1, I64)}, 13, "slice"),
    "gather some": ("y = Gather<axis=2>(x, i)", IMAGE, {"i": np.array([1, 3, 5], I64)}, 13, "slice"),
    "expand": ("u = Unsqueeze(x, a)\ny = Expand(u, s)", ROW,
               {"a": np.array([2], I64), "s": np.array([1, 3, 4, 8], I64)}, 13, "expand"),
    "pad": ("y = Pad(x, p, v)", IMAGE,
            {"p": np.array([0, 0, 1, 2, 0, 0, 3, 0], I64), "v": np.float32(1.5)}, 13, "concat"),
    "identity": ("i = Identity(x)\nd = Dropout(i)\ny = Relu(d)", ROW, {}, 13, "relu"),
    "resize": (
        'y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor">(x, , s)', IMAGE,
        {"s": np.array([1, 1, 2, 3], np.float32)}, 13, "expand",
    ),
    "resize half pixel": ("y = Resize(x, , s)", IMAGE, {"s": np.array([1, 1, 3, 2], np.float32)}, 18, "expand"),
    "clip 6": ("y = Clip(x, lo, hi)", ROW, {"lo": np.float32(0), "hi": np.float32(6)}, 13, "relu6"),
    "cast": ("y = Cast<to=1>(x)", ROW, {}, 13, ""),
}  # fmt: skip


@pytest.mark.parametrize("batch", ["N", "3"])
@pytest.mark.parametrize("case", CASES)
def test_computes_what_onnx_runtime_does(case: str, batch: str) -> None:
    body, inputs, constants, opset, op = CASES[case]
    made = model(body, inputs, constants, opset=opset, batch=batch)
    if case == "expand" and batch == "3":
        made.graph.initializer[1].CopyFrom(
            model("y = Relu(x)", constants={"s": np.array([3, 3, 4, 8])}).graph.initializer[0]
        )
    front = front_graph(load_model(made))
    x = reals(inputs)
    assert op in [n.op for n in front.nodes] or not op
    assert {n.op for n in front.nodes} <= set(FRONT_OPS)
    wanted = ort_answers(made, x)["y"]
    found = front.evaluate(x)[front.outputs[0]]
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)


def test_an_embedding_reads_integers() -> None:
    made = model("y = Gather(t, x)", {"x": (5,)}, {"t": (7, 4)}, dtype="int64")
    front = front_graph(load_model(made))
    x = np.random.default_rng(0).integers(0, 7, (3, 5))
    assert front.indices() == {"x"}
    assert np.array_equal(front.evaluate({"x": x})["y"], ort_answers(made, {"x": x})["y"])


def test_heads_taken_apart_after_a_transpose_that_moves_the_batch() -> None:
    body = """r = Reshape(x, s)
    t = Transpose<perm=[2,0,3,1,4]>(r)
    q = Gather<axis=0>(t, zero)
    k = Gather<axis=0>(t, one)
    y = Add(q, k)"""
    constants = {"s": np.array([0, 5, 2, 4, 3], I64), "zero": np.array(0, I64), "one": np.array(1, I64)}
    made = model(body, {"x": (5, 24)}, constants)
    x = reals({"x": (5, 24)})
    front = front_graph(load_model(made))
    np.testing.assert_allclose(front.evaluate(x)["y"], ort_answers(made, x)["y"], rtol=1e-6)


def test_a_shape_computed_from_the_batch_is_a_number_of_the_sample() -> None:
    body = """s = Shape(x)
    n = Gather(s, zero)
    u = Unsqueeze(n, first)
    t = Concat<axis=0>(u, rest)
    y = Reshape(x, t)"""
    constants = {"zero": np.array(0, I64), "first": np.array([0], I64), "rest": np.array([4, 6], I64)}
    front = front_graph(load_model(model(body, ROW, constants)))
    (node,) = front.nodes
    assert (node.op, node.attrs) == ("reshape", {"shape": [4, 6]})


REFUSED = {
    "y = ConvTranspose(x, w)": r"node 0 ConvTranspose 'y': not supported",
    "y = Reshape(x, flat)": r"\(\d+\); the batch must stay the first axis",
    "y = Softmax<axis=0>(x)": "works on axis 0, the batch",
    "y = LeakyRelu(x)": "is none of relu, relu6",
    "y = AveragePool<kernel_shape=[2,2], pads=[1,1,1,1]>(x)": "count_include_pad = 0",
    "y = MaxPool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1>(x)": "ceil_mode",
    'y = Pad<mode="reflect">(x, p)': "mode reflect",
    "y = Transpose<perm=[1,0,2,3]>(x)": "only a softmax or a Gather",
    "y = MatMul(wide, x)": "put the value first",
    "y = Div(one, x)": "a constant divided by a value",
    "y = Pow(x, three)": "only squares",
    "i = Cast<to=6>(x)\ny = Cast<to=1>(i)": "float to int32 rounds",
    'y = Resize<mode="linear">(x, , s)': "mode linear",
    "y = Add(x, each)": "differs from sample to sample",
}


@pytest.mark.parametrize("body", REFUSED)
def test_what_has_no_place_is_refused_by_name(body: str) -> None:
    constants = {
        "w": (4, 4, 7, 7), "flat": np.array([-1]), "p": np.array([0, 0, 0, 1, 0, 0, 0, 1]), "one": np.float32(1),
        "three": np.float32(3), "s": np.array([1, 1, 2, 2], np.float32), "each": (3, 1, 1, 1), "wide": (1, 4, 7, 7),
    }  # fmt: skip
    used = {
        k: v for k, v in constants.items() if k in body.replace("(", " ").replace(")", " ").replace(",", " ").split()
    }
    with pytest.raises(ValueError, match=REFUSED[body]):
        front_graph(load_model(model(body, {"x": (4, 7, 7)}, used, batch="3" if "each" in body else "N")))


def test_everything_unsupported_is_listed_at_once_and_only_once() -> None:
    body = "a = LeakyRelu(x)\nb = Add(a, x)\nc = Sin(b)\nd = Elu(x)\ny = Add(c, d)"
    with pytest.raises(Unsupported, match="2 parts not supported") as e:
        front_graph(load_model(model(body)))
    assert [p.split(":")[0] for p in e.value.problems] == ["node 0 LeakyRelu 'a'", "node 3 Elu 'd'"]
