"""``x - max(x)`` along the last axis, where every softmax starts."""

from __future__ import annotations

from ..blocks.exact import negated
from ..contracts import Pow2
from ..formats import INT16, IntFormat
from ..graph import Graph, Value
from ..ops import Add, Reduce, Requant
from ..ops.shapes import per_tensor


def below_max(g: Graph, x: Value, name: str) -> Value:
    """Differences of -255..0 of 8-bit codes, under ``<name>.below``."""
    assert isinstance(x.type.fmt, IntFormat)
    top = g.add(Reduce(kind="max", axes=(len(x.type.shape) - 1,), fmt=x.type.fmt), x, name=f"{name}.max")
    minus = negated(g, top, f"{name}.minus_max")
    d = g.add(Add(fmt=INT16), x, minus, name=f"{name}.moved")
    scale, _ = per_tensor("softmax", x.type)
    return g.add(Requant(contract=Pow2(shift=(0,)), fmt=INT16, scale=scale, lo=-255, hi=0), d, name=f"{name}.below")
