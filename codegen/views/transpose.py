"""transpose: strided copy."""

from __future__ import annotations

from hwsim.ops import Transpose

from .c_view import CView, index, strides
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """The permutation."""
    op = v.node.op
    assert isinstance(op, Transpose)
    v.fields["perm"] = op.perm


def c(v: CView) -> None:
    """The input's strides in the order of the result's axes."""
    op, x = v.node.op, v.type(0)
    assert isinstance(op, Transpose)
    steps = strides(x.sample_shape)
    moved = [steps[p - x.batched] for p in op.perm[x.batched :]]
    v.fields["x"] = v.load(0).code(index([name for name, _ in v.loops()], moved))
