"""Functions of one quantized value: whatever chain of them stands between two quantizers is a table of all codes.

The chain is computed by ONNX Runtime itself in float32, so the table has its bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.dialects.ort_functions import table as function_table
from hwsim.qtensor import QType

from .expression import Apply, Expression, Held, Number, Weight, leaves
from .reading import Reading

ELEMENTWISE = frozenset((
    "Relu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Erf", "Gelu", "Elu", "Selu", "Celu", "LeakyRelu",
    "Softplus", "Softsign", "Mish", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round",
    "Pow", "Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu", "ThresholdedRelu", "Sin", "Cos", "Identity",
    "com.microsoft.Gelu", "com.microsoft.QuickGelu", "com.microsoft.FastGelu",
))  # fmt: skip
WIDEST = 16  # bits of the input


def is_table(e: Expression) -> bool:
    """Whether `e` is a function of one quantized value, element by element."""
    found = list(leaves(e))
    sources = {id(x.value): x for x in found if isinstance(x, Held)}
    single = all(_size(x) == 1 for x in found if not isinstance(x, Held))
    return single and len(sources) == 1 and next(iter(sources.values())).value.type.fmt.bits <= WIDEST and _plain(e)


def _plain(e: Expression | None) -> bool:
    return not isinstance(e, Apply) or (e.node.op in ELEMENTWISE and all(_plain(a) for a in e.args))


def _size(x: Expression) -> int:
    return x.array.size if isinstance(x, Number) else x.tensor.codes.size if isinstance(x, Weight) else 2


def table(r: Reading, e: Expression, out: QType, name: str) -> Held:
    """The codes of a function of one value, or of the value itself in another type."""
    source = next(x for x in leaves(e) if isinstance(x, Held))
    y = function_table(r.graph, source.value, out, lambda x: computed(r, e, x), name=name)
    return r.held(y, source.shape, source.layout)


def computed(r: Reading, e: Expression, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The chain on an array, by ONNX Runtime without optimisations."""
    if isinstance(e, Held):
        return x
    from onnx import TensorProto, helper

    from ..runners.ort_model import run_ort_model

    nodes: list[Any] = []
    tensors: list[Any] = []
    done: dict[int, str] = {}
    final = emitted(e, nodes, tensors, done)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "table", [value("x", TensorProto.FLOAT, [x.size])], [value(final, TensorProto.FLOAT, None)], tensors
    )
    sets = [helper.make_opsetid("", r.model.opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    return np.asarray(run_ort_model(model.SerializeToString(), {"x": x}, level="ORT_DISABLE_ALL")[final], np.float32)


def emitted(e: Expression | None, nodes: list[Any], tensors: list[Any], done: dict[int, str]) -> str:
    """Name of an expression in the small model, with everything that leads to it added."""
    from onnx import helper, numpy_helper

    if e is None:
        return ""
    if isinstance(e, Held):
        return "x"
    if id(e) not in done:
        name = done[id(e)] = f"v{len(done)}"
        if isinstance(e, Apply):
            ins = [emitted(a, nodes, tensors, done) for a in e.args]
            domain, _, op = e.node.op.rpartition(".")
            attrs = {k: v for k, v in e.node.attrs.items() if v is not None}
            nodes.append(helper.make_node(op, ins, [name], domain=domain, **attrs))
        else:
            assert isinstance(e, Number | Weight)
            array = e.array if isinstance(e, Number) else e.tensor.dequantize()
            tensors.append(numpy_helper.from_array(np.asarray(array, np.float32).reshape(()), name))
    return done[id(e)]
