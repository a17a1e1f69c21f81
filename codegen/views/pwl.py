"""pwl: for inputs of up to 8 bits ONNX gets the expanded table (same bits, 50 times faster in ONNX Runtime)."""

from __future__ import annotations

import numpy as np

from hwsim.ops import Pwl
from hwsim.ranges import Interval

from .c_view import CView, wide_type
from .onnx_types import INT64
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """A Gather of all results, or compare and gather in int64."""
    op, t = v.node.op, v.type(0)
    assert isinstance(op, Pwl)
    v.fields |= {"expanded": t.fmt.bits <= 8, "to": v.out.id}
    if t.fmt.bits <= 8:
        codes = np.arange(t.fmt.min_code, t.fmt.max_code + 1).astype(t.fmt.dtype)
        v.fields |= {"table": v.table(op.run((t,), codes), v.out), "first": t.fmt.min_code}
        return
    v.fields |= {"x": v.operand(0, INT64, zero=False), "rounding": op.rounding, "zero": op.zero_point}
    v.fields |= {"lo": op.fmt.min_int, "hi": op.fmt.max_int}
    v.fields["breakpoints"] = v.table(op.breakpoints, INT64) if op.breakpoints else None
    v.fields |= {"slopes": v.table(op.slopes, INT64), "intercepts": v.table(op.intercepts, INT64)}
    d = 1 << op.shift
    v.fields |= {"divisor": v.table(d, INT64), "half": v.table(max(d >> 1, 1), INT64)}


def c(v: CView) -> None:
    """Count breakpoints, then one multiply-add."""
    op = v.node.op
    assert isinstance(op, Pwl)
    x, slopes = v.graph.reach[v.node.ins[0].name], Interval(min(op.slopes), max(op.slopes))
    constants = Interval(min((*op.breakpoints, *op.intercepts)), max((*op.breakpoints, *op.intercepts)))
    wide = wide_type(op.accumulator(x), x, slopes, slopes.times(x), constants)
    v.fields |= {"x": v.load(0).integer("x", wide), "wide": wide, "count": len(op.breakpoints), "shift": op.shift}
    v.fields["breakpoints"] = v.table(op.breakpoints, "breakpoints") if op.breakpoints else ""
    v.fields["slopes"] = v.table(op.slopes, "slopes")
    v.fields["intercepts"] = v.table(op.intercepts, "intercepts")
    v.fields |= {"rounding": op.rounding, "zero": op.zero_point, "lo": op.fmt.min_int, "hi": op.fmt.max_int}
