"""add and mul of two values, or of a value and a parameter, broadcasting, [+ clamp].

add: both sides on one INT16 grid, exact sum, one rounding at the end. The grid is finer than the result's by as many
     guard bits as fit (a result of 16 bits leaves none, or one too few: its sides round too); INT32 for wider results.
mul: exact INT32 product of the codes less their zero points, then requant; a parameter is INT16.
     Products that a sum alone reads: `hwsim.lowering.rotation`.
"""

from __future__ import annotations

import numpy as np

from ..contracts import Pow2
from ..formats import INT16, INT32, IntFormat, Reals
from ..front import FrontNode
from ..graph import Value
from ..observers import pow2_up
from ..ops import Add, Mul
from ..qtensor import QType, quantize
from .context import NHWC, PLAIN, Lowering


def lower_add(ctx: Lowering, node: FrontNode) -> None:
    """See the module."""
    layout = common_layout(ctx, node)
    name, clamp = ctx.absorb_clamp(node)
    out = ctx.type_of(name)
    largest = max(largest_real(ctx, i, node, layout) for i in node.ins)
    grid = INT16 if out.fmt.bits <= 16 else INT32
    scale = float(np.ldexp(out.lsb, -guard_bits(largest, float(out.lsb), grid)))
    sides = []
    for side, source in zip("ab", node.ins, strict=True):
        if source in ctx.front.params:
            sides.append(parameter(ctx, source, node, layout, scale, grid))
        else:
            v = value_in(ctx, source, node, layout)
            sides.append(ctx.requantize(v, f"{name}.{side}", QType(v.type.shape, grid, scale)))
    total = ctx.exact(Add(), *sides, name=f"{name}.acc")
    y = ctx.requantize(total, name, out, contract=Pow2, clamp=clamp)
    ctx.define(node.out, y, layout)
    ctx.define(name, y, layout)


def lower_mul(ctx: Lowering, node: FrontNode) -> None:
    """See the module."""
    layout = common_layout(ctx, node)
    name, clamp = ctx.absorb_clamp(node)
    sides = [
        parameter(ctx, i, node, layout) if i in ctx.front.params else value_in(ctx, i, node, layout) for i in node.ins
    ]
    product = ctx.exact(Mul(), *sides, name=f"{name}.acc")
    y = ctx.requantize(product, name, ctx.type_of(name), clamp=clamp)
    ctx.define(node.out, y, layout)
    ctx.define(name, y, layout)


def common_layout(ctx: Lowering, node: FrontNode) -> str:
    """NHWC where one side is there already and every value has the result's rank."""
    values = [i for i in node.ins if i not in ctx.front.params]
    rank = len(ctx.shapes[node.out])
    same = all(len(ctx.shapes[i]) == rank for i in values)
    return NHWC if same and any(ctx.stored(i, node).layout == NHWC for i in values) else PLAIN


def value_in(ctx: Lowering, name: str, node: FrontNode, layout: str) -> Value:
    """Input `name` of `node` in a layout."""
    return ctx.image(name, node) if layout == NHWC else ctx.value(name, node)


def parameter(
    ctx: Lowering, name: str, node: FrontNode, layout: str, scale: float | None = None, fmt: IntFormat = INT16
) -> Value:
    """A parameter as an integer constant in a layout, on a given grid or on its own."""
    if scale is None and ctx.settings(node.out).powers_of_two:
        scale = power_of_two_grid(np.abs(ctx.front.params[name]).max(initial=0.0))
    p = laid_out(ctx, name, node, layout)
    return ctx.graph.constant(f"{node.out}.{name}", quantize(p, fmt, scale=scale))


def power_of_two_grid(largest: float) -> float:
    """The finest power of two as a step of INT16 that holds `largest`."""
    return pow2_up(float(largest) / INT16.max_int or 1.0)


def laid_out(ctx: Lowering, name: str, node: FrontNode, layout: str) -> Reals:
    """Numbers of a parameter of `node`, to broadcast against values in a layout."""
    p = ctx.front.params[name].astype(np.float64)
    if layout == NHWC and p.ndim:
        rank = len(ctx.shapes[node.out])
        p = np.broadcast_to(p, (*[1] * (rank + 1 - p.ndim), *p.shape)) if p.ndim <= rank else p
        p = np.moveaxis(p.reshape(p.shape[-rank:]), 0, -1)
        p = p[None] if rank == 2 else p  # one row
    return p


def largest_real(ctx: Lowering, name: str, node: FrontNode, layout: str) -> float:
    """Largest magnitude that an input of `node` can have, from what its codes can reach."""
    if name in ctx.front.params:
        return float(np.abs(ctx.front.params[name]).max(initial=0.0))
    v = ctx.stored(name, node).value
    reach = ctx.graph.reach[v.name].shifted(-int(np.max(v.type.zero_point)))
    return reach.magnitude * float(v.type.lsb)


def guard_bits(largest: float, step: float, fmt: IntFormat) -> int:
    """Most bits by which `fmt` can refine `step` and still hold `largest`, at most 8; negative: it must coarsen."""
    return min(8, int(np.floor(np.log2(fmt.max_int * step / largest)))) if largest > 0 else 8
