"""Matrix kernels of `matmul` and `conv2d`: rows of inputs by constant weights, in tiles (`codegen/tiles.py`).

Eligible are exact sums in 32 bits of weights in 8 bits or fewer. Everything else keeps the plain loops, so a target's
kernels never decide what can be computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.formats import INT8, UINT8, Codes
from hwsim.ops import Conv2d, MatMul
from hwsim.ranges import Interval
from hwsim.rounding import Ints

from ..pack import width
from ..render import macros
from ..tiles import SIGNED_BYTE, Tile, filled_up, panels, starts, tiles, word_codes
from .c_view import INT32, CView, Scratch, ctype
from .packed import packed


def dense(v: CView, weights: Ints, codes: Codes, x: Interval, pixels: int) -> dict[str, Any] | None:
    """What the kernels' templates need, or None where plain loops must do.

    Args:
        v: the node's view, with the fields of `c_sums`.
        weights: integers less the zero point, shape (O, K), K in the order of a row.
        codes: the same as codes of their format.
        x: what an element of a row can be, the code of a border included.
        pixels: rows of the result.
    """
    found = (_tiled(v, t, weights, codes, x, pixels) for t in tiles(v.target))
    return next((d for d in found if d), None)


def _tiled(v: CView, t: Tile, weights: Ints, codes: Codes, x: Interval, pixels: int) -> dict[str, Any] | None:
    """`dense` in tiles `t`."""
    offset = 0 if x.inside(t.row) else t.offset
    start = sums(v, weights, x, t.row, offset)
    if start is None:
        return None
    small = _packed(v, t, codes, x, start)
    if width(v.type(1).fmt) and not small:
        return None
    o, rows = len(weights), min(t.rows, pixels)
    channels = min(t.channels, o)
    d: dict[str, Any] = {"o": o, "k": weights.shape[1], "pixels": pixels, "rows": rows, "channels": channels}
    d |= {"offset": offset, "patch": None, "raw": raw(v)}
    d |= {"tiles": len(starts(pixels, rows)), "panels": len(starts(o, channels))}
    d |= small or in_bytes(v, t, weights, channels)
    d |= {"macros": macros(f"c/kernels/{t.name}.j2")}
    d["start"] = v.table(start, "where sums start", "int32_t") if start.any() else None
    d |= {"store": lambda channel: result(v, channel)}
    v.scratch.append(Scratch(t.element[0], rows * d["kp"] // t.element[1]))
    d["shared"] = macros("c/kernels/shared.j2")
    v.fields["kernels"] = macros("c/kernels/dense.j2")
    return d


def sums(v: CView, weights: Ints, x: Interval, row: Interval, offset: int) -> Ints | None:
    """What sums start with, one an output channel, `offset` on every input taken off; None where int32 is not enough.

    Args:
        v: as for `dense`.
        weights: as for `dense`.
        x: as for `dense`.
        row: what the kernel can hold of an input, `offset` added.
        offset: added to each input by the kernel.
    """
    add, op = v.fields["add"], v.node.op
    assert isinstance(op, MatMul | Conv2d)
    x = x.shifted(offset)
    if add["steps"] or add["limit"] or op.datapath.drop or not x.inside(row):
        return None
    if not Interval(int(weights.min()), int(weights.max())).inside(SIGNED_BYTE):
        return None
    start = -offset * weights.sum(1)
    if len(v.node.ins) > 2:
        if v.variable(2):
            return None
        start = start + v.graph.constants[v.node.ins[2].name].codes
    ends = np.stack([weights * x.lo, weights * x.hi])
    least, most = start + np.minimum(ends.min(0), 0).sum(1), start + np.maximum(ends.max(0), 0).sum(1)
    return start if Interval(int(least.min()), int(most.max())).inside(INT32) else None


def result(v: CView, channel: str) -> str:
    """The last sum in its type, passed through the nodes behind."""
    return v.store(f"({ctype(v.out.fmt)}){v.fields['add']['last']}", channel)


def raw(v: CView) -> str:
    """``s8`` or ``u8`` where a row's inputs are plain bytes that may be read four at a time."""
    plain = v.type(0).axis is None or bool((v.type(0).gains == 1).all())
    return ("s8" if v.type(0).fmt == INT8 else "u8" if v.type(0).fmt == UINT8 else "") if plain else ""


def _packed(v: CView, t: Tile, codes: Codes, x: Interval, start: Ints) -> dict[str, Any] | None:
    """Words of 2 or 4 bits a weight, where sums with biased codes fit as well."""
    fmt, k = v.type(1).fmt, codes.shape[1]
    top = 2 * (1 << fmt.bits) * k * x.magnitude + int(np.abs(start).max(initial=0))
    if np.any(v.type(1).zero_point) or top > INT32.hi:
        return None
    return packed(v, t, fmt, codes, min(t.channels, len(codes)))


def in_bytes(v: CView, t: Tile, weights: Ints, channels: int) -> dict[str, Any]:
    """``weights`` (a table), ``kp`` (K, filled up to whole words), ``panel`` (elements from one panel to the next)."""
    o, k = weights.shape
    note = f"weights {[o, k]}"
    if not t.words:
        kp = filled_up(k, t.fill)
        table = v.table(np.pad(weights, ((0, 0), (0, kp - k))), note, "int8_t")
        return {"kp": kp, "weights": table, "panel": kp * channels, "form": "bytes", "less": 0, "per": 1, "words": kp}
    kp = -(-k // 4) * 4
    whole = np.pad(weights, ((0, 0), (0, kp - k)))
    table = v.table(panels(word_codes(whole, 8), channels), f"{note}, in panels of {channels} channels", "uint32_t")
    d = {"kp": kp, "weights": table, "words": kp // 4, "panel": kp // 4 * channels, "unroll": 1 + (kp % 8 == 0)}
    return d | {"form": "bytes", "less": 0, "per": 4}
