"""conv2d or conv1d [+ clamp] -> conv2d in NHWC (a 1-D convolution is its one-row case) + requant."""

from __future__ import annotations

from ..front import FrontNode
from ..ops import Conv2d
from .context import NHWC, Lowering
from .weights import accumulated, weighted


def lower_conv(ctx: Lowering, node: FrontNode) -> None:
    """See the module; weights go from (O, C, KH, KW) or (O, C, K) to (O, KH, KW, C)."""
    x, a = ctx.image(node.ins[0], node), node.attrs
    weight = ctx.param(node, 1)
    stride, dilation, padding = list(a["stride"]), list(a["dilation"]), [tuple(p) for p in a["padding"]]
    if node.op == "conv1d":
        weight = weight[:, :, None, :]
        stride, dilation, padding = [1, *stride], [1, *dilation], [(0, 0), *padding]
    name, clamp = ctx.absorb_clamp(node)
    out = ctx.type_of(name)
    w, start = weighted(ctx, node, x, weight.transpose(0, 2, 3, 1), out, axis=0)
    op = Conv2d(
        kernel=(weight.shape[2], weight.shape[3]),
        stride=(stride[0], stride[1]),
        dilation=(dilation[0], dilation[1]),
        padding=((padding[0][0], padding[0][1]), (padding[1][0], padding[1][1])),
        groups=a["groups"],
    )
    acc = accumulated(ctx, node, op, x, w, start, name=f"{name}.acc")
    y = ctx.requantize(acc, name, out, clamp=clamp)
    ctx.define(node.out, y, NHWC)
    ctx.define(name, y, NHWC)
