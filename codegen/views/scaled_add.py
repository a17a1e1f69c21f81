"""scaled_add: products and sums in double, where they are exact, rounded to float once a step."""

from __future__ import annotations

from hwsim.ops import ScaledAdd

from .c_view import CView, literal
from .onnx_types import DOUBLE
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Both operands as doubles, three constants."""
    op = v.node.op
    assert isinstance(op, ScaledAdd)
    v.fields["operands"] = [v.operand(i, DOUBLE, zero=False) for i in (0, 1)]
    v.fields |= {k: v.table(getattr(op, k), DOUBLE) for k in ("scale_a", "scale_b", "offset")}
    v.fields |= {"lo": op.limits.lo, "hi": op.limits.hi, "to": v.out.id}


def c(v: CView) -> None:
    """Why hexadecimal: such a literal is the number itself."""
    op = v.node.op
    assert isinstance(op, ScaledAdd)
    v.fields["a"], v.fields["b"] = (v.load(i).at(v.broadcast_index(i)) for i in (0, 1))
    v.fields |= {k: getattr(op, k).hex() for k in ("scale_a", "scale_b", "offset")}
    v.fields |= {"lo": literal(op.limits.lo), "hi": literal(op.limits.hi)}
