"""QOperator nodes as what they mean: an operation on dequantized operands, quantized."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwsim.qtensor import QType

from ..onnx_model import Node
from .expression import Apply, Expression, Steps
from .reading import Reading, Refused

Triple = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Form:
    """Where the operands of a QOperator node stand among its inputs: (codes, scale, zero point).

    Args:
        op: the operation on reals.
        args: its quantized operands.
        out: scale and zero point of the result.
        bias: an int32 operand in steps of the accumulator, absent where the node has none.
        axes: channel axis of the scales of each operand.
    """

    op: str
    args: tuple[Triple, ...]
    out: tuple[int, int]
    bias: int | None = None
    axes: tuple[int, ...] = (0, 0)


def unary(op: str) -> Form:
    """Codes, scale, zero point, then scale and zero point of the result."""
    return Form(op=op, args=((0, 1, 2),), out=(3, 4))


def binary(op: str, *, bias: int | None = None, axes: tuple[int, ...] = (0, 0)) -> Form:
    """The same with two operands."""
    return Form(op=op, args=((0, 1, 2), (3, 4, 5)), out=(6, 7), bias=bias, axes=axes)


ONE = ("Sigmoid", "LeakyRelu", "Softmax", "AveragePool", "GlobalAveragePool")
FORMS: dict[str, Form] = {
    "QLinearConv": binary("Conv", bias=8),
    "QLinearMatMul": binary("MatMul", axes=(0, 1)),
    "com.microsoft.QGemm": Form(op="Gemm", args=((0, 1, 2), (3, 4, 5)), out=(7, 8), bias=6),
    **{f"com.microsoft.QLinear{op}": binary(op) for op in ("Add", "Mul")},
    **{f"com.microsoft.QLinear{op}": unary(op) for op in ONE},
}
CONCAT = "com.microsoft.QLinearConcat"


def meant(r: Reading, node: Node) -> tuple[Apply, QType]:
    """The expression of a QOperator node and the type of its result."""
    if node.op == CONCAT:
        return concat(r, node)
    form = FORMS[node.op]
    if node.attrs.get("channels_last"):
        raise Refused(
            "channels_last is not read; it is what ONNX Runtime writes after optimising: give the model before"
        )
    args: list[Expression | None] = []
    for (codes, scale, zero), axis in zip(form.args, form.axes, strict=False):
        transposed = node.attrs.get("transB") if form.op == "Gemm" else 0
        at = 1 - axis if form.op == "Gemm" and not transposed else axis
        args.append(r.dequantized(node.ins[codes], node.ins[scale], _at(node, zero), at))
    if form.bias is not None and (name := _at(node, form.bias)):
        args.append(Steps(r.numbers(name)))
    if max(form.out) >= len(node.ins) and form.op == "Gemm":
        raise Refused("gives reals; quantize its result")
    scale, zero = form.out
    return Apply(replace(node, op=form.op), tuple(args)), r.out(node.ins[scale], _at(node, zero))


def concat(r: Reading, node: Node) -> tuple[Apply, QType]:
    """QLinearConcat: scale and zero point of the result, then three inputs a part."""
    parts = [r.dequantized(node.ins[i], node.ins[i + 1], node.ins[i + 2]) for i in range(2, len(node.ins), 3)]
    return Apply(replace(node, op="Concat"), tuple(parts)), r.out(node.ins[0], node.ins[1])


def _at(node: Node, i: int) -> str:
    return node.ins[i] if i < len(node.ins) else ""
