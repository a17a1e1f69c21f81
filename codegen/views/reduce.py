"""reduce: ONNX's own reductions on int32 or int64, squares by a product before; C with one accumulator."""

from __future__ import annotations

from hwsim.ops import Reduce

from .c_view import CView, index, literal, strides
from .onnx_types import DOUBLE, EXACT, wide
from .onnx_view import OnnxView

SUMS = ("sum", "mean", "sum_square")


def onnx(v: OnnxView) -> None:
    """ReduceSum, ReduceMax or ReduceMin."""
    op = v.node.op
    assert isinstance(op, Reduce)
    kind = wide(v.out_reach(), v.graph.reach[v.node.ins[0].name])
    summed = op.kind in SUMS
    v.fields |= {
        "operator": "ReduceSum" if summed else f"Reduce{op.kind.capitalize()}",
        "x": v.operand(0, kind, zero=False),
        "square": op.kind == "sum_square",
    }
    v.fields |= {"axes": op.axes, "halves": summed and v.out_reach().magnitude >= EXACT[DOUBLE]}


def c(v: CView) -> None:
    """Loops over the kept axes, then over the reduced ones."""
    op, x = v.node.op, v.type(0)
    assert isinstance(op, Reduce)
    axes = [a - x.batched for a in op.axes]
    shape, steps = x.sample_shape, strides(x.sample_shape)
    inner = v.loops([shape[a] for a in axes], "r")
    names = [name for name, _ in v.loops()]
    for (name, _), a in zip(inner, axes, strict=True):
        names[a] = name
    reach = v.graph.reach[v.node.ins[0].name]
    wide = v.wide(reach)
    start = {"max": reach.lo, "min": reach.hi}.get(op.kind, 0)
    v.fields |= {"kind": "sum" if op.kind == "mean" else op.kind, "wide": wide, "start": literal(start), "inner": inner}
    v.fields["x"] = v.load(0).at(index(names, steps), wide)
