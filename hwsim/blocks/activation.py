"""gelu, silu and any other function of one value: one table over all codes of the input."""

from __future__ import annotations

from collections.abc import Callable

from .. import front_ops
from ..formats import Reals
from ..graph import Graph, Value
from ..ops import Lut
from ..qtensor import QType


def pointwise(g: Graph, x: Value, fn: Callable[[Reals], Reals], out: QType, *, name: str) -> Value:
    """``fn(x)`` in type `out`; a 16-bit input takes a table of 65,536 entries."""
    return g.add(Lut.of(fn, x.type, out), x, name=name)


def gelu(g: Graph, x: Value, out: QType, *, approximate: str = "none", name: str = "gelu") -> Value:
    """``x * Phi(x)``, exactly or by tanh (of the reals: either is one table). Source: arXiv:1606.08415."""
    return pointwise(g, x, lambda v: front_ops.gelu(v, approximate), out, name=name)


def silu(g: Graph, x: Value, out: QType, *, name: str = "silu") -> Value:
    """``x * sigmoid(x)``. Source: arXiv:1702.03118."""
    return pointwise(g, x, front_ops.UNARY["silu"], out, name=name)
