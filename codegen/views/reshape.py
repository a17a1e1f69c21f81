"""reshape: the same order under other sizes."""

from __future__ import annotations

from .c_view import CView
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """-1 stands for the batch."""
    out = v.node.outs[0].type
    v.fields["shape"] = [-1] * out.batched + list(out.sample_shape)


def c(v: CView) -> None:
    """A straight copy."""
    v.fields |= {"size": v.out.elements, "x": v.load(0).code("i")}
