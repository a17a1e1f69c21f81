"""Values of 0 and 1: mask inputs, their opposite, what they leave of a value, the masks of a softmax. No rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..formats import UINT1
from ..front import FrontNode
from ..graph import Value
from ..ops import Lut, Select
from ..qtensor import QTensor, QType
from .context import Lowering


def lower_mask(ctx: Lowering, node: FrontNode) -> None:
    """The input itself, UINT1."""
    if node.ins[0] not in ctx.front.inputs:
        raise ValueError(f"{node.ins[0]!r} is computed; a mask is an input of the model")
    ctx.define(node.out, ctx.value(node.ins[0], node))


def lower_not(ctx: Lowering, node: FrontNode) -> None:
    """A table of two entries."""
    keep = keeps(ctx, node.ins[0], node)
    ctx.define(node.out, ctx.graph.add(Lut.of(lambda v: 1 - v, keep.type, keep.type.reshaped(())), keep, name=node.out))


def lower_masked(ctx: Lowering, node: FrontNode) -> None:
    """The value's code, or that of 0, in the value's type."""
    x, keep = ctx.value(node.ins[0], node), keeps(ctx, node.ins[1], node)
    code = np.full(1, x.type.zero_point, x.type.fmt.dtype)
    nothing = ctx.graph.constant(f"{node.out}.zero", QTensor(x.type.reshaped((1,)), code))
    ctx.define(node.out, ctx.graph.add(Select(), keep, x, nothing, name=node.out))


def keeps(ctx: Lowering, name: str, node: FrontNode) -> Value:
    """Input `name` of `node`, a value or parameter of 0 and 1."""
    if name in ctx.front.params:
        return constant(ctx, node, ctx.front.params[name] != 0)
    x = ctx.value(name, node)
    if x.type.fmt != UINT1:
        raise ValueError(f"{name!r} is {x.type.fmt.name}; a mask is made of inputs of 0 and 1")
    return x


def softmax_mask(ctx: Lowering, node: FrontNode) -> Value | None:
    """All masks of a softmax in one: the parameters as one constant, then a choice for each value."""
    fixed = [ctx.param(node, i) != 0 for i, name in enumerate(node.ins) if i and name in ctx.front.params]
    masks = [keeps(ctx, name, node) for name in node.ins[1:] if name not in ctx.front.params]
    if fixed:
        masks.append(constant(ctx, node, np.logical_and.reduce(np.broadcast_arrays(*fixed))))
    if not masks:
        return None
    whole = masks[0]
    for i, other in enumerate(masks[1:]):
        nothing = ctx.graph.constant(f"{node.out}.nothing{i}", QTensor(QType((1,), UINT1), np.zeros(1, UINT1.dtype)))
        whole = ctx.graph.add(Select(), whole, other, nothing, name=f"{node.out}.keep{i}")
    return whole


def constant(ctx: Lowering, node: FrontNode, keep: NDArray[np.bool_]) -> Value:
    """A mask parameter as UINT1, with as many axes as a sample of the result."""
    rank = len(ctx.shapes[node.out])
    keep = keep.reshape((1,) * (rank - keep.ndim) + keep.shape[max(0, keep.ndim - rank) :])
    codes = keep.astype(UINT1.dtype)
    return ctx.graph.constant(f"{node.out}.mask", QTensor(QType(np.shape(codes), UINT1), codes))
