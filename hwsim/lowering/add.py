"""add [+ relu] -> both inputs on one finer grid (guard bits), exact sum, one rounding at the end."""

from __future__ import annotations

import numpy as np

from ..contracts import Pow2
from ..formats import INT16
from ..front import FrontNode
from ..graph import Value
from ..ops import Add
from ..qtensor import QType
from .context import Lowering


def lower_add(ctx: Lowering, node: FrontNode) -> None:
    """See the module."""
    a, b = (ctx.value(i, node) for i in node.ins)
    name, relu = ctx.absorb_relu(node)
    out = ctx.type_of(name)
    guard = guard_bits(max(largest_real(ctx, a), largest_real(ctx, b)), float(out.lsb))
    scale = float(np.ldexp(out.lsb, -guard))
    parts = []
    for side, v in zip("ab", (a, b), strict=True):
        common = QType(v.type.shape, INT16, scale)
        parts.append(ctx.requantize(v, f"{name}.{side}", common))
    total = ctx.graph.add(Add(), *parts, name=f"{name}.acc")
    y = ctx.requantize(total, name, out, contract=Pow2, relu=relu)
    ctx.define(node.out, y)
    ctx.define(name, y)


def largest_real(ctx: Lowering, v: Value) -> float:
    """Largest magnitude that `v` can name, from what its codes can reach."""
    reach = ctx.graph.reach[v.name].shifted(-int(np.max(v.type.zero_point)))
    return reach.magnitude * float(v.type.lsb)


def guard_bits(largest: float, step: float) -> int:
    """Most bits by which INT16 can refine `step` and still hold `largest`, at most 8."""
    fits = np.floor(np.log2(INT16.max_int * step / largest)) if largest > 0 else 8
    return int(np.clip(fits, -8, 8))
