"""One fully connected int8 layer as a ``.tflite``, run by TFLM and by LiteRT.

Domain: ratios below 1 (right shifts), so that no engine shifts past int32 on the way.

What LiteRT 2.3.0 really computes, found with these models (16 k tie-adjacent accumulators each, no exception):
FULLY_CONNECTED by the reference kernel is C's `round` (half away) of ``float64(acc) * ratio``
(LiteRT commit 9213607, issue 8567); CONV_2D by the reference kernel is TFLM's double rounding; both by XNNPACK,
the default, are ``half_even(float32(acc) * float32(x * w / y))``, which is ONNX Runtime's arithmetic.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import interpreter as litert
from numpy.typing import NDArray
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from .layers import Layer

RESOLVERS = {
    "reference": litert.OpResolverType.BUILTIN_REF,
    "xnnpack": litert.OpResolverType.AUTO,  # the default: with the XNNPACK delegate
}


def fully_connected(layer: Layer, samples: int) -> bytes:
    """The flatbuffer of one FULLY_CONNECTED for a fixed batch."""
    k, n = layer.weight.shape
    options = schema.FullyConnectedOptionsT()
    return _model(layer, "FULLY_CONNECTED", options, (samples, k), (n, k), (samples, n))


def conv_1x1(layer: Layer, samples: int) -> bytes:
    """The same layer as a CONV_2D over images of one pixel."""
    k, n = layer.weight.shape
    o = schema.Conv2DOptionsT()
    o.strideW = o.strideH = o.dilationWFactor = o.dilationHFactor = 1
    o.padding = schema.Padding.VALID
    return _model(layer, "CONV_2D", o, (samples, 1, 1, k), (n, 1, 1, k), (samples, 1, 1, n))


def _model(layer: Layer, kind: str, options: Any, x: Any, w: Any, y: Any) -> bytes:
    scales, zeros = layer.weight_scale, np.zeros(len(layer.weight_scale), int)
    weight, bias = layer.weight.T.astype(np.int8), layer.bias.astype("<i4")
    model, code, op, graph = schema.ModelT(), schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT()
    model.version, model.description = 3, b"one layer"
    model.buffers = [schema.BufferT() for _ in range(3)]
    model.buffers[1].data = np.frombuffer(weight.tobytes(), np.uint8)
    model.buffers[2].data = np.frombuffer(bias.tobytes(), np.uint8)
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
    code.version = 4
    op.opcodeIndex, op.inputs, op.outputs = 0, [0, 1, 2], [3]
    op.builtinOptionsType, op.builtinOptions = getattr(schema.BuiltinOptions, type(options).__name__[:-1]), options
    int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
    graph.name, graph.inputs, graph.outputs, graph.operators = b"main", [0], [3], [op]
    graph.tensors = [
        _tensor("x", x, int8, 0, [layer.x_scale], [layer.x_zero]),
        _tensor("w", w, int8, 1, scales, zeros),
        _tensor("b", layer.bias.shape, int32, 2, layer.x_scale * scales, zeros),
        _tensor("y", y, int8, 0, [layer.y_scale], [layer.y_zero]),
    ]
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(name: str, shape: Any, kind: int, buffer: int, scale: Any, zero: Any) -> Any:
    t, q = schema.TensorT(), schema.QuantizationParametersT()
    t.name, t.shape, t.type, t.buffer, t.quantization = name.encode(), list(shape), kind, buffer, q
    q.scale, q.zeroPoint, q.quantizedDimension = [float(s) for s in scale], [int(z) for z in zero], 0
    return t


def run_litert(model: bytes, x: NDArray[np.int8], resolver: str) -> NDArray[np.int8]:
    """LiteRT's output codes, shape (samples, n)."""
    engine = litert.Interpreter(model_content=model, experimental_op_resolver_type=RESOLVERS[resolver])
    engine.allocate_tensors()
    given = engine.get_input_details()[0]
    engine.set_tensor(given["index"], x.reshape(given["shape"]))
    engine.invoke()
    return np.array(engine.get_tensor(engine.get_output_details()[0]["index"])).reshape(len(x), -1)


def run_tflm(model: bytes, x: NDArray[np.int8]) -> NDArray[np.int8]:
    """TFLM's output codes, shape (samples, n)."""
    engine = runtime.Interpreter.from_bytes(model, arena_size=1 << 20)
    engine.set_input(x, 0)
    engine.invoke()
    return np.array(engine.get_output(0))
