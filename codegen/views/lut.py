"""lut: the table, indexed from the smallest code."""

from __future__ import annotations

from hwsim.ops import Lut
from hwsim.qtensor import QType

from .c_view import CView, ctype
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """A Gather."""
    op = v.node.op
    assert isinstance(op, Lut)
    v.fields |= {"table": v.table(op.table, v.out), "first": op.start(v.type(0))}


def c(v: CView) -> None:
    """An array look-up; nothing where every code stays."""
    op = v.node.op
    assert isinstance(op, Lut)
    table = None if keeps(op, v.type(0)) else v.table(op.table, "table", ctype(op.fmt))
    v.fields |= {"table": table, "first": op.start(v.type(0))}


def keeps(op: Lut, source: QType) -> bool:
    """Whether each code of `source` becomes the same code in the same C type: only its meaning changes."""
    first = op.start(source)
    return op.fmt.dtype == source.fmt.dtype and op.table == tuple(range(first, first + len(op.table)))
