"""Movement of codes: the type travels along."""

from __future__ import annotations

import numpy as np

from ..formats import UINT1
from ..front import FrontGraph, FrontNode
from ..graph import Value
from ..ops import Concat, Expand, Gather, Pad, Select, Slice, Transpose
from ..qtensor import QTensor, QType, quantize
from .context import FLAT, NHWC, Lowering
from .layout import nhwc_axis, reshaped
from .roles import Roles

REGROUPS = ("reshape", "transpose", "slice", "expand")


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


def keeps_type(front: FrontGraph, roles: Roles, node: FrontNode) -> bool:
    """Whether a concat only puts pieces of one value in another order: then the value's type stays.

    But a residual stream stays wide only where the role of the result says so.
    """
    makers = {n.out: n for n in front.nodes}
    sources = set()
    for name in node.ins if node.op == "concat" else ():
        while name in makers and makers[name].op in REGROUPS:
            name = makers[name].ins[0]
        sources.add(name)
    one = len(sources) == 1 and sources.isdisjoint(front.params)
    return one and (sources <= roles.wide) == (node.out in roles.wide)


def lower_concat(ctx: Lowering, node: FrontNode) -> None:
    """Each part is requantized to the result's type, unless it has it; pieces of one value have."""
    values = [i for i in node.ins if i not in ctx.front.params]
    nhwc = len(values) == len(node.ins) and all(ctx.stored(i, node).layout == NHWC for i in values)
    kept = keeps_type(ctx.front, ctx.roles, node)
    out = ctx.stored(values[0], node).value.type if kept else ctx.type_of(node.out)
    axis = node.attrs["axis"]
    parts: list[Value] = []
    for k, i in enumerate(values):
        x = ctx.image(i, node) if nhwc else ctx.value(i, node)
        same = (x.type.fmt, x.type.scale, x.type.zero_point) == (out.fmt, out.scale, out.zero_point)
        parts.append(x if same else ctx.requantize(x, f"{node.out}.part{k}", out.reshaped(x.type.shape)))
    if len(values) < len(node.ins):
        ctx.define(node.out, beside_parameters(ctx, node, out, dict(zip(values, parts, strict=True))))
        return
    op = Concat(axis=nhwc_axis(axis, len(ctx.shapes[node.out]) + 1) if nhwc else axis)
    ctx.define(node.out, ctx.graph.add(op, *parts, name=node.out), NHWC if nhwc else "plain")


def beside_parameters(ctx: Lowering, node: FrontNode, out: QType, values: dict[str, Value]) -> Value:
    """Values and parameters along an axis: the values padded to the whole size, a constant selected elsewhere.

    Why not a concat: a constant has no batch axis, and an engine that runs many samples would have to invent it.
    """
    axis, shape = node.attrs["axis"] - 1, ctx.shapes[node.out]
    reals, from_values, at = np.zeros(shape), np.zeros(shape, UINT1.dtype), 0
    padded: list[Value] = []
    for i in node.ins:
        size = (ctx.front.params[i].shape if i in ctx.front.params else ctx.shapes[i])[axis]
        here = (slice(None),) * axis + (slice(at, at + size),)
        if i in values:
            from_values[here] = 1
            padded.append(framed(ctx, node, out, values[i], at - covered(padded, axis), axis))
        else:
            reals[here] = ctx.front.params[i]
        at += size
    rest = at - covered(padded, axis)
    padded[-1] = framed(ctx, node, out, padded[-1], 0, axis, rest) if rest else padded[-1]
    g = ctx.graph
    whole = padded[0] if len(padded) == 1 else g.add(Concat(axis=axis + 1), *padded, name=f"{node.out}.values")
    assert isinstance(out.scale, float)  # activation types are per tensor
    assert isinstance(out.zero_point, int)
    fixed = g.constant(f"{node.out}.fixed", quantize(reals, out.fmt, scale=out.scale, zero_point=out.zero_point))
    chosen = g.constant(f"{node.out}.chosen", QTensor(QType(shape, UINT1), from_values))
    return g.add(Select(), chosen, whole, fixed, name=node.out)


def covered(parts: list[Value], axis: int) -> int:
    """How much of a sample's axis the parts fill."""
    return sum(v.type.sample_shape[axis] for v in parts)


def framed(ctx: Lowering, node: FrontNode, out: QType, x: Value, before: int, axis: int, after: int = 0) -> Value:
    """`x` with zeros before and after it along a sample's axis."""
    if not before and not after:
        return x
    widths = [tuple(n if a == axis else 0 for a in range(len(x.type.sample_shape))) for n in (before, after)]
    return ctx.graph.add(Pad(before=widths[0], after=widths[1], value=int(np.max(out.zero_point))), x)


def lower_embedding(ctx: Lowering, node: FrontNode) -> None:
    """The table in the result's type, gathered by the index."""
    out = ctx.type_of(node.out)
    assert isinstance(out.scale, float)  # activation types are per tensor
    assert isinstance(out.zero_point, int)
    table = quantize(ctx.param(node, 1), out.fmt, scale=out.scale, zero_point=out.zero_point)
    v = ctx.graph.constant(f"{node.out}.table", table)
    ctx.define(node.out, ctx.graph.add(Gather(axis=0), v, ctx.value(node.ins[0], node), name=node.out))
