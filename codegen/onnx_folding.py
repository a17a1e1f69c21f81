"""Constants of an ONNX graph: what depends on no input is computed once, by onnx's own reference, within limits."""

from __future__ import annotations

import math
from typing import Any

from .onnx_file import STANDARD, first_line

CONTROL = ("If", "Loop", "Scan", "SequenceMap")
LARGEST = 1 << 24  # elements of one folded result
ROUNDS = 50  # inferences of all shapes; each follows one more chain from a shape to a reshape
FOLDED = frozenset((
    "Constant", "ConstantOfShape", "Identity", "Cast", "CastLike", "Shape", "Size", "Range", "Gather",
    "GatherElements", "GatherND", "Concat", "Slice", "Split", "Squeeze", "Unsqueeze", "Reshape", "Flatten",
    "Transpose", "Expand", "Tile", "Pad", "Trilu", "OneHot", "Where", "Equal", "Less", "LessOrEqual", "Greater",
    "GreaterOrEqual", "And", "Or", "Not", "Xor", "IsNaN", "Add", "Sub", "Mul", "Div", "Mod", "Neg", "Abs", "Sign",
    "Floor", "Ceil", "Round", "Min", "Max", "Sqrt", "Reciprocal", "Pow", "Exp", "Log", "Sin", "Cos", "Tanh", "Erf",
    "Sigmoid", "Relu", "Clip", "ReduceSum", "ReduceMean", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceL2",
    "MatMul", "Gemm", "CumSum", "Softmax", "Dropout",
))  # fmt: skip
"""Operators that are computed at once: not quantizers, which a reader wants to see, and nothing that is random."""


def folded(where: str, proto: Any) -> dict[str, Any]:
    """Tensors by name, initializers among them; shapes of all values are written into the graph's ``value_info``."""
    known = {i.name: i for i in proto.graph.initializer}
    for round_ in range(ROUNDS):
        infer(where, proto)
        if not fold_once(where, proto, known) and round_:
            break
    return known


def infer(where: str, proto: Any) -> None:
    """Shapes of all values, from those of the inputs."""
    from onnx import shape_inference

    try:
        inferred = shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    except Exception as e:
        raise ValueError(f"{where}: shapes do not fit: {first_line(e)}") from None
    proto.CopyFrom(inferred)


def fold_once(where: str, proto: Any, known: dict[str, Any]) -> bool:
    """Compute all that can be; whether anything was."""
    from onnx import numpy_helper

    graph = proto.graph
    shapes = {v.name: v.type.tensor_type.shape for v in (*graph.value_info, *graph.input, *graph.output)}
    sizes = {
        k: [int(d.dim_value) for d in s.dim] for k, s in shapes.items() if all(d.HasField("dim_value") for d in s.dim)
    }
    before, done = len(known), set()
    for at, node in enumerate(graph.node):
        if node.op_type not in FOLDED or node.domain not in STANDARD:
            continue
        ready = all(i in known for i in node.input if i) or (
            node.op_type in ("Shape", "Size") and node.input[0] in sizes
        )
        if not ready or not all(o in sizes and math.prod(sizes[o]) <= LARGEST for o in node.output if o):
            continue
        if node.op_type in ("MatMul", "Gemm") and work(node, known) > LARGEST * 16:
            continue
        for name, numbers in zip(node.output, computed(where, proto, node, known, sizes), strict=False):
            if name:
                known[name] = numpy_helper.from_array(numbers, name)
        done.add(at)
    kept = [n for at, n in enumerate(graph.node) if at not in done]
    fresh = [known[o] for at in sorted(done) for o in graph.node[at].output if o]
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(fresh)
    return len(known) > before


def work(node: Any, known: dict[str, Any]) -> int:
    """At most so many products."""
    return math.prod(known[node.input[0]].dims) * max(known[node.input[1]].dims, default=1)


def computed(where: str, proto: Any, node: Any, known: dict[str, Any], sizes: dict[str, list[int]]) -> list[Any]:
    """Results of one node, by onnx's reference evaluator."""
    import numpy as np
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    if node.op_type in ("Shape", "Size"):
        size = np.array(sizes[node.input[0]], np.int64)
        bounds = {a.name: int(a.i) for a in node.attribute}
        cut = size[slice(bounds.get("start"), bounds.get("end"))]
        return [cut if node.op_type == "Shape" else np.array(int(np.prod(size)), np.int64)]
    feeds = {i: numpy_helper.to_array(known[i]) for i in dict.fromkeys(node.input) if i}
    ins = [helper.make_tensor_value_info(i, known[i].data_type, known[i].dims) for i in feeds]
    outs = [helper.make_empty_tensor_value_info(o) for o in node.output if o]
    small = helper.make_model(helper.make_graph([node], "constant", ins, outs), opset_imports=list(proto.opset_import))
    try:
        with np.errstate(all="ignore"):
            return [np.asarray(x) for x in ReferenceEvaluator(small).run(None, feeds)]
    except Exception as e:
        raise ValueError(f"{where}: constant {node.op_type} {node.name or node.output[0]!r}: {first_line(e)}") from None
