"""The float twin of a graph, quantized by ONNX Runtime's own tool: what its users would run in place of ours."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 32  # samples of calibration at once


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


def quantized_by_ort(qdq: bytes, inputs: Mapping[str, NDArray[Any]]) -> bytes:
    """The float twin with UINT8 activations and INT8 weights, a scale a channel, calibrated on `inputs` (min-max).

    Why these: of QDQ and QOperator, UINT8 and INT8 activations, ONNX Runtime 1.32 fuses QDQ with UINT8 best on x86.

    Args:
        qdq: a model of `codegen.emit_qdq`, from which the float twin is taken.
        inputs: reals to calibrate on.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = _parts(inputs)

        def get_next(self) -> Any:
            return next(self.left, None)

    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        plain, done = Path(folder) / "float.onnx", Path(folder) / "quantized.onnx"
        onnx.save(float_model(qdq), plain)
        _folded(plain)
        logging.disable(logging.WARNING)  # advice of the tool to its user
        try:
            quantize_static(
                plain, done, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            )  # fmt: skip
        finally:
            logging.disable(logging.NOTSET)
        return done.read_bytes()


def _folded(path: Path) -> None:
    """Let ONNX Runtime fold constants and make Gemm of MatMul and Add, as its guide asks for."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path.with_name("folded.onnx"))
    options.log_severity_level = 3
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    path.with_name("folded.onnx").replace(path)


def _parts(inputs: Mapping[str, NDArray[Any]]) -> Iterator[dict[str, NDArray[np.float32]]]:
    for i in range(0, len(next(iter(inputs.values()))), BATCH):
        yield {name: np.asarray(x[i : i + BATCH], np.float32) for name, x in inputs.items()}
