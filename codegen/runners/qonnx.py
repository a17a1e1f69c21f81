"""Our QDQ form in qonnx's executor: node after node, each in a session of its own or in numpy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .batched import Batched, Results

DOMAIN = "qonnx.custom_op.general"
PAIR = ("QuantizeLinear", "DequantizeLinear")


def batched_qonnx(qdq: bytes, inputs: Mapping[str, NDArray[Any]], *, quant: bool) -> Batched:
    """A batch in ``qonnx.core.onnx_exec.execute_onnx``, with as many threads as ONNX Runtime takes by itself.

    Args:
        qdq: a model of `codegen.emit_qdq`.
        inputs: reals; integers for indices and masks.
        quant: pairs are nodes ``Quant``, qonnx's own.
    """
    import onnx
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    proto, samples = onnx.load_from_string(qdq), len(next(iter(inputs.values())))
    for v in (*proto.graph.input, *proto.graph.output):
        v.type.tensor_type.shape.dim[0].dim_value = samples
    del proto.graph.value_info[:]
    types = {i.name: onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type) for i in proto.graph.input}
    model = ModelWrapper(with_quant(proto) if quant else proto).transform(InferShapes())
    fed = {n: np.asarray(x, types[n]) for n, x in inputs.items()}

    def run() -> Results:
        with warnings.catch_warnings(action="ignore"):  # it warns of shapes that it could not infer itself
            return dict(execute_onnx(model, dict(fed)))

    return Batched(name=f"qonnx, {'Quant' if quant else 'QDQ'} form", samples=samples, run=run)


def with_quant(model: Any) -> Any:
    """The model with a node ``Quant`` for each pair and each constant's DequantizeLinear.

    Why not qonnx's QCDQToQuant: it asks for a Clip or an even zero point, ours have neither.
    """
    import onnx
    from onnx import numpy_helper

    graph, made = model.graph, []
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    writer = {n.output[0]: n for n in graph.node}
    kept = {name for n in graph.node if n.op_type not in PAIR for name in n.input} | {o.name for o in graph.output}
    for n in graph.node:
        first = writer.get(n.input[0]) if n.op_type == PAIR[1] else None
        if n.op_type == PAIR[0] and n.output[0] not in kept:
            continue
        if n.op_type != PAIR[1]:
            made.append(n)
            continue
        scale, zero = _scale_zero(constants, n)
        source, shape = (first.input[0], []) if first is not None else _reals(graph, constants, n)
        names = [f"{n.output[0]}::quant {part}" for part in ("scale", "zero", "bits")]
        values = (scale.reshape(shape), zero.reshape(shape), np.array(8 * zero.dtype.itemsize))
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(x, np.float32), m) for x, m in zip(values, names, strict=True)
        )
        signed = int(zero.dtype.kind == "i")
        made.append(
            onnx.helper.make_node(
                "Quant", [source, *names], n.output, domain=DOMAIN, signed=signed, narrow=0, rounding_mode="ROUND"
            )
        )
    del graph.node[:]
    graph.node.extend(made)
    model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    return model


def _reals(graph: Any, constants: Mapping[str, NDArray[Any]], node: Any) -> tuple[str, list[int]]:
    """A constant's reals under a name of their own, and the shape of its scales."""
    from onnx import numpy_helper

    codes, (scale, zero) = constants[node.input[0]], _scale_zero(constants, node)
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    shape = [1] * codes.ndim
    if scale.size > 1:
        shape[axis] = scale.size
    reals = (codes.astype(np.float32) - zero.astype(np.float32).reshape(shape)) * scale.reshape(shape)
    name = f"{node.output[0]}::reals"
    graph.initializer.append(numpy_helper.from_array(reals, name))
    return name, shape


def _scale_zero(constants: Mapping[str, NDArray[Any]], node: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scale and zero point of a node; constants of this project without a zero point are signed."""
    scale, *zero = (constants[name] for name in node.input[1:])
    codes = constants.get(node.input[0])
    return scale, zero[0] if zero else np.zeros(scale.shape, np.int8 if codes is None else codes.dtype)
