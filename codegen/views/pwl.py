"""pwl: for inputs of up to 8 bits ONNX gets the expanded table (same bits, 50 times faster in ONNX Runtime).

C gets it by a rule: where it has at most `SMALL` bytes, since a look-up is three instructions and a search about
thirty, or where it is no larger than breakpoints, slopes, intercepts and the code that reads them.
"""

from __future__ import annotations

import numpy as np

from hwsim.formats import Codes
from hwsim.ops import Pwl
from hwsim.qtensor import QType
from hwsim.ranges import Interval

from .c_view import CView, ctype, narrowest, wide_type
from .onnx_types import INT64
from .onnx_view import OnnxView

SMALL = 256  # bytes
CODE = 64  # bytes of a search and a multiply-add, about, on a 32-bit machine


def onnx(v: OnnxView) -> None:
    """A Gather of all results, or compare and gather in int64."""
    op, t = v.node.op, v.type(0)
    assert isinstance(op, Pwl)
    v.fields |= {"expanded": t.fmt.bits <= 8, "to": v.out.id}
    if t.fmt.bits <= 8:
        v.fields |= {"table": v.table(_expanded(op, t), v.out), "first": t.fmt.min_code}
        return
    v.fields |= {"x": v.operand(0, INT64, zero=False), "rounding": op.rounding, "zero": op.zero_point}
    v.fields |= {"lo": op.fmt.min_int, "hi": op.fmt.max_int}
    v.fields["breakpoints"] = v.table(op.breakpoints, INT64) if op.breakpoints else None
    v.fields |= {"slopes": v.table(op.slopes, INT64), "intercepts": v.table(op.intercepts, INT64)}
    d = 1 << op.shift
    v.fields |= {"divisor": v.table(d, INT64), "half": v.table(max(d >> 1, 1), INT64)}


def _expanded(op: Pwl, t: QType) -> Codes:
    """The result of every code, from the smallest on."""
    return op.run((t,), np.arange(t.fmt.min_code, t.fmt.max_code + 1).astype(t.fmt.dtype))


def c(v: CView) -> None:
    """A look-up, or: count breakpoints, then one multiply-add."""
    op, t = v.node.op, v.type(0)
    assert isinstance(op, Pwl)
    v.fields["expanded"] = _small(op, t)
    if v.fields["expanded"]:
        table = v.table(_expanded(op, t), "piecewise-linear table, expanded", ctype(op.fmt))
        v.fields |= {"table": table, "first": t.fmt.min_code}
        return
    x, slopes = v.graph.reach[v.node.ins[0].name], Interval(min(op.slopes), max(op.slopes))
    constants = Interval(min((*op.breakpoints, *op.intercepts)), max((*op.breakpoints, *op.intercepts)))
    wide = wide_type(op.accumulator(x), x, slopes, slopes.times(x), constants)
    v.fields |= {"x": v.load(0).integer("x", wide), "wide": wide, "count": len(op.breakpoints), "shift": op.shift}
    v.fields["breakpoints"] = v.table(op.breakpoints, "breakpoints") if op.breakpoints else ""
    v.fields["slopes"] = v.table(op.slopes, "slopes")
    v.fields["intercepts"] = v.table(op.intercepts, "intercepts")
    v.fields |= {"rounding": op.rounding, "zero": op.zero_point, "lo": op.fmt.min_int, "hi": op.fmt.max_int}


def _small(op: Pwl, t: QType) -> bool:
    """Whether C keeps the expanded table."""
    if t.fmt.bits > 8:
        return False
    constants = sum(np.dtype(narrowest(np.array(a)).removesuffix("_t")).itemsize * len(a) for a in _lines(op))
    return op.fmt.dtype.itemsize << t.fmt.bits <= max(SMALL, constants + CODE)


def _lines(op: Pwl) -> list[tuple[int, ...]]:
    return [a for a in (op.breakpoints, op.slopes, op.intercepts) if a]
