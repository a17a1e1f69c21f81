"""Weights of 2 or 4 bits for the matrix kernels: words that are unpacked in registers, never in memory.

form      a word holds                    unpacked by
codes     integers                        scalar: two shifts; pairs: a mask, the bias of the codes taken off afterwards
grid      codes of a small float format   scalar: a table of numbers; pairs: a table of pairs, by byte
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, FloatFormat, Format, IntFormat

from ..pack import width
from ..tiles import Tile, pairs, panels, word_codes
from .c_view import CView


def packed(
    v: CView, t: Tile, fmt: Format, codes: Codes, channels: int, *, table: bool = False
) -> dict[str, Any] | None:
    """Fields of the kernels' templates, or None where each weight takes a byte.

    Args:
        v: the node's view.
        t: the tile.
        fmt: format of the weights, which have no zero point.
        codes: theirs, (O, K).
        channels: of a panel.
        table: whether pairs come from a table in any case, since no bias can be taken off.
    """
    bits = width(fmt)
    if bits not in (2, 4) or (isinstance(fmt, FloatFormat) and np.abs(fmt.grid).max() > 127):
        return None
    if t.name == "mve":
        return _nibbles(v, fmt, codes, channels) if bits == 4 else None
    n, (o, k) = 32 // bits, codes.shape
    kp = -(-k // n) * n
    wide = np.pad(codes.astype(np.int64), ((0, 0), (0, kp - k)))
    d: dict[str, Any] = {"kp": kp, "bits": bits, "per": n, "words": kp // n, "panel": kp // n * channels, "unroll": 1}
    d |= {
        "signed": isinstance(fmt, IntFormat) and fmt.signed,
        "grid": None,
        "less": 0,
        "mask": 0x10001 * ((1 << bits) - 1),
    }
    order = None
    if t.words and isinstance(fmt, IntFormat) and not table:
        d["less"] = 1 << (bits - 1) if fmt.signed else 0
        wide, order = wide + d["less"], pairs(bits)
    elif t.words and bits == 4:
        order = pairs(bits).reshape(2, -1).T.reshape(-1)
        d["grid"] = v.table(pair_table(fmt), f"pairs of {fmt.name} by byte", "uint32_t")
    elif t.words:
        return None
    elif isinstance(fmt, FloatFormat):
        d["grid"] = v.table(fmt.grid, f"grid of {fmt.name}", "int8_t")
    words = word_codes(wide, bits, order)
    note = f"{fmt.name} weights {[o, k]}, {n} codes a word"
    d["weights"] = v.table(panels(words, channels) if t.words else words, note, "uint32_t")
    return d | {"form": "grid" if d["grid"] else "codes"}


def _nibbles(v: CView, fmt: Format, codes: Codes, channels: int) -> dict[str, Any]:
    """Two vectors of sixteen codes in one: the first in the low halves of the bytes."""
    o, k = codes.shape
    kp = -(-k // 32) * 32
    wide = np.pad(codes.astype(np.int64) & 15, ((0, 0), (0, kp - k))).reshape(o, -1, 2, 16)
    table = v.table((wide[:, :, 0] | wide[:, :, 1] << 4).astype(np.uint8), f"{fmt.name} weights {[o, k]}, two a byte")
    grid = v.table(fmt.grid, f"grid of {fmt.name}", "int8_t") if isinstance(fmt, FloatFormat) else None
    d = {"kp": kp, "weights": table, "panel": kp // 2 * channels, "words": kp // 2, "per": 32, "less": 0, "grid": grid}
    return d | {"form": "nibbles", "signed": isinstance(fmt, IntFormat) and fmt.signed}


def pair_table(fmt: Format) -> NDArray[np.uint32]:
    """For each byte, the numbers of its low and of its high 4 bits as halves of a word."""
    numbers = fmt.to_int(np.arange(16) - 16 * (np.arange(16) > fmt.max_code)) & 0xFFFF
    return np.asarray(numbers[None, :] | numbers[:, None] << 16, np.uint32).reshape(-1)
