"""One TFLite operator as a ``.tflite``, run by LiteRT's reference kernels or by TFLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import interpreter as litert
from numpy.typing import NDArray
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

Codes = NDArray[Any]
ENGINES = ("litert", "tflm")


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor of the operator: an input or output, or a constant where `codes` are given.

    Args:
        name: of the tensor.
        shape: the whole shape, samples included; constants take that of their codes.
        dtype: numpy's name, ``int8``, ``int16``, ``int32``, ``float32`` ...
        scale: one or one a channel; empty is a tensor that is not quantized.
        zero: zero points, as many.
        axis: channel axis of the scales.
        codes: of a constant.
    """

    name: str
    shape: tuple[int, ...] = ()
    dtype: str = "int8"
    scale: float | Sequence[float] = ()
    zero: int | Sequence[int] = 0
    axis: int = 0
    codes: Codes | None = None


def one_op(
    kind: str,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    options: Mapping[str, Any] | None = None,
    *,
    options_type: str | None = None,
    version: int = 1,
) -> bytes:
    """The flatbuffer of one operator.

    Args:
        kind: name in the schema's BuiltinOperator, ``CONV_2D``.
        inputs, outputs: its tensors, constants among the inputs.
        options: fields of the options table, under the schema's Python names (``strideW``).
        options_type: name of the table in BuiltinOptions; None is no table.
        version: of the operator.
    """
    model, code, op, graph = schema.ModelT(), schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT()
    model.version, model.description, model.buffers = 3, b"one op", [schema.BufferT()]
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = version
    graph.name, graph.tensors = b"main", [_tensor(t, model.buffers) for t in (*inputs, *outputs)]
    graph.inputs = [i for i, t in enumerate(inputs) if t.codes is None]
    graph.outputs = [len(inputs) + i for i in range(len(outputs))]
    op.opcodeIndex, op.inputs, op.outputs = 0, list(range(len(inputs))), graph.outputs
    if options_type:
        op.builtinOptionsType = getattr(schema.BuiltinOptions, options_type)
        op.builtinOptions = getattr(schema, f"{options_type}T")()
        for field, value in (options or {}).items():
            assert hasattr(op.builtinOptions, field), f"{options_type} has no field {field!r}"
            setattr(op.builtinOptions, field, value)
    graph.operators, model.operatorCodes, model.subgraphs = [op], [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(t: Tensor, buffers: list[Any]) -> Any:
    made = schema.TensorT()
    shape = t.shape if t.codes is None else t.codes.shape
    made.name, made.shape, made.type, made.buffer = t.name.encode(), list(shape), _kind(t.dtype), 0
    if t.codes is not None:
        made.buffer = len(buffers)
        buffers.append(schema.BufferT())
        if t.dtype == "int4":  # two a byte, the first in the low half
            half = np.append(t.codes.reshape(-1), [0] * (t.codes.size % 2)).astype(np.uint8) & 15
            buffers[-1].data = half[::2] | half[1::2] << 4
        else:
            data = np.ascontiguousarray(t.codes, np.dtype(t.dtype).newbyteorder("<"))
            buffers[-1].data = np.frombuffer(data.tobytes(), np.uint8)
    scales = np.atleast_1d(np.asarray(t.scale, np.float64))
    if scales.size:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = scales.tolist()
        made.quantization.zeroPoint = np.broadcast_to(np.atleast_1d(t.zero), scales.shape).tolist()
        made.quantization.quantizedDimension = t.axis
    return made


def _kind(dtype: str) -> int:
    return int(getattr(schema.TensorType, dtype.upper()))


def run(model: bytes, inputs: Sequence[Codes], engine: str, *, arena: int = 1 << 24) -> list[Codes]:
    """Codes of every output for inputs in order, whole batches of the model's fixed shapes."""
    if engine == "litert":
        return _litert(model, inputs)
    assert engine == "tflm", engine
    micro = runtime.Interpreter.from_bytes(model, arena_size=arena)
    for i, x in enumerate(inputs):
        micro.set_input(x, i)
    micro.invoke()
    count = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0)).subgraphs[0].outputs.size
    return [np.array(micro.get_output(i)) for i in range(count)]


def _litert(model: bytes, inputs: Sequence[Codes]) -> list[Codes]:
    reference = litert.OpResolverType.BUILTIN_REF
    interpreter = litert.Interpreter(model_content=model, experimental_op_resolver_type=reference)
    interpreter.allocate_tensors()
    for given, x in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    return [np.array(interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()]
