"""Depthwise convolutions of `conv2d`: some channels at a time, all taps of a window unrolled.

Taps outside the image point to a row of zero points, so inner loops have no test.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.ops import Conv2d
from hwsim.ranges import Interval
from hwsim.rounding import Ints

from ..render import macros
from ..tiles import HALF, SCALAR, Tile, starts, tiles
from .c_view import CView, ctype
from .dense import result, sums


def depthwise(v: CView, x: Interval) -> dict[str, Any] | None:
    """What the kernels' templates need, or None where plain loops must do.

    Args:
        v: the node's view, with the fields of `c_sums`.
        x: what an input can be, the border's zero point included.
    """
    op, t = v.node.op, tiles(v.target)[0]
    assert isinstance(op, Conv2d)
    (h, w, c), (oh, ow, _) = v.type(0).sample_shape, v.out.sample_shape
    weights = v.graph.constants[v.node.ins[1].name].to_int().reshape(c, -1)
    t = SCALAR if t.name == "mve" and c < t.block else t
    start = sums(v, weights, x, HALF, 0)
    most = {"dsp": 1, "mve": 2}.get(t.name, 4)  # bytes of an input that the kernel loads
    if start is None or v.type(0).fmt.dtype.itemsize > most:
        return None
    block = t.block if t.words else min(t.block, c)
    if t.words and c < block:
        return None  # a word would reach past the last pixel
    d: dict[str, Any] = {"h": h, "w": w, "o": c, "oh": oh, "ow": ow, "kernel": op.kernel, "stride": op.stride}
    d |= {"dilation": op.dilation, "top": op.padding[0][0], "left": op.padding[1][0]}
    d |= {"padded": any(map(any, op.padding)), "x": ctype(v.type(0).fmt)}
    d |= {"block": block, "blocks": len(starts(c, block)), "taps": weights.shape[1], "rows": 1}
    d |= {"signed": v.type(0).fmt.dtype.kind == "i", "channels": block, "array": block > 4 or t.name == "mve"}
    d |= _weights(v, t, weights, block) | {"macros": macros(f"c/kernels/{t.name}_depth.j2")}
    zero = np.full(c, int(np.max(v.type(0).zero_point)))
    d["border"] = v.table(zero, "a pixel outside the image", d["x"]) if d["padded"] else ""
    d["start"] = v.table(start, "where sums start", "int32_t") if start.any() else None
    d |= {"store": lambda channel: result(v, channel)}
    d["shared"] = macros("c/kernels/shared.j2")
    v.fields["kernels"] = macros("c/kernels/depthwise.j2")
    return d


def _weights(v: CView, t: Tile, weights: Ints, block: int) -> dict[str, Any]:
    """``weights`` (a table), ``groups`` (taps that are taken together).

    One tap at a time: [tap][channel]. Several: [block][group][channel][tap], so that a lane's products lie together;
    two taps of two channels share a word whose even bytes are the first channel's. Missing taps have weight 0.
    """
    c, taps = weights.shape
    note = f"weights {[c, taps]}"
    if t.taps == 1:
        return {"weights": v.table(weights.T, f"{note}, by tap", "int8_t"), "groups": taps}
    groups = -(-taps // t.taps)
    whole = np.pad(weights, ((0, 0), (0, groups * t.taps - taps)))
    parts = np.stack([whole[s : s + block].reshape(block, groups, t.taps).swapaxes(0, 1) for s in starts(c, block)])
    if t.taps == 2:
        parts = parts.reshape(-1, 2, 2).swapaxes(1, 2)
    table = v.table(parts.reshape(-1).astype(np.int8).view("<u4"), f"{note}, in blocks", "uint32_t")
    return {"weights": table, "groups": groups, "panel": groups * t.taps * block // 4}
