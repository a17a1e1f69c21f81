"""Float models that onnxruntime.quantization quantizes, and what ONNX Runtime gives for every integer value."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from codegen.explanation import explain_codes
from codegen.outside import reals
from codegen.runners.ort_model import run_ort_model
from hwsim.graph import Graph
from hwsim.inputs import input_codes


class Net:
    """A float model, node by node, with seeded weights."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.rng, self.shape = np.random.default_rng(seed), shape
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def weight(self, *shape: int, gain: float = 1.0) -> str:
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 4
        return self.constant((gain * self.rng.normal(size=shape) / np.sqrt(fan)).astype(np.float32))

    def constant(self, array: NDArray[Any]) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op: str, *ins: str, outs: int = 1, domain: str = "", **attrs: Any) -> Any:
        names = [f"{op.lower()}{len(self.nodes)}" + (f".{k}" if k else "") for k in range(outs)]
        self.nodes.append(helper.make_node(op, list(ins), names, domain=domain, **attrs))
        return names[0] if outs == 1 else names

    def model(self, *outputs: str, opset: int = 17) -> onnx.ModelProto:
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes, "net", [value("x", TensorProto.FLOAT, ["N", *self.shape])],
            [value(o, TensorProto.FLOAT, None) for o in outputs], self.tensors,
        )  # fmt: skip
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        return onnx.shape_inference.infer_shapes(made)


def cnn() -> onnx.ModelProto:
    """Convolutions with padding, stride, groups; residual sum, pools, concat, a dense head."""
    n = Net(3, 12, 12)
    a = n.node("Relu", n.node("Conv", "x", n.weight(9, 3, 3, 3), n.weight(9), pads=[1, 1, 1, 1]))
    b = n.node("Conv", a, n.weight(9, 1, 3, 3), n.weight(9), pads=[1, 1, 1, 1], group=9)
    c = n.node("Conv", b, n.weight(9, 9, 1, 1))
    d = n.node("Relu", n.node("Add", c, a))
    e = n.node("MaxPool", d, kernel_shape=[2, 2], strides=[2, 2])
    f = n.node("Conv", e, n.weight(7, 9, 3, 3), n.weight(7), strides=[2, 2], pads=[0, 1, 1, 0])
    p = n.node("AveragePool", e, kernel_shape=[2, 2], strides=[2, 2])
    g = n.node("Concat", n.node("Sigmoid", f), p, axis=1)
    h = n.node("Flatten", n.node("GlobalAveragePool", g))
    return n.model(n.node("Gemm", h, n.weight(5, 16), n.weight(5), transB=1))


def mlp() -> onnx.ModelProto:
    """Matrix products with and without bias."""
    n = Net(20)
    a = n.node("Relu", n.node("Gemm", "x", n.weight(31, 20), n.weight(31), transB=1))
    b = n.node("MatMul", a, n.constant(n.rng.normal(size=(31, 17)).astype(np.float32) / 5))
    return n.model(n.node("Gemm", n.node("LeakyRelu", b, alpha=0.1), n.weight(17, 6), n.weight(6)))


def transformer() -> onnx.ModelProto:
    """One block: LayerNormalization, two heads of attention, GELU, residual sums."""
    n, d, heads = Net(6, 16), 16, 2

    def dense(x: str, k: int, m: int) -> str:
        w = n.constant((n.rng.normal(size=(k, m)) / np.sqrt(k)).astype(np.float32))
        return n.node("Add", n.node("MatMul", x, w), n.weight(m))

    def norm(x: str) -> str:
        weight = n.constant(n.rng.uniform(0.5, 1.5, d).astype(np.float32))
        return n.node("LayerNormalization", x, weight, n.weight(d), axis=-1)

    def split(x: str) -> str:
        shape = n.constant(np.asarray([0, 6, heads, d // heads], np.int64))
        return n.node("Transpose", n.node("Reshape", x, shape), perm=[0, 2, 1, 3])

    a = norm("x")
    q, k, v = (split(dense(a, d, d)) for _ in range(3))
    scores = n.node("Mul", n.node("MatMul", q, n.node("Transpose", k, perm=[0, 1, 3, 2])), n.constant(np.float32(0.35)))
    mixed = n.node("Transpose", n.node("MatMul", n.node("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
    joined = n.node("Reshape", mixed, n.constant(np.asarray([0, 6, d], np.int64)))
    b = n.node("Add", "x", dense(joined, d, d))
    h = dense(norm(b), d, 32)
    erf = n.node("Erf", n.node("Div", h, n.constant(np.float32(np.sqrt(2)))))
    gelu = n.node("Mul", n.node("Mul", h, n.node("Add", erf, n.constant(np.float32(1)))), n.constant(np.float32(0.5)))
    return n.model(n.node("Add", b, dense(gelu, 32, d)))


def quantized(model: onnx.ModelProto, folder: Path, x: NDArray[np.float32], **settings: Any) -> bytes:
    """The model after onnxruntime.quantization, calibrated on `x`."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter([{"x": part} for part in np.array_split(x, 4)])

        def get_next(self) -> Any:
            return next(self.batches, None)

    onnx.save(model, folder / "float.onnx")
    chosen = {
        "quant_format": getattr(QuantFormat, settings.pop("format", "QDQ")),
        **{
            k: getattr(QuantType, settings.pop(k, d))
            for k, d in (("activation_type", "QUInt8"), ("weight_type", "QInt8"))
        },
    }
    logging.disable(logging.WARNING)
    quantize_static(folder / "float.onnx", folder / "q.onnx", Reader(), **chosen, **settings)
    logging.disable(logging.NOTSET)
    return (folder / "q.onnx").read_bytes()


def differences(graph: Graph, model: bytes, x: NDArray[np.float32], level: str = "ORT_ENABLE_ALL") -> dict[str, Any]:
    """By value that both have: codes, how many differ on ONNX Runtime's own operands, the largest difference."""
    proto = onnx.load_from_string(model)
    outs = {o for n in proto.graph.node for o in n.output}
    wanted = {v.name: v.type.fmt.dtype for n in graph.nodes for v in n.outs if v.name in outs}
    codes = input_codes(graph, {"x": x})
    fed = {
        v.name: reals(v, codes[v.name]) for v in graph.inputs
    }  # Why: ORT divides by the scale in float32, we in float64
    theirs = run_ort_model(model, fed, wanted, level)
    theirs = {k: v for k, v in theirs.items() if k in wanted}
    found = explain_codes(graph, "ort", codes, theirs)
    assert {r.value for r in found.rows} == set(wanted)
    return {r.value: (r.codes, r.differ, r.largest) for r in found.rows}
