"""a * p + b * q, p and q parameters: both products exact, their sum exact, one rounding. RoPE is made of such sums.

p, q      one INT16 grid for both, which just holds the largest magnitude of the two
a, b      values of one step, their formats and zero points may differ; of two steps there is no common grid for the
          products: each is rounded by itself then, and the sum again, see `hwsim.lowering.elementwise`
result    requantized once; where concats alone read it, by way of movement, it stays in its accumulator until there

A product that somebody else reads too is a value like any other, and is rounded.
Source of the rotation: arXiv:2104.09864, eq. 34.
"""

from __future__ import annotations

import numpy as np

from ..formats import INT16
from ..front import FrontGraph, FrontNode
from ..graph import Value
from ..ops import Add, Mul
from ..qtensor import quantize
from .context import NHWC, PLAIN, Lowering
from .elementwise import common_layout, laid_out, lower_add, lower_mul, power_of_two_grid, value_in
from .movement import REGROUPS, keeps_type
from .signs import factors


def lower_product(ctx: Lowering, node: FrontNode) -> None:
    """A product, unless it waits for the sum that alone reads it."""
    if not any(node in summed(ctx.front, reader) for reader in ctx.front.consumers(node.out)):
        lower_mul(ctx, node)


def lower_plus(ctx: Lowering, node: FrontNode) -> None:
    """See the module."""
    pair = summed(ctx.front, node)
    if pair and of_one_step(ctx, pair):
        rotate(ctx, node, pair)
        return
    for product in pair:
        lower_mul(ctx, product)
    lower_add(ctx, node)


def summed(front: FrontGraph, node: FrontNode) -> list[FrontNode]:
    """The two products of a value and a parameter that `node` adds, and nobody else reads; empty where it does not."""
    if node.op != "add":
        return []
    found = [n for i in node.ins for n in front.nodes if n.out == i and factors(front.params, n)]
    alone = all(front.consumers(n.out) == [node] and n.out not in front.outputs for n in found)
    return found if len(found) == len(set(node.ins)) == 2 and alone else []


def of_one_step(ctx: Lowering, pair: list[FrontNode]) -> bool:
    """Whether the values that are multiplied have one step, the same for all their channels."""
    steps = [ctx.stored(multiplied(ctx, n)[0], n).value.type.lsb for n in pair]
    return np.ndim(steps[0]) == np.ndim(steps[1]) == 0 and bool(steps[0] == steps[1])


def multiplied(ctx: Lowering, product: FrontNode) -> tuple[str, str]:
    """The value and the parameter of a product."""
    found = factors(ctx.front.params, product)
    assert found is not None  # `summed` has looked
    return found


def rotate(ctx: Lowering, node: FrontNode, pair: list[FrontNode]) -> None:
    """The exact sum, and its one rounding."""
    rank = len(ctx.shapes[node.out])
    images = all(len(ctx.shapes[n.out]) == rank and common_layout(ctx, n) == NHWC for n in pair)
    layout = NHWC if images else PLAIN
    top = max(float(np.abs(ctx.front.params[multiplied(ctx, n)[1]]).max(initial=0.0)) for n in pair)
    scale = power_of_two_grid(top) if ctx.settings(node.out).powers_of_two else top / INT16.max_int or 1.0
    sides = []
    for n in pair:
        value, name = multiplied(ctx, n)
        factor = constant(ctx, name, n, layout, scale)
        sides.append(ctx.exact(Mul(), value_in(ctx, value, n, layout), factor, name=n.out))
        ctx.define(n.out, sides[-1], layout)
    if stays(ctx, node):
        ctx.define(node.out, ctx.exact(Add(), *sides, name=node.out), layout)
        return
    name, clamp = ctx.absorb_clamp(node)
    total = ctx.exact(Add(), *sides, name=f"{name}.acc")
    y = ctx.requantize(total, name, ctx.type_of(name), clamp=clamp)
    ctx.define(node.out, y, layout)
    ctx.define(name, y, layout)


def constant(ctx: Lowering, name: str, node: FrontNode, layout: str, scale: float) -> Value:
    """A parameter in INT16; all layers that read it on one grid read one constant, named after it."""
    codes = quantize(laid_out(ctx, name, node, layout), INT16, scale=scale)
    known = ctx.graph.constants.get(name)
    if known is None and name not in ctx.graph.known:
        return ctx.graph.constant(name, codes)
    if known is not None and known.type == codes.type and np.array_equal(known.codes, codes.codes):
        return ctx.graph.known[name]
    return ctx.graph.constant(f"{node.out}.{name}", codes)


def stays(ctx: Lowering, node: FrontNode) -> bool:
    """Whether concats alone read `node`, by way of movement perhaps, and bring it to a type of their own."""
    readers = ctx.front.consumers(node.out)
    inside = bool(readers) and node.out not in ctx.front.outputs
    return inside and all(
        not keeps_type(ctx.front, ctx.roles, n) if n.op == "concat" else n.op in REGROUPS and stays(ctx, n)
        for n in readers
    )
