"""One-node ONNX models, run by onnx's ReferenceEvaluator or by ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

KINDS = {
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int16": TensorProto.INT16,
    "uint16": TensorProto.UINT16,
    "int32": TensorProto.INT32,
    "float32": TensorProto.FLOAT,
}
SETS = (("", 21), ("com.microsoft", 1))


def one_node(op: str, inputs: dict[str, NDArray[Any]], dtype: str, attrs: dict[str, Any]) -> onnx.ModelProto:
    """A model with one node, ``Conv`` or ``com.microsoft.QGemm``; the first input is fed, the others are constant."""
    (name, x), *constants = inputs.items()
    domain, _, kind = op.rpartition(".")
    graph = helper.make_graph(
        [helper.make_node(kind, list(inputs), ["y"], domain=domain, **attrs)],
        op,
        [helper.make_tensor_value_info(name, KINDS[str(x.dtype)], [None] * x.ndim)],
        [helper.make_tensor_value_info("y", KINDS[dtype], [None] * x.ndim)],
        [numpy_helper.from_array(a, n) for n, a in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in SETS], ir_version=10)
    onnx.checker.check_model(model)
    return model


def reference(op: str, inputs: dict[str, NDArray[Any]], dtype: str, **attrs: Any) -> NDArray[Any]:
    """The node's result by the ReferenceEvaluator."""
    model = one_node(op, inputs, dtype, attrs)
    first = next(iter(inputs))
    return np.asarray(ReferenceEvaluator(model).run(None, {first: inputs[first]})[0])


def runtime(op: str, inputs: dict[str, NDArray[Any]], dtype: str, **attrs: Any) -> NDArray[Any]:
    """The node's result by ONNX Runtime on the CPU, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = one_node(op, inputs, dtype, attrs).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    first = next(iter(inputs))
    return np.asarray(session.run(None, {first: inputs[first]})[0])
