"""float_divide: a product and a quotient of floats; nothing that a compiler could fuse."""

from __future__ import annotations

from hwsim.ops import FloatDivide

from .c_view import CView, literal, wide_type
from .onnx_types import FLOAT, INT64
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Both operands from int64, as exact as they come."""
    op = v.node.op
    assert isinstance(op, FloatDivide)
    v.fields |= {"operands": [v.operand(i, INT64) for i in (0, 1)], "gain": v.table(op.gain, FLOAT)}
    v.fields |= {"zero": op.zero_point, "lo": op.fmt.min_int, "hi": op.fmt.max_int, "to": v.out.id}


def c(v: CView) -> None:
    """Both operands at the result's index."""
    op = v.node.op
    assert isinstance(op, FloatDivide)
    kinds = [wide_type(v.graph.reach[x.name]) for x in v.node.ins]
    v.fields["a"], v.fields["b"] = (v.load(i).at(v.broadcast_index(i), kind) for i, kind in enumerate(kinds))
    v.fields |= {"gain": op.gain, "zero": op.zero_point, "lo": literal(op.fmt.min_int), "hi": literal(op.fmt.max_int)}
