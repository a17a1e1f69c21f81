"""Movement of codes: the type travels along."""

from __future__ import annotations

from ..front import FrontNode
from ..graph import Value
from ..ops import Concat, Expand, Gather, Slice, Transpose
from ..qtensor import quantize
from .context import FLAT, NHWC, Lowering
from .layout import nhwc_axis, reshaped


def lower_reshape(ctx: Lowering, node: FrontNode) -> None:
    """Reshape of everything but the batch; flattening an NHWC image keeps its order, `linear` knows."""
    source, shape = ctx.stored(node.ins[0], node), tuple(node.attrs["shape"])
    image = ctx.shapes[node.ins[0]]
    if source.layout == NHWC and len(shape) == 1 and len(image) == 3 and image[0] > 1 and image[1:] != (1, 1):
        y = reshaped(ctx.graph, source.value, shape, node.out)
        ctx.define(node.out, y, FLAT, image)
    else:
        ctx.define(node.out, reshaped(ctx.graph, ctx.value(node.ins[0], node), shape, node.out))


def lower_transpose(ctx: Lowering, node: FrontNode) -> None:
    """Transpose in the front graph's layout."""
    op = Transpose(perm=tuple(node.attrs["perm"]))
    ctx.define(node.out, ctx.graph.add(op, ctx.value(node.ins[0], node), name=node.out))


def lower_slice(ctx: Lowering, node: FrontNode) -> None:
    """Slice along an axis, in whatever layout the value is."""
    a, source = node.attrs, ctx.stored(node.ins[0], node)
    rank, nhwc = len(ctx.shapes[node.ins[0]]) + 1, source.layout == NHWC
    x = source.value if nhwc else ctx.value(node.ins[0], node)
    axis = nhwc_axis(a["axis"], rank) if nhwc else a["axis"]
    y = ctx.graph.add(Slice(axis=axis, start=a["start"], stop=a["stop"], step=a["step"]), x, name=node.out)
    ctx.define(node.out, y, NHWC if nhwc else "plain")


def lower_expand(ctx: Lowering, node: FrontNode) -> None:
    """Repeat axes of size 1."""
    x, shape = ctx.value(node.ins[0], node), tuple(node.attrs["shape"])
    ctx.define(node.out, ctx.graph.add(Expand(shape=shape), x, name=node.out))


def lower_concat(ctx: Lowering, node: FrontNode) -> None:
    """Each part is requantized to the result's type, unless it has it."""
    nhwc = all(ctx.stored(i, node).layout == NHWC for i in node.ins)
    out, axis = ctx.type_of(node.out), node.attrs["axis"]
    parts: list[Value] = []
    for k, i in enumerate(node.ins):
        x = ctx.image(i, node) if nhwc else ctx.value(i, node)
        same = (x.type.fmt, x.type.scale, x.type.zero_point) == (out.fmt, out.scale, out.zero_point)
        parts.append(x if same else ctx.requantize(x, f"{node.out}.{k}", out.reshaped(x.type.shape)))
    op = Concat(axis=nhwc_axis(axis, len(ctx.shapes[node.out]) + 1) if nhwc else axis)
    ctx.define(node.out, ctx.graph.add(op, *parts, name=node.out), NHWC if nhwc else "plain")


def lower_embedding(ctx: Lowering, node: FrontNode) -> None:
    """The table in the result's type, gathered by the index."""
    out = ctx.type_of(node.out)
    assert isinstance(out.scale, float)  # activation types are per tensor
    assert isinstance(out.zero_point, int)
    table = quantize(ctx.param(node, 1), out.fmt, scale=out.scale, zero_point=out.zero_point)
    v = ctx.graph.constant(f"{node.out}.table", table)
    ctx.define(node.out, ctx.graph.add(Gather(axis=0), v, ctx.value(node.ins[0], node), name=node.out))
