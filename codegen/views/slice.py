"""slice: strided copy from an offset."""

from __future__ import annotations

from hwsim.ops import Slice

from .c_view import CView, index, strides
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Start, stop, axis, step."""
    op = v.node.op
    assert isinstance(op, Slice)
    v.fields |= {"start": op.start, "stop": op.stop, "axis": op.axis, "step": op.step}


def c(v: CView) -> None:
    """The axis' stride times the step."""
    op, x = v.node.op, v.type(0)
    assert isinstance(op, Slice)
    axis, steps = op.axis - x.batched, strides(x.sample_shape)
    moved = [s * op.step if i == axis else s for i, s in enumerate(steps)]
    v.fields["x"] = v.load(0).code(index([name for name, _ in v.loops()], moved, op.start * steps[axis]))
