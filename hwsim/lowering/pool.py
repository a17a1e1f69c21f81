"""Pooling, means, sums and quotients: a maximum keeps its type, a mean is an exact sum and one requant.

A sum that only quotients read stays in its accumulator.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..blocks.division import divide
from ..contracts import contract_named
from ..formats import UINT1, UINT8, UINT16
from ..front import FrontGraph, FrontNode
from ..ops import Pool, Reduce
from .context import NHWC, Lowering
from .layout import nhwc_axis
from .roles import MOVES


def lower_pool(ctx: Lowering, node: FrontNode) -> None:
    """max_pool and avg_pool of 1-D and 2-D."""
    x, a, row = ctx.image(node.ins[0], node), node.attrs, node.op.endswith("1d")
    kernel, stride = (tuple([1] * row + list(a[k])) for k in ("kernel", "stride"))
    padding: Any = tuple([(0, 0)] * row + [tuple(p) for p in a["padding"]])
    if node.op.startswith("max"):
        y = ctx.graph.add(Pool(kind="max", kernel=kernel, stride=stride, padding=padding), x, name=node.out)
        ctx.define(node.out, y, NHWC)
        return
    name, clamp = ctx.absorb_clamp(node)
    op = Pool(kind="mean", kernel=kernel, stride=stride, padding=padding)
    total = ctx.exact(op, x, name=f"{name}.acc")
    y = ctx.requantize(total, name, ctx.type_of(name), contract=ctx.mean_contract(name, op.count), clamp=clamp)
    ctx.define(node.out, y, NHWC)
    ctx.define(name, y, NHWC)


def lower_mean(ctx: Lowering, node: FrontNode) -> None:
    """Mean over axes, in whatever layout the value is."""
    source, axes = ctx.stored(node.ins[0], node), tuple(node.attrs["axes"])
    rank, nhwc = len(ctx.shapes[node.ins[0]]) + 1, source.layout == NHWC
    x = source.value if nhwc else ctx.value(node.ins[0], node)
    name, clamp = ctx.absorb_clamp(node)
    taken = tuple(sorted(nhwc_axis(a, rank) for a in axes)) if nhwc else axes
    op = Reduce(kind="mean", axes=taken)
    total = ctx.exact(op, x, name=f"{name}.acc")
    y = ctx.requantize(total, name, ctx.type_of(name), contract=ctx.mean_contract(name, op.count(x.type)), clamp=clamp)
    ctx.define(node.out, y, NHWC if nhwc else "plain")
    ctx.define(name, y, NHWC if nhwc else "plain")


def lower_sum(ctx: Lowering, node: FrontNode) -> None:
    """Sum over axes; how many a mask keeps is counted in 8 bits, or in 16."""
    x, (name, clamp) = ctx.value(node.ins[0], node), ctx.absorb_clamp(node)
    op = Reduce(kind="sum", axes=tuple(node.attrs["axes"]))
    count = op.count(x.type)
    if x.type.fmt == UINT1 and count <= UINT16.max_int:
        fmt = UINT8 if count <= UINT8.max_int else UINT16
        ctx.define(node.out, ctx.graph.add(replace(op, fmt=fmt), x, name=node.out))
    elif feeds_only(ctx.front, node.out, "div"):
        ctx.define(node.out, ctx.exact(op, x, name=node.out))
    else:
        y = ctx.requantize(ctx.exact(op, x, name=f"{name}.acc"), name, ctx.type_of(name), clamp=clamp)
        ctx.define(node.out, y)
        ctx.define(name, y)


def feeds_only(front: FrontGraph, value: str, op: str) -> bool:
    """Whether nothing but `op`, by way of movement perhaps, reads `value`."""
    readers = front.consumers(value)
    through = all(n.op == op or (n.op in MOVES and feeds_only(front, n.out, op)) for n in readers)
    return bool(readers) and through and value not in front.outputs


def lower_div(ctx: Lowering, node: FrontNode) -> None:
    """The block, with the recipe's contract."""
    r, (a, b) = ctx.settings(node.out), (ctx.value(i, node) for i in node.ins)
    rule = contract_named(r.contract)
    least, out = node.attrs.get("least", 0.0), ctx.type_of(node.out)
    y = divide(ctx.graph, a, b, out, least=least, contract=rule, rounding=r.rounding, tables=r.tables, name=node.out)
    ctx.define(node.out, y)
