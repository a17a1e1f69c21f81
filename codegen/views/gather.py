"""gather: the index saturates at the last entry, in every engine."""

from __future__ import annotations

from math import prod

from hwsim.ops import Gather

from .c_view import CView
from .onnx_types import INT64
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Min, then Gather."""
    op = v.node.op
    assert isinstance(op, Gather)
    last = int(v.type(0).shape[op.axis]) - 1
    v.fields |= {"index": v.operand(1, INT64), "last": v.table(last, INT64), "axis": op.axis}


def c(v: CView) -> None:
    """Outer sizes, indices, inner sizes."""
    op, x = v.node.op, v.type(0)
    assert isinstance(op, Gather)
    axis, shape = op.axis - x.batched, x.sample_shape
    v.fields |= {"outer": prod(shape[:axis]), "size": shape[axis], "inner": prod(shape[axis + 1 :])}
    v.fields |= {"count": v.type(1).elements, "index": v.load(1).at("j", "int64_t")}
    v.fields["x"] = v.load(0).code(f"(o * {shape[axis]} + k) * {v.fields['inner']} + i")
