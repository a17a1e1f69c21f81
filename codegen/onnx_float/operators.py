"""What each ONNX operator becomes in the front graph: `OPS`."""

from __future__ import annotations

from collections.abc import Callable

from ..onnx_model import Node
from . import arithmetic, layers, movement, reductions, resize, scores, windows
from .importer import Import, Refused

Function = Callable[[Import, Node], None]


def same(e: Import, node: Node) -> None:
    """What changes no number."""
    if node.attrs.get("training_mode") or (
        node.op == "Dropout" and e.has(node, 2) and e.numbers(node, 2, "mode").any()
    ):
        raise Refused("is in training mode; export the model in eval mode")
    e.same(node, node.ins[0])


def cast(e: Import, node: Node) -> None:
    """Between types that hold the same numbers."""
    before, after = (e.model.dtypes.get(i, "float") for i in (node.ins[0], node.outs[0]))
    to_integers = not after.startswith(("float", "double", "bfloat16"))
    if after == "bool" or (to_integers and before.startswith(("float", "double", "bfloat16"))):
        raise Refused(f"{before} to {after} rounds; keep the model real")
    e.same(node, node.ins[0])


def function(e: Import, node: Node) -> None:
    """What `functions` has recognised."""
    attrs = {k: v for k, v in node.attrs.items() if k == "approximate"}
    e.emit(node, node.attrs["function"], e.value(node.ins[0]), **attrs)


def unknown_function(e: Import, node: Node) -> None:
    """A function of one value that is none of the front graph's."""
    raise Refused(
        "is none of relu, relu6, hardswish, hardsigmoid (slope 1/6), sigmoid, tanh, silu, gelu, nor part of a norm or "
        "a softmax that is recognised"
    )


FUNCTIONS = (
    "Relu Clip Sigmoid HardSigmoid HardSwish Tanh Erf Gelu Swish Exp Log Sqrt Reciprocal Abs Softplus Elu LeakyRelu "
    "PRelu Selu Celu Mish ThresholdedRelu Sin Cos Floor Ceil Round Sign"
)
OPS: dict[str, Function] = {
    **dict.fromkeys(FUNCTIONS.split(), unknown_function),
    **dict.fromkeys(("Identity", "Dropout"), same),
    **{"Cast": cast, "CastLike": cast, "hwsim.function": function},
    **{"Conv": windows.conv, "AveragePool": windows.avg_pool, "MaxPool": windows.max_pool},
    **{"GlobalMaxPool": windows.global_max_pool, "GlobalAveragePool": windows.global_avg_pool},
    **{"Gemm": layers.gemm, "MatMul": layers.matmul, "BatchNormalization": layers.batch_norm},
    **{"LayerNormalization": layers.layer_norm, "RMSNormalization": layers.layer_norm, "hwsim.norm": layers.norm},
    **{"hwsim.embedding": layers.one_hot, "SimplifiedLayerNormalization": layers.layer_norm},
    **{"Add": arithmetic.add, "Sum": arithmetic.add, "Mul": arithmetic.mul, "Sub": arithmetic.sub},
    **{"Div": arithmetic.div, "Neg": arithmetic.neg, "Pow": arithmetic.power},
    **{"Softmax": scores.softmax, "LogSoftmax": scores.softmax, "Where": scores.where},
    **{"ReduceMean": reductions.mean, "ReduceSum": reductions.total, "ReduceMax": reductions.maximum},
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), movement.reshape),
    **{"Transpose": movement.transpose, "Concat": movement.concat, "Slice": movement.cut, "Split": movement.split},
    **{"Gather": movement.gather, "Expand": movement.expand, "Pad": movement.pad, "Resize": resize.resize},
}
