"""QLinearConv, QLinearMatMul and QGemm of random shapes, scales and zero points, beside ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from codegen.onnx_reader import read_onnx
from codegen.runners.ort_model import run_ort_model
from hwsim.graph import Graph
from hwsim.simulation import simulate
from tests.backends import check_engines
from tests.compare import assert_same
from tests.oracles.onnx_models import one_node

OUTPUTS = 100_000
KINDS = [(np.uint8, np.int8), (np.uint8, np.uint8), (np.int8, np.int8)]


def scale(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Powers of two in half of the draws, so that ties are common."""
    found = 2.0 ** rng.integers(-7, -1, shape) if rng.integers(2) else rng.uniform(0.004, 0.3, shape)
    return np.asarray(found, np.float32)


def codes(rng: np.random.Generator, dtype: Any, *shape: int, narrow: bool = False) -> np.ndarray:
    ends = (-64, 65) if narrow else (np.iinfo(dtype).min, np.iinfo(dtype).max + 1)
    return rng.integers(*ends, shape).astype(dtype)


def zero(rng: np.random.Generator, dtype: Any) -> np.ndarray:
    ends = np.iinfo(dtype)
    return np.asarray(rng.choice([ends.min, ends.max, rng.integers(ends.min, ends.max + 1)]), dtype)


def operands(
    rng: np.random.Generator, x: np.ndarray, w_type: Any, weight_shape: tuple[int, ...], axis: int, terms: int
):
    """Inputs of a layer that fills the range of its result; weights of 7 bits where ONNX Runtime may saturate.

    Why: unsigned times signed products are summed in int16 pairs on x86 CPUs without VNNI.
    """
    per_channel = bool(rng.integers(2))
    w = codes(rng, w_type, *weight_shape, narrow=x.dtype == np.uint8 and w_type == np.int8)
    ws = scale(rng, weight_shape[axis]) if per_channel else scale(rng)
    wz = np.zeros(ws.shape, w_type) if w_type == np.int8 or per_channel else zero(rng, w_type)
    xs, spread = scale(rng), 74.0 * float(np.std(w.astype(float) - float(wz.reshape(-1)[0])) + 1)
    ys = np.float32(2.0 ** round(np.log2(xs * ws.mean() * spread * np.sqrt(terms) / 60)))
    ys = np.asarray(ys if rng.integers(2) else ys * rng.uniform(0.8, 1.2), np.float32)
    if rng.integers(2):  # the float32 ratio is a power of two, in this order of operations alone: ties that others miss
        product = np.float32(xs * ws.reshape(-1)[0])
        ys = np.asarray(product * 2.0 ** round(np.log2(ys / product)), np.float32)
    given = {"x": x, "xs": xs, "xz": zero(rng, x.dtype), "w": w, "ws": ws, "wz": wz}
    return given, {"ys": ys, "yz": zero(rng, x.dtype)}


def compare(graph: Graph, model: onnx.ModelProto, x: np.ndarray) -> int:
    """Codes compared; any difference fails."""
    (want,) = run_ort_model(model.SerializeToString(), {"x": x}).values()
    (v,) = graph.outputs
    assert_same(want, simulate(graph, {"x": x})[v.name], what=str(graph.nodes))
    return want.size


