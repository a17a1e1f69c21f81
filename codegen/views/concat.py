"""concat: each input copied to its place."""

from __future__ import annotations

from hwsim.ops import Concat

from .c_view import CView, index, strides
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """The axis."""
    op = v.node.op
    assert isinstance(op, Concat)
    v.fields |= {"axis": op.axis, "count": len(v.node.ins)}


def c(v: CView) -> None:
    """(loops, source, destination) of each input."""
    op = v.node.op
    assert isinstance(op, Concat)
    axis, steps, done, parts = op.axis - v.out.batched, strides(v.out.sample_shape), 0, []
    for i in range(len(v.node.ins)):
        shape = v.type(i).sample_shape
        loops = v.loops(shape)
        names = [name for name, _ in loops]
        source, target = index(names, strides(shape)), index(names, steps, done * steps[axis])
        parts.append({"loops": loops, "x": v.load(i).code(source), "y": target})
        done += shape[axis]
    v.fields["parts"] = parts
