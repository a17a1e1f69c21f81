"""Small outside models from text, and what ONNX Runtime says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper, parser, shape_inference

Array = NDArray[Any]


def model(
    body: str,
    inputs: Mapping[str, tuple[int, ...]] | None = None,
    constants: Mapping[str, Any] | None = None,
    *,
    opset: int = 17,
    batch: str = "N",
    outputs: tuple[str, ...] = ("y",),
    dtype: str = "float",
) -> onnx.ModelProto:
    """A model of `body` in onnx's text form; constants given by a shape are random."""
    inputs = inputs or {"x": (3, 8)}
    ins = ", ".join(f"{dtype}[{', '.join([batch, *map(str, shape)])}] {name}" for name, shape in inputs.items())
    outs = ", ".join(f"float {name}" for name in outputs)
    head = f'<ir_version: 8, opset_import: ["": {opset}]>'
    made = parser.parse_model(f"{head}\nagraph ({ins}) => ({outs}) {{\n{body}\n}}")
    for o in made.graph.output:
        o.type.tensor_type.ClearField("shape")
    rng = np.random.default_rng(1)
    for name, given in (constants or {}).items():
        numbers = rng.normal(size=given).astype(np.float32) if isinstance(given, tuple) else np.asarray(given)
        numbers = numbers.astype(np.float32) if numbers.dtype == np.float64 else numbers
        made.graph.initializer.append(numpy_helper.from_array(numbers, name))
    return shape_inference.infer_shapes(made)


def ort_answers(made: onnx.ModelProto, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every output, by ONNX Runtime without rewriting."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(inputs)), strict=True))


def reals(shapes: Mapping[str, tuple[int, ...]], samples: int = 3, seed: int = 0) -> dict[str, Array]:
    """Random inputs."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(samples, *shape)).astype(np.float32) * 2 for name, shape in shapes.items()}
