"""pad: fill, then copy the inside."""

from __future__ import annotations

from hwsim.ops import Pad

from .c_view import CView, index, literal, strides
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """All begins, then all ends; the batch gets none."""
    op, none = v.node.op, [0] * v.type(0).batched
    assert isinstance(op, Pad)
    v.fields |= {"pads": [*none, *op.before, *none, *op.after], "value": v.table(op.value, v.out)}


def c(v: CView) -> None:
    """Where the inside begins."""
    op, shape, steps = v.node.op, v.type(0).sample_shape, strides(v.out.sample_shape)
    assert isinstance(op, Pad)
    inside = v.loops(shape)
    names = [name for name, _ in inside]
    offset = sum(b * s for b, s in zip(op.before, steps, strict=True))
    v.fields |= {"size": v.out.elements, "value": literal(op.value), "inside": inside}
    v.fields |= {"x": v.load(0).code(index(names, strides(shape))), "y": index(names, steps, offset)}
