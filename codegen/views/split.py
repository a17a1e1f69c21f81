"""split: each part copied out of its place."""

from __future__ import annotations

from hwsim.ops import Split

from .c_view import CView, index, strides
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Axis and sizes."""
    op = v.node.op
    assert isinstance(op, Split)
    v.fields |= {"axis": op.axis, "sizes": op.sizes}


def c(v: CView) -> None:
    """(loops, source, destination) of each part."""
    op, x = v.node.op, v.type(0)
    assert isinstance(op, Split)
    axis, steps, done, parts, load = op.axis - x.batched, strides(x.sample_shape), 0, [], v.load(0)
    for out in v.node.outs:
        shape = out.type.sample_shape
        loops = v.loops(shape)
        names = [name for name, _ in loops]
        source = index(names, steps, done * steps[axis])
        parts.append({"loops": loops, "x": load.code(source), "y": index(names, strides(shape))})
        done += shape[axis]
    v.fields["parts"] = parts
