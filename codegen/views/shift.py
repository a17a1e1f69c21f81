"""shift: left as a product, right as a rounding division."""

from __future__ import annotations

from hwsim.ops import Shift

from .c_view import CView, literal
from .onnx_types import INT64
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Integers in int64."""
    op = v.node.op
    assert isinstance(op, Shift)
    d = 1 << max(op.bits, 0)
    v.fields |= {"x": v.operand(0, INT64), "gain": v.table(1 << max(-op.bits, 0), INT64), "rounding": op.rounding}
    v.fields |= {"divisor": v.table(d, INT64), "half": v.table(max(d >> 1, 1), INT64), "to": v.out.id}


def c(v: CView) -> None:
    """One call of qmath.h."""
    op = v.node.op
    assert isinstance(op, Shift)
    v.fields |= {"x": v.load(0).integer("x", "int64_t"), "gain": literal(1 << max(-op.bits, 0))}
    v.fields |= {"bits": max(op.bits, 0), "rounding": op.rounding}
