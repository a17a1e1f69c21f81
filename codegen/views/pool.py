"""pool: patches by Gather, then ReduceMax or ReduceSum on integers: exact where AveragePool is not."""

from __future__ import annotations

import numpy as np

from hwsim.ops import Pool

from .c_view import CView, index, literal, strides
from .onnx_types import DOUBLE, EXACT, INT64, wide
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Pad with what adds nothing, gather the taps, reduce them."""
    op = v.node.op
    assert isinstance(op, Pool)
    (h, w, c), (oh, ow, _) = v.type(0).sample_shape, v.node.outs[0].type.sample_shape
    kind = wide(v.out_reach(), v.graph.reach[v.node.ins[0].name])
    rows = np.arange(oh)[:, None] * op.stride[0] + np.arange(op.kernel[0])
    columns = np.arange(ow)[:, None] * op.stride[1] + np.arange(op.kernel[1])
    across = w + sum(op.padding[1])
    places = rows[:, None, :, None] * across + columns[None, :, None, :]
    v.fields |= {"operator": "ReduceMax" if op.kind == "max" else "ReduceSum", "x": v.operand(0, kind, zero=False)}
    v.fields["halves"] = op.kind == "mean" and v.out_reach().magnitude >= EXACT[DOUBLE]
    v.fields["pads"] = [0, op.padding[0][0], op.padding[1][0], 0, 0, op.padding[0][1], op.padding[1][1], 0]
    v.fields |= {"border": v.table(_border(v, op), kind), "flat": [-1, (h + sum(op.padding[0])) * across, c]}
    v.fields |= {"places": v.table(places.reshape(oh * ow, -1), INT64), "out_shape": [-1, oh, ow, c]}


def _border(v: OnnxView | CView, op: Pool) -> int:
    """What lies outside the image: nothing that can win a maximum, real 0 in a mean."""
    return v.graph.reach[v.node.ins[0].name].lo if op.kind == "max" else int(np.max(v.type(0).zero_point))


def c(v: CView) -> None:
    """Loops over windows and channels."""
    op = v.node.op
    assert isinstance(op, Pool)
    (h, w, channels), (oh, ow, _) = v.type(0).sample_shape, v.out.sample_shape
    mean = op.kind == "mean"
    v.fields |= {"h": h, "w": w, "oh": oh, "ow": ow, "channels": channels, "kernel": op.kernel, "stride": op.stride}
    v.fields |= {"top": op.padding[0][0], "left": op.padding[1][0], "padded": any(map(any, op.padding)), "mean": mean}
    v.fields |= {"wide": v.wide(v.graph.reach[v.node.ins[0].name]), "border": literal(_border(v, op))}
    v.fields["start"] = "0" if mean else v.fields["border"]
    v.fields["x"] = v.load(0).at(index(["ih", "iw", "c"], strides((h, w, channels))), v.fields["wide"])
