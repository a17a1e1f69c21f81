"""Products of bytes over registers: with packed weights, with a packed second operand, depthwise.

Packed columns lie in panels of 64, 32 or 16, in each ``[k / 4][columns][4]`` signed bytes (`hwsim.kernels.tile`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jit import jit
from .memory import longs, signed_bytes, unsigned_bytes, words
from .tile import tile

PANEL = 64
_6x64, _12x32, _12x16 = tile(6, 64), tile(12, 32), tile(12, 16)
_1x64, _1x32, _1x16 = tile(1, 64), tile(1, 32), tile(1, 16)


@jit
def panel(columns: Any) -> Any:
    """How many of the next columns go into one panel; `columns`, a multiple of 16, are left."""
    return 64 if columns >= 64 else (32 if columns >= 32 else 16)


@jit
def multiply(
    c: Any, addresses: Any, rows: Any, columns: Any, segments: Any, stride: Any, steps: Any,
    b: Any, start: Any, sums: Any, unsigned: Any,
) -> None:  # fmt: skip
    """Rows at `addresses` times packed `b` into the register `c`, pitch `columns`; parameters: see `tile`."""
    j, c_row, depth = 0, 4 * columns, segments * steps
    while j < columns:
        n = panel(columns - j)
        height = 6 if n == 64 else 12
        i = 0
        while i < rows:
            if rows - i < height and rows >= height:
                i = rows - height  # the last rows once more: the same numbers
            at, out = addresses + 8 * i, c + c_row * i + 4 * j
            where, total = start + 4 * j, sums + 4 * j
            if rows < height and n == 64:
                _1x64(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, unsigned)
            elif rows < height and n == 32:
                _1x32(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, unsigned)
            elif rows < height:
                _1x16(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, unsigned)
            elif n == 64:
                _6x64(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, unsigned)
            elif n == 32:
                _12x32(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, unsigned)
            else:
                _12x16(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, unsigned)
            i += 1 if rows < height else height
        b += depth * 4 * n
        j += n


@jit
def addresses(out: Any, rows: Any, base: Any, offsets: Any) -> None:
    """``base + offsets[row]``."""
    y, at = longs(out, rows), longs(offsets, rows)
    for i in range(rows):
        y[i] = base + at[i]


@jit
def in_line(out: Any, rows: Any, base: Any, pitch: Any) -> None:
    """Addresses of rows that follow each other."""
    y = longs(out, rows)
    for i in range(rows):
        y[i] = base + pitch * i


@jit
def pack(out: Any, sums: Any, b: Any, depth: Any, width: Any, k_step: Any, n_step: Any, columns: Any) -> None:
    """A (depth, width) matrix of bytes at `b`, with steps in bytes, into panels, and the sums of its columns."""
    given = signed_bytes(b, (depth - 1) * k_step + (width - 1) * n_step + 1)
    steps = (depth + 3) // 4
    packed, total = signed_bytes(out, steps * 4 * columns), words(sums, columns)
    j = 0
    at = 0
    while j < columns:
        n = panel(columns - j)
        for q in range(steps):
            for i in range(4):
                k = 4 * q + i
                for c in range(n):
                    packed[at + (q * n + c) * 4 + i] = (
                        given[k * k_step + (j + c) * n_step] if k < depth and j + c < width else 0
                    )
        for c in range(n):
            s = np.int32(0)
            for q in range(steps):
                for i in range(4):
                    s += packed[at + (q * n + c) * 4 + i]
            total[j + c] = s
        at += steps * 4 * n
        j += n


@jit
def less_zero(c: Any, addresses: Any, rows: Any, columns: Any, depth: Any, zero: Any, unsigned: Any) -> None:
    """``c -= zero * sum of the row of a``: what a zero point of the second operand adds to a product."""
    at = longs(addresses, rows)
    for i in range(rows):
        total = np.int32(0)
        if unsigned:
            u = unsigned_bytes(at[i], depth)
            for k in range(depth):
                total += np.int32(u[k])
        else:
            x = signed_bytes(at[i], depth)
            for k in range(depth):
                total += np.int32(x[k])
        out, back = words(c + 4 * columns * i, columns), np.int32(total * zero)
        for j in range(columns):
            out[j] -= back


@jit
def depthwise(
    y: Any, rows: Any, channels: Any, pitch: Any, base: Any, offsets: Any, taps: Any, places: Any, weights: Any,
    start: Any, unsigned: Any,
) -> None:  # fmt: skip
    """``y[row, c] = start[c] + sum over taps of x[c] * weights[tap, c]``; a tap of a row lies at `places` from it."""
    at, moved, begin = longs(offsets, rows), longs(places, taps), words(start, channels)
    for i in range(rows):
        out = words(y + 4 * pitch * i, channels)
        for c in range(channels):
            out[c] = begin[c]
        for t in range(taps):
            w = words(weights + 4 * channels * t, channels)
            if unsigned:
                u = unsigned_bytes(base + at[i] + moved[t], channels)
                for c in range(channels):
                    out[c] += np.int32(u[c]) * w[c]
            else:
                x = signed_bytes(base + at[i] + moved[t], channels)
                for c in range(channels):
                    out[c] += np.int32(x[c]) * w[c]
