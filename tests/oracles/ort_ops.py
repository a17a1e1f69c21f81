"""One quantized operator in ONNX Runtime: a node of com.microsoft, or a float node between quantizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .onnx_models import KINDS

Codes = NDArray[Any]
Kind = tuple[float, int]  # scale and zero point
LEVELS = onnxruntime.GraphOptimizationLevel


def qlinear(
    op: str, parts: Sequence[tuple[Codes, Kind]], out: Kind, attrs: Mapping[str, Any], fed: Sequence[int] = ()
) -> Codes:
    """Codes of a ``com.microsoft`` operator; `parts` are its operands, those in `fed` (default all) are no constants.

    QLinearConcat takes the type of the result first, all others last.
    """
    dtype, names, constants, given = parts[0][0].dtype, [], [], {}
    last = _kind("y", out, dtype, constants)
    for i, (x, t) in enumerate(parts):
        names += [f"x{i}", *_kind(f"x{i}", t, dtype, constants)]
        if i in (fed or range(len(parts))):
            given[f"x{i}"] = x
        else:
            constants.append(numpy_helper.from_array(x, f"x{i}"))
    ins = [*last, *names] if op == "QLinearConcat" else [*names, *last]
    return run([helper.make_node(op, ins, ["y"], domain="com.microsoft", **attrs)], given, constants, dtype)


def between(op: str, x: Codes, t: Kind, out: Kind, attrs: Mapping[str, Any], level: str = "ORT_DISABLE_ALL") -> Codes:
    """Codes of DequantizeLinear, a float operator of one operand (none if `op` is empty), QuantizeLinear."""
    constants: list[onnx.TensorProto] = []
    ins, outs = _kind("x", t, x.dtype, constants), _kind("y", out, x.dtype, constants)
    nodes = [helper.make_node("DequantizeLinear", ["x", *ins], ["a"])]
    nodes += [helper.make_node(op, ["a"], ["b"], **attrs)] if op else []
    nodes += [helper.make_node("QuantizeLinear", ["b" if op else "a", *outs], ["y"])]
    return run(nodes, {"x": x}, constants, x.dtype, level)


def run(
    nodes: Sequence[onnx.NodeProto],
    given: Mapping[str, Codes],
    constants: Sequence[onnx.TensorProto],
    dtype: Any,
    level: str = "ORT_DISABLE_ALL",
) -> Codes:
    """The one result ``y`` of `nodes`, in one thread."""
    value = helper.make_tensor_value_info
    ins = [value(n, KINDS[str(x.dtype)], list(x.shape)) for n, x in given.items()]
    graph = helper.make_graph(list(nodes), "one", ins, [value("y", KINDS[str(dtype)], None)], list(constants))
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(LEVELS, level)
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, dict(given))[0])


def _kind(name: str, kind: Kind, dtype: Any, constants: list[onnx.TensorProto]) -> list[str]:
    arrays = {f"{name}_scale": np.float32(kind[0]), f"{name}_zero": np.dtype(dtype).type(kind[1])}
    constants += [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()]
    return list(arrays)
