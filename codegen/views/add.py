"""add: element by element in int32 where everything fits it, else int64."""

from __future__ import annotations

from .c_view import CView
from .onnx_types import wide
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """Both operands in one type."""
    kind = wide(v.out_reach(), *(v.graph.reach[x.name] for x in v.node.ins), v.reach(0), v.reach(1))
    v.fields |= {"operands": [v.operand(i, kind, zero=False) for i in (0, 1)], "to": v.out.id}


def c(v: CView) -> None:
    """Both operands at the result's index."""
    wide = v.wide(*(v.graph.reach[x.name] for x in v.node.ins))
    v.fields["a"], v.fields["b"] = (v.load(i).at(v.broadcast_index(i), wide) for i in (0, 1))
