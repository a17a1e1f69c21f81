"""The float twin of a graph, quantized by ONNX Runtime's own tool: what its users would run in place of ours."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 32  # samples of calibration at once
PRODUCTS = ("Conv", "Gemm", "MatMul")
KINDS = {"QUInt8": "u8", "QInt8": "s8"}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What is asked of ONNX Runtime's tool.

    Args:
        kind: ``QDQ``, ``QOperator``, or ``dynamic``: scales of activations found at run time.
        activations, weights: attributes of ``QuantType``; dynamic activations are UINT8.
        per_channel: weights have a scale a channel.
        products: nodes of `PRODUCTS` alone are quantized.
    """

    kind: str
    activations: str = "QUInt8"
    weights: str = "QInt8"
    per_channel: bool = False
    products: bool = False

    @property
    def name(self) -> str:
        """As it is printed."""
        words = [self.kind, KINDS[self.activations] + KINDS[self.weights]]
        return " ".join([*words, *["per channel"] * self.per_channel, *["products alone"] * self.products])


VARIANTS = (
    *(Variant(kind="QDQ", per_channel=True), Variant(kind="QDQ"), Variant(kind="QDQ", products=True)),
    *(Variant(kind="QOperator", per_channel=True), Variant(kind="QOperator")),
    *(Variant(kind="QOperator", products=True), Variant(kind="QDQ", weights="QUInt8")),
    *(Variant(kind="QOperator", weights="QUInt8"), Variant(kind="QDQ", activations="QInt8", per_channel=True)),
    *(Variant(kind="dynamic"), Variant(kind="dynamic", weights="QUInt8")),
)
"""What may be fastest somewhere; the first is what ONNX Runtime 1.32 fuses best on x86 for most networks."""


def float_model(qdq: bytes) -> Any:
    """A model of `codegen.emit_qdq` without its pairs: constants as the reals that they name, values as they are."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(qdq)
    graph, constants = model.graph, {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    same = {n.output[0]: n.input[0] for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")}
    for n in graph.node:
        if n.op_type == "DequantizeLinear" and n.input[0] in constants:
            axis = next((a.i for a in n.attribute if a.name == "axis"), 1)
            graph.initializer.append(numpy_helper.from_array(_reals(n, constants, axis), n.output[0]))
            del same[n.output[0]]
    kept = [n for n in graph.node if n.op_type not in ("QuantizeLinear", "DequantizeLinear")]
    for n in kept:
        for i, name in enumerate(n.input):
            n.input[i] = _source(same, name)
    ends = [
        onnx.helper.make_node("Identity", [_source(same, o.name)], [o.name]) for o in graph.output if o.name in same
    ]
    del graph.node[:]
    graph.node.extend([*kept, *ends])
    return model


def with_added_masks(model: Any) -> Any:
    """Masked softmaxes as networks are exported: ``Softmax(x + bias)``, the bias made once of the mask.

    Why: ours is ``Where(m, Softmax(Where(m, x, lowest)), 0)``, which is 0 where a whole row is masked and costs ONNX
    Runtime two more passes. Wherever something of a row is kept, both are the same.
    """
    import onnx

    graph = model.graph
    readers = {name: n for n in graph.node for name in n.input}
    names, made, gone = {n.output[0]: n for n in graph.node}, [], set()
    biases: dict[str, str] = {}
    for n in graph.node:
        soft = readers.get(n.output[0]) if n.op_type == "Where" else None
        after = readers.get(soft.output[0]) if soft is not None and soft.op_type == "Softmax" else None
        if soft is None or after is None or after.op_type != "Where" or after.input[0] != n.input[0]:
            made.append(n)
            continue
        mask = names.get(n.input[0])
        source = mask.input[0] if mask is not None and mask.op_type == "Cast" else n.input[0]
        if source not in biases:
            biases[source] = f"{source}::bias"
            made.append(onnx.helper.make_node("Where", [n.input[0], after.input[2], n.input[2]], [biases[source]]))
        made.append(onnx.helper.make_node("Add", [n.input[1], biases[source]], [n.output[0]]))
        gone.add(after.output[0])
        soft.output[0] = after.output[0]
    del graph.node[:]
    graph.node.extend(n for n in made if not (n.op_type == "Where" and n.output[0] in gone))
    return model


def _source(same: Mapping[str, str], name: str) -> str:
    while name in same:
        name = same[name]
    return name


def _reals(node: Any, constants: Mapping[str, NDArray[Any]], axis: int) -> NDArray[np.float32]:
    codes, scale, *zero = (constants[name] for name in node.input)
    shape = [1] * codes.ndim
    if scale.size > 1:
        shape[axis] = scale.size
    units = codes.astype(np.int64) - (zero[0].astype(np.int64).reshape(shape) if zero else 0)
    return np.asarray(units * scale.astype(np.float64).reshape(shape), np.float32)


def quantized_by_ort(qdq: bytes, inputs: Mapping[str, NDArray[Any]], variant: Variant = VARIANTS[0]) -> bytes:
    """The float twin as `variant` says, calibrated on `inputs` (min-max) where it is static.

    Args:
        qdq: a model of `codegen.emit_qdq`, from which the float twin is taken.
        inputs: reals to calibrate on, integers for indices and masks.
        variant: one of `VARIANTS`.
    """
    import onnx
    from onnxruntime import quantization as ort

    class Reader(ort.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = _parts(inputs, types)

        def get_next(self) -> Any:
            return next(self.left, None)

    model, weights = with_added_masks(float_model(qdq)), getattr(ort.QuantType, variant.weights)
    types = {i.name: onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type) for i in model.graph.input}
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder, _silent():
        plain, done = Path(folder) / "float.onnx", Path(folder) / "quantized.onnx"
        onnx.save(model, plain)
        _folded(plain)
        shared: dict[str, Any] = {"weight_type": weights, "per_channel": variant.per_channel}
        shared["op_types_to_quantize"] = list(PRODUCTS) if variant.products else None
        if variant.kind == "dynamic":
            ort.quantize_dynamic(plain, done, **shared)
        else:
            kind, activations = getattr(ort.QuantFormat, variant.kind), getattr(ort.QuantType, variant.activations)
            ort.quantize_static(plain, done, Reader(), quant_format=kind, activation_type=activations, **shared)
        return done.read_bytes()


@contextmanager
def _silent() -> Iterator[None]:
    """No advice of the tool to its user."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _folded(path: Path) -> None:
    """Let ONNX Runtime fold constants and make Gemm of MatMul and Add, as its guide asks for."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path.with_name("folded.onnx"))
    options.log_severity_level = 3
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    path.with_name("folded.onnx").replace(path)


def _parts(inputs: Mapping[str, NDArray[Any]], types: Mapping[str, Any]) -> Iterator[dict[str, NDArray[Any]]]:
    for i in range(0, len(next(iter(inputs.values()))), BATCH):
        yield {name: np.asarray(x[i : i + BATCH], types[name]) for name, x in inputs.items()}
