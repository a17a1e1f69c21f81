"""normalize: a count of the powers of two that are not above, and one division by the largest of them."""

from __future__ import annotations

from hwsim.ops import Normalize

from .c_view import CView, ctype
from .onnx_types import INT64, carrier
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Powers up to the largest that the input can reach."""
    op, types = v.node.op, [out.type.fmt for out in v.node.outs]
    assert isinstance(op, Normalize)
    top = v.graph.reach[v.node.outs[1].name].hi
    v.fields |= {"x": v.operand(0, INT64), "gain": 1 << (op.bits - 1), "kinds": [carrier(f).id for f in types]}
    v.fields["powers"] = v.table([1 << k for k in range(top + 1)], INT64)
    v.fields["bounds"] = v.table([2 << k for k in range(max(top, 1))], INT64)


def c(v: CView) -> None:
    """One call of qmath.h, two results."""
    op, types = v.node.op, [out.type.fmt for out in v.node.outs]
    assert isinstance(op, Normalize)
    v.fields |= {"x": v.load(0).at(v.out_index(), "int64_t"), "bits": op.bits - 1, "outs": [ctype(f) for f in types]}
