"""expand: strided copy with stride 0 where an axis repeats."""

from __future__ import annotations

from .c_view import CView
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """1 stands for the batch, which stays as it is."""
    out = v.node.outs[0].type
    v.fields["shape"] = [1] * out.batched + list(out.sample_shape)


def c(v: CView) -> None:
    """Broadcast index."""
    v.fields["x"] = v.load(0).code(v.broadcast_index(0))
