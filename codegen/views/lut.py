"""lut: the table, indexed from the smallest code."""

from __future__ import annotations

from hwsim.ops import Lut

from .c_view import CView, ctype
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """A Gather."""
    op = v.node.op
    assert isinstance(op, Lut)
    v.fields |= {"table": v.table(op.table, v.out), "first": op.start(v.type(0))}


def c(v: CView) -> None:
    """An array look-up."""
    op = v.node.op
    assert isinstance(op, Lut)
    v.fields |= {"table": v.table(op.table, "table", ctype(op.fmt)), "first": op.start(v.type(0))}
