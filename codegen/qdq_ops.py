"""Float operations of the front graph in ONNX: `OPS`, a function (nodes, node, name of the result) an operation.

Why `onnx.helper` and not text, as the bit exact export has: an operation is one to a few nodes without arithmetic of
its own, all its content is the model's names and arrays, and those never enter a text.

Attributes and shapes are those of `hwsim.front_ops`; weights, tables of embeddings and biases are the integer graph's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hwsim.front import FrontNode

from .qdq_nodes import Nodes, begins_and_ends
from .qdq_weights import bias_of, stored, weights_of

Emit = Callable[[Nodes, FrontNode, str], str]
LOWEST = float(np.finfo(np.float32).min)  # Why not -Inf: a row that a mask empties would be NaN


def _linear(m: Nodes, node: FrontNode, to: str) -> str:
    weight = f"{node.out}.weight"
    w = m.dequantized(weight, weights_of(m.graph, node.out, m.front.params[node.ins[1]].shape[::-1]))
    x, bias = _channels_last(m, node), bias_of(m.graph, node.out)
    if bias is None:
        return m.op("MatMul", x, w, to=to)
    product = m.op("MatMul", x, w, to=m.fresh(f"{node.out}::product"))
    return m.op("Add", product, m.array(f"{node.out}.bias", bias), to=to)


def _channels_last(m: Nodes, node: FrontNode) -> str:
    """What a linear layer reads; a flattened image in the order of the stored weights, see `hwsim.lowering.layout`."""
    source = node.ins[0]
    x = m.read(source)
    if m.graph.recipe.get("layouts", {}).get(source) != "flat":
        return x
    makers = {n.out: n for n in m.front.nodes}
    while makers[source].op != "reshape":
        source = makers[source].ins[0]
    image, flat = m.shapes[makers[source].ins[0]], m.shapes[source]
    for what, size in (("image", image), ("rows", None), ("last", flat)):
        name = m.fresh(f"{node.out}::{what}")
        if size is None:
            x = m.op("Transpose", x, to=name, attrs={"perm": [0, 2, 3, 1]})
        else:
            x = m.op("Reshape", x, m.array(f"{name}::shape", (0, *size), "int64"), to=name)
    return x


def _conv(m: Nodes, node: FrontNode, to: str) -> str:
    a, shape = node.attrs, m.front.params[node.ins[1]].shape
    ins = [m.read(node.ins[0]), m.dequantized(f"{node.out}.weight", weights_of(m.graph, node.out, shape))]
    bias = bias_of(m.graph, node.out)
    if bias is not None:
        ins.append(m.array(f"{node.out}.bias", bias))
    attrs = {"strides": a["stride"], "dilations": a["dilation"], "group": a["groups"], "kernel_shape": shape[2:]}
    return m.op("Conv", *ins, to=to, attrs=attrs | {"pads": begins_and_ends(a["padding"])})


def _pool(kind: str, **more: int) -> Emit:
    def emit(m: Nodes, node: FrontNode, to: str) -> str:
        a = node.attrs
        attrs = {"kernel_shape": a["kernel"], "strides": a["stride"], "pads": begins_and_ends(a["padding"]), **more}
        return m.op(kind, m.read(node.ins[0]), to=to, attrs=attrs)

    return emit


def _plain(kind: str, **attrs: Any) -> Emit:
    """One node with the same inputs."""
    return lambda m, node, to: m.op(kind, *m.reads(node), to=to, attrs=attrs)


def _with_array(kind: str, values: Callable[[FrontNode], Any], dtype: str = "int64", **attrs: Any) -> Emit:
    """One node whose setting is an input in ONNX."""
    return lambda m, node, to: m.op(
        kind, m.read(node.ins[0]), m.array(f"{to}::{kind}", values(node), dtype), to=to, attrs=attrs
    )


def _scaled(m: Nodes, node: FrontNode, to: str) -> str:
    """``gain * a @ b``."""
    gain = node.attrs.get("gain", 1.0)
    if gain == 1:
        return m.op("MatMul", *m.reads(node), to=to)
    product = m.op("MatMul", *m.reads(node), to=m.fresh(f"{to}::product"))
    return m.op("Mul", product, m.array(f"{to}::gain", gain), to=to)


def _silu(m: Nodes, node: FrontNode, to: str) -> str:
    x = m.read(node.ins[0])
    return m.op("Mul", x, m.op("Sigmoid", x, to=m.fresh(f"{to}::sigmoid")), to=to)


def _gelu(m: Nodes, node: FrontNode, to: str) -> str:
    return m.op("Gelu", m.read(node.ins[0]), to=to, attrs={"approximate": node.attrs.get("approximate", "none")})


def _relu6(m: Nodes, node: FrontNode, to: str) -> str:
    return m.op("Clip", m.read(node.ins[0]), m.array(f"{to}::low", 0.0), m.array(f"{to}::high", 6.0), to=to)


def _softmax(m: Nodes, node: FrontNode, to: str) -> str:
    """Masked scores become the lowest float, their probabilities 0: an emptied row is all 0."""
    if len(node.ins) == 1:
        return m.op("Softmax", *m.reads(node), to=to, attrs={"axis": -1})
    keep, *others = (_keep(m, name, to) for name in node.ins[1:])
    for other in others:
        keep = m.op("And", keep, other, to=m.fresh(f"{to}::keep"))
    kept = m.op("Where", keep, m.read(node.ins[0]), m.array(f"{to}::lowest", LOWEST), to=m.fresh(f"{to}::masked"))
    p = m.op("Softmax", kept, to=m.fresh(f"{to}::softmax"), attrs={"axis": -1})
    return m.op("Where", keep, p, m.array(f"{to}::nothing", 0.0), to=to)


def _keep(m: Nodes, name: str, to: str) -> str:
    """A mask, value or parameter, as bool."""
    if name in m.front.params:
        return m.param(name, "bool")
    return m.op("Cast", m.read(name), to=m.fresh(f"{to}::{name}"), attrs={"to": 9})  # TensorProto.BOOL


def _masked(m: Nodes, node: FrontNode, to: str) -> str:
    keep = _keep(m, node.ins[1], to)
    return m.op("Where", keep, m.read(node.ins[0]), m.array(f"{to}::nothing", 0.0), to=to)


def _layer_norm(m: Nodes, node: FrontNode, to: str) -> str:
    x, *affine = m.reads(node)
    affine = affine or [m.array(f"{to}::one", np.ones(m.shapes[node.out][-1]))]
    return m.op("LayerNormalization", x, *affine, to=to, attrs={"axis": -1, "epsilon": node.attrs["eps"]})


def _rms_norm(m: Nodes, node: FrontNode, to: str) -> str:
    """In its parts. Why: RMSNormalization would need opset 23."""
    x, *weight = m.reads(node)
    square = m.op("Mul", x, x, to=m.fresh(f"{to}::square"))
    mean = m.op("ReduceMean", square, m.array(f"{to}::axes", [-1], "int64"), to=m.fresh(f"{to}::mean"))
    power = m.op("Add", mean, m.array(f"{to}::eps", node.attrs["eps"]), to=m.fresh(f"{to}::power"))
    root = m.op("Sqrt", power, to=m.fresh(f"{to}::root"))
    if not weight:
        return m.op("Div", x, root, to=to)
    return m.op("Mul", m.op("Div", x, root, to=m.fresh(f"{to}::unit")), *weight, to=to)


def _div(m: Nodes, node: FrontNode, to: str) -> str:
    a, b = m.reads(node)
    if node.attrs.get("least", 0.0) > 0:
        b = m.op("Max", b, m.array(f"{to}::least", node.attrs["least"]), to=m.fresh(f"{to}::divisor"))
    return m.op("Div", a, b, to=to)


def _not(m: Nodes, node: FrontNode, to: str) -> str:
    return m.op("Sub", m.array(f"{to}::one", 1.0), m.read(node.ins[0]), to=to)


def _concat(m: Nodes, node: FrontNode, to: str) -> str:
    """A parameter is repeated for every sample."""
    values = [i for i in node.ins if i not in m.front.params]
    parts = [m.read(i) if i in values else _for_all(m, i, m.read(values[0]), to) for i in node.ins]
    return m.op("Concat", *parts, to=to, attrs={"axis": node.attrs["axis"]})


def _for_all(m: Nodes, name: str, beside: str, to: str) -> str:
    p = m.front.params[name]
    batch = m.op("Shape", beside, to=m.fresh(f"{to}::batch"), attrs={"start": 0, "end": 1})
    ones = m.array(f"{to}::sizes", [1] * p.ndim, "int64")
    shape = m.op("Concat", batch, ones, to=m.fresh(f"{to}::shape"), attrs={"axis": 0})
    return m.op("Expand", m.param(name), shape, to=m.fresh(f"{to}::{name}"))


def _slice(m: Nodes, node: FrontNode, to: str) -> str:
    cut = [m.array(f"{to}::{k}", [node.attrs[k]], "int64") for k in ("start", "stop", "axis", "step")]
    return m.op("Slice", m.read(node.ins[0]), *cut, to=to)


def _transpose(m: Nodes, node: FrontNode, to: str) -> str:
    return m.op("Transpose", m.read(node.ins[0]), to=to, attrs={"perm": node.attrs["perm"]})


def _embedding(m: Nodes, node: FrontNode, to: str) -> str:
    name, index = f"{node.out}.table", m.read(node.ins[0])
    table = m.graph.constants[name]
    t = m.dequantized(name, stored(table, name, (0, 1), table.codes.shape))
    if node.ins[0] not in m.front.inputs:
        index = m.op("Cast", index, to=m.fresh(f"{to}::index"), attrs={"to": 7})  # TensorProto.INT64
    return m.op("Gather", t, index, to=to)


def _identity(m: Nodes, node: FrontNode, to: str) -> str:
    return m.op("Mul" if len(node.ins) > 1 else "Identity", *m.reads(node), to=to)


OPS: dict[str, Emit] = {
    **{"linear": _linear, "conv2d": _conv, "conv1d": _conv, "matmul": _scaled, "embedding": _embedding},
    **{"softmax": _softmax, "log_softmax": _plain("LogSoftmax", axis=-1)},
    **{"layer_norm": _layer_norm, "rms_norm": _rms_norm},
    **{"relu": _plain("Relu"), "relu6": _relu6, "hardswish": _plain("HardSwish"), "sigmoid": _plain("Sigmoid")},
    **{"hardsigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5), "tanh": _plain("Tanh")},
    **{"silu": _silu, "gelu": _gelu},
    **{"add": _plain("Add"), "mul": _plain("Mul"), "div": _div},
    **dict.fromkeys(("max_pool2d", "max_pool1d"), _pool("MaxPool")),
    **dict.fromkeys(("avg_pool2d", "avg_pool1d"), _pool("AveragePool", count_include_pad=1)),
    "mean": _with_array("ReduceMean", lambda n: n.attrs["axes"]),
    "sum": _with_array("ReduceSum", lambda n: n.attrs["axes"]),
    **{"mask": _plain("Identity"), "not": _not, "masked": _masked},
    **{"concat": _concat, "slice": _slice, "transpose": _transpose, "identity": _identity},
    "reshape": _with_array("Reshape", lambda n: [0, *n.attrs["shape"]]),
    "expand": _with_array("Expand", lambda n: [1, *n.attrs["shape"]]),
}
"""All of `hwsim.front_ops.FRONT_OPS` but batch_norm, which a quantized model has folded."""
