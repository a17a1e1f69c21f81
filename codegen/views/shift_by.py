"""shift_by: a rounding division by a power of two that a table holds; C shifts."""

from __future__ import annotations

from hwsim.ops import ShiftBy

from .c_view import CView, literal
from .onnx_types import INT64
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Divisors and their halves by the computed part of the shift."""
    op = v.node.op
    assert isinstance(op, ShiftBy)
    sizes = [1 << max(k + op.bits, 0) for k in range(v.reach(1).hi + 1)]
    v.fields |= {"x": v.operand(0, INT64), "rounding": op.rounding, "lo": op.limits.lo, "hi": op.limits.hi}
    v.fields |= {"divisors": v.table(sizes, INT64), "halves": v.table([max(d >> 1, 1) for d in sizes], INT64)}
    v.fields["to"] = v.out.id


def c(v: CView) -> None:
    """One call of qmath.h."""
    op = v.node.op
    assert isinstance(op, ShiftBy)
    x = v.load(0).at(v.broadcast_index(0), "int64_t")
    s = v.load(1).at(v.broadcast_index(1))
    v.fields |= {"x": x, "s": f"{s} + ({op.bits})", "rounding": op.rounding}
    v.fields |= {"lo": literal(op.limits.lo), "hi": literal(op.limits.hi)}
