"""float_pool: taps by Gather and one Add each in ONNX, so that the order of the sum is the graph's; loops in C."""

from __future__ import annotations

import numpy as np

from hwsim.ops import FloatPool

from .c_view import CView, index, literal, strides
from .onnx_types import DOUBLE, FLOAT, INT64
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """The image in float32 with a border of 0, and where each tap of all windows lies in it."""
    op = v.node.op
    assert isinstance(op, FloatPool)
    (h, w, c), (oh, ow, _) = v.type(0).sample_shape, v.node.outs[0].type.sample_shape
    across = w + sum(op.padding[1])
    starts = np.arange(oh)[:, None] * op.stride[0] * across + np.arange(ow) * op.stride[1]
    taps = [starts.reshape(-1) + i * across + j for i in range(op.kernel[0]) for j in range(op.kernel[1])]
    v.fields |= {"x": v.operand(0, FLOAT), "unit": v.table(np.asarray(v.type(0).scale), FLOAT)}
    v.fields["pads"] = [0, op.padding[0][0], op.padding[1][0], 0, 0, op.padding[0][1], op.padding[1][1], 0]
    v.fields |= {"border": v.table(0.0, FLOAT), "flat": [-1, (h + sum(op.padding[0])) * across, c]}
    v.fields |= {"taps": [v.table(t, INT64) for t in taps], "count": v.table(op.counts((h, w)).reshape(-1, 1), FLOAT)}
    v.fields |= {"step": v.table(op.scale, FLOAT), "zero": v.table(op.zero_point, FLOAT), "out_shape": [-1, oh, ow, c]}
    v.fields |= {"ends": [v.table(e, DOUBLE) for e in (op.fmt.min_int, op.fmt.max_int)], "to": v.out.id}


def c(v: CView) -> None:
    """Loops over windows and channels; taps outside the image add nothing."""
    op = v.node.op
    assert isinstance(op, FloatPool)
    (h, w, channels), (oh, ow, _) = v.type(0).sample_shape, v.out.sample_shape
    v.fields |= {"h": h, "w": w, "oh": oh, "ow": ow, "channels": channels, "kernel": op.kernel, "stride": op.stride}
    v.fields |= {"top": op.padding[0][0], "left": op.padding[1][0], "padded": any(map(any, op.padding))}
    v.fields["x"] = v.load(0).centred(index(["ih", "iw", "c"], strides((h, w, channels))))
    v.fields |= {"unit": _single(float(np.max(v.type(0).scale))), "step": _single(op.scale), "zero": op.zero_point}
    v.fields["count"] = None if any(map(any, op.padding)) and not op.include_pad else op.kernel[0] * op.kernel[1]
    v.fields |= {"lo": literal(op.fmt.min_int), "hi": literal(op.fmt.max_int)}


def _single(v: float) -> str:
    """A float32 as a literal that is the number itself."""
    return f"{float(np.float32(v)).hex()}f"