def convolution(rng: np.random.Generator, x_type: Any, w_type: Any) -> onnx.ModelProto:
    group = int(rng.choice([1, 1, 3]))
    cin, cout, rank = group * int(rng.integers(1, 6)), group * int(rng.integers(1, 8)), int(rng.integers(1, 3))
    kernel = rng.integers(1, 4, rank)
    x = codes(rng, x_type, 6, cin, *rng.integers(6, 12, rank))
    given, out = operands(rng, x, w_type, (cout, cin // group, *kernel), 0, int(cin // group * np.prod(kernel)))
    if given["wz"].shape and np.any(given["wz"] != given["wz"][0]):
        given["wz"] = np.full_like(given["wz"], given["wz"][0])
    bias = {"b": rng.integers(-4000, 4000, cout).astype(np.int32)} if rng.integers(2) else {}
    attrs: dict[str, Any] = {"group": group, "strides": rng.integers(1, 3, rank).tolist()}
    if rng.integers(3):
        attrs["pads"] = rng.integers(0, 2, 2 * rank).tolist()
        attrs["dilations"] = rng.integers(1, 3, rank).tolist()
    else:
        attrs["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    return one_node("QLinearConv", given | out | bias, str(x.dtype), attrs), x


def matrix(rng: np.random.Generator, x_type: Any, w_type: Any) -> onnx.ModelProto:
    k, n = int(rng.integers(1, 70)), int(rng.integers(1, 40))
    x = codes(rng, x_type, 12, *rng.integers(1, 4, int(rng.integers(0, 2))), k)
    given, out = operands(rng, x, w_type, (k, n), 1, k)
    return one_node("QLinearMatMul", given | out, str(x.dtype), {}), x


def gemm(rng: np.random.Generator, x_type: Any, w_type: Any) -> onnx.ModelProto:
    k, n, turned = int(rng.integers(1, 70)), int(rng.integers(1, 40)), int(rng.integers(2))
    x = codes(rng, x_type, 25, k)
    given, out = operands(rng, x, w_type, (n, k) if turned else (k, n), 1 - turned, k)
    bias = {"c": rng.integers(-4000, 4000, n).astype(np.int32)} if rng.integers(2) else {"": np.zeros(0, np.int32)}
    inputs = {k: a for k, a in (given | bias | out).items() if k}
    model = one_node("com.microsoft.QGemm", inputs, str(x.dtype), {"transB": turned})
    if "c" not in inputs:
        model.graph.node[0].input.insert(6, "")
    return model, x


@pytest.mark.parametrize("kinds", KINDS, ids=lambda k: f"{k[0].__name__}-{k[1].__name__}")
@pytest.mark.parametrize("make", [convolution, matrix, gemm], ids=lambda f: f.__name__)
def test_ort_gives_the_same_codes(make: Any, kinds: tuple[Any, Any]) -> None:
    rng, count, models = np.random.default_rng(len(make.__name__)), 0, 0
    while count < OUTPUTS or models < 30:
        model, x = make(rng, *kinds)
        graph = read_onnx(model, {"x": x.shape[1:]})
        count, models = count + compare(graph, model, x), models + 1
        if models < 3:
            check_engines(graph, {"x": x[:3]})


def test_rounding_is_half_to_even_before_the_zero_point() -> None:
    """A ratio of 1/2 makes every odd sum a tie; half away, and rounding after an odd zero point, both fail here."""
    x = np.arange(256, dtype=np.uint8)[:, None]
    one, half = np.float32(1), np.uint8(1)
    given = {"x": x, "xs": one, "xz": half, "w": np.ones((1, 1), np.uint8), "ws": one, "wz": np.uint8(0)}
    model = one_node("QLinearMatMul", given | {"ys": np.float32(2), "yz": np.uint8(3)}, "uint8", {})
    graph = read_onnx(model, {"x": x.shape[1:]})
    compare(graph, model, x)
    (v,) = graph.outputs
    want = [round((i - 1) / 2) + 3 for i in range(256)]
    assert simulate(graph, {"x": x})[v.name][:, 0].tolist() == want


def pairs(model: onnx.ModelProto) -> onnx.ModelProto:
    """A QLinearConv model as QuantizeLinear / DequantizeLinear pairs."""
    (node,) = model.graph.node
    x, xs, xz, w, ws, wz, ys, yz, *bias = node.input
    made = [
        helper.make_node("DequantizeLinear", [x, xs, xz], ["x.real"]),
        helper.make_node("DequantizeLinear", [w, ws, wz], ["w.real"], axis=0),
        helper.make_node("Conv", ["x.real", "w.real", *(["b.real"] if bias else [])], ["y.real"]),
        helper.make_node("QuantizeLinear", ["y.real", ys, yz], ["y"]),
    ]
    made[2].attribute.extend(node.attribute)
    if bias:
        array = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        steps = numpy_helper.from_array(np.asarray(array[xs] * array[ws], np.float32), "b.scale")
        model.graph.initializer.append(steps)
        made.insert(2, helper.make_node("DequantizeLinear", [*bias, "b.scale"], ["b.real"], axis=0))
    del model.graph.node[:]
    model.graph.node.extend(made)
    return model


@pytest.mark.parametrize("seed", range(20))
def test_both_spellings_give_one_graph(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model, x = convolution(rng, np.uint8, np.int8)
    ours = read_onnx(model, {"x": x.shape[1:]})
    other = read_onnx(pairs(model), {"x": x.shape[1:]})
    assert [n.op for n in ours.nodes] == [n.op for n in other.nodes]
    for a, b in zip(ours.constants.values(), other.constants.values(), strict=True):
        assert a.type == b.type
        assert_same(a.codes, b.codes)
    compare(other, model, x)
