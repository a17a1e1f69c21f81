"""select: Where, with codes in int32 or int64 because ONNX Runtime has no Where on int8."""

from __future__ import annotations

from .c_view import CView
from .onnx_types import wide
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Codes, not integers: the choice does not look at them."""
    kind = wide(v.graph.reach[v.node.ins[1].name], v.graph.reach[v.node.ins[2].name])
    v.fields |= {"kind": kind.id, "to": v.out.id}


def c(v: CView) -> None:
    """Codes at the result's index."""
    v.fields["condition"], v.fields["a"], v.fields["b"] = (v.load(i).code(v.broadcast_index(i)) for i in range(3))
