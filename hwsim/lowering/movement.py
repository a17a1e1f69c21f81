"""Movement of codes: the type travels along."""

from __future__ import annotations

from ..front import FrontNode
from ..ops import Reshape
from .context import Lowering


def lower_reshape(ctx: Lowering, node: FrontNode) -> None:
    """Reshape of everything but the batch."""
    y = ctx.graph.add(Reshape(shape=tuple(node.attrs["shape"])), ctx.value(node.ins[0], node), name=node.out)
    ctx.define(node.out, y)
