"""Pooling and means: a maximum keeps its type, a mean is an exact sum and one requant."""

from __future__ import annotations

from typing import Any

from ..front import FrontNode
from ..ops import Pool, Reduce
from .context import NHWC, Lowering
from .layout import nhwc_axis


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
