"""Functions of one value: a table over all its codes where it has at most 8 bits, a clamping requant for wider ReLU."""

from __future__ import annotations

import numpy as np

from ..front import FrontNode
from ..ops import Lut
from .context import Lowering


def lower_relu(ctx: Lowering, node: FrontNode) -> None:
    """A ReLU that no linear or add could absorb."""
    x, out = ctx.value(node.ins[0], node), ctx.type_of(node.out)
    if x.type.fmt.bits <= 8:
        y = ctx.graph.add(Lut.of(lambda v: np.maximum(v, 0), x.type, out), x, name=node.out)
    else:
        y = ctx.requantize(x, node.out, out, relu=True)
    ctx.define(node.out, y)
