"""Products of bytes over registers: with packed weights, or with a second operand that is packed on the way.

Packed columns lie in panels of 64, 32 or 16, in each ``[k / 4][columns][4]`` signed bytes (`hwsim.kernels.tile`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jit import jit
from .memory import longs, signed_bytes, unsigned_bytes, words
from .tile import tile

PANEL = 64
_6x64, _4x64, _12x32, _12x16 = tile(6, 64), tile(4, 64), tile(12, 32), tile(12, 16)
_1x64, _1x32, _1x16 = tile(1, 64), tile(1, 32), tile(1, 16)


@jit
def panel(columns: Any) -> Any:
    """How many of the next columns go into one panel; `columns`, a multiple of 16, are left."""
    return 64 if columns >= 64 else (32 if columns >= 32 else 16)


@jit
def multiply(
    c: Any, addresses: Any, rows: Any, columns: Any, segments: Any, stride: Any, steps: Any,
    b: Any, start: Any, sums: Any, less: Any, unsigned: Any,
) -> None:  # fmt: skip
    """Rows at `addresses` times packed `b` into the register `c`, pitch `columns`; parameters: see `tile`."""
    j, c_row, depth = 0, 4 * columns, segments * steps
    while j < columns:
        n = panel(columns - j)
        i = 0
        while i < rows:
            height = _height(n, rows, rows - i)
            i = min(i, rows - height)  # the last rows once more: the same numbers
            at, out = addresses + 8 * i, c + c_row * i + 4 * j
            where, total, off = start + 4 * j, sums + 4 * j, less + 4 * i if less else 0
            if height == 1 and n == 64:
                _1x64(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, off, unsigned)
            elif height == 1 and n == 32:
                _1x32(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, off, unsigned)
            elif height == 1:
                _1x16(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, off, unsigned)
            elif height == 4:
                _4x64(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, off, unsigned)
            elif n == 64:
                _6x64(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, off, unsigned)
            elif n == 32:
                _12x32(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, off, unsigned)
            else:
                _12x16(at, segments, stride, steps, b, 4 * n, where, total, out, c_row, off, unsigned)
            i += height
        b += depth * 4 * n
        j += n


@jit
def _height(columns: Any, rows: Any, left: Any) -> Any:
    """Of the next tile, so that all of them do few rows twice: 6 and 4 make every even number from 4 on."""
    if columns == 64:
        if rows >= 6 and (left >= 9 or left == 6 or left == 5):
            return 6
        return 4 if rows >= 4 else 1
    return 12 if rows >= 12 else 1


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
def pack(out: Any, b: Any, depth: Any, width: Any, k_step: Any, n_step: Any, columns: Any) -> None:
    """A (depth, width) matrix of bytes at `b`, with steps in bytes, into panels."""
    steps, j = (depth + 3) // 4, 0
    while j < columns:
        n = panel(columns - j)
        valid = max(min(n, width - j), 0)
        for q in range(steps):
            packed, place = words(out + 4 * n * q, n), b + 4 * q * k_step + j * n_step
            if 4 * q + 4 > depth:
                _pack_few(packed, valid, place, k_step, n_step, depth - 4 * q)
            elif k_step == 1:
                for c in range(valid):
                    packed[c] = words(place + c * n_step, 1)[0]
            elif n_step == 1:
                _interleave(packed, valid, place, k_step)
            else:
                _pack_few(packed, valid, place, k_step, n_step, 4)
            for c in range(valid, n):
                packed[c] = 0
        out += 4 * n * steps
        j += n


@jit
def column_sums(sums: Any, packed: Any, steps: Any, columns: Any) -> None:
    """Sums of the columns of a packed matrix."""
    j = 0
    while j < columns:
        n = panel(columns - j)
        total = words(sums + 4 * j, n)
        for c in range(n):
            total[c] = 0
        for q in range(steps):
            w = words(packed + 4 * n * q, n)
            for c in range(n):
                total[c] += w[c] >> np.int32(24)
                for left in (np.int32(8), np.int32(16), np.int32(24)):
                    total[c] += np.int32(w[c] << left) >> np.int32(24)
        packed += 4 * n * steps
        j += n


@jit
def _interleave(packed: Any, valid: Any, place: Any, k_step: Any) -> None:
    """Four rows of bytes, the first in the low byte of each word."""
    a, b = unsigned_bytes(place, valid), unsigned_bytes(place + k_step, valid)
    c, d = unsigned_bytes(place + 2 * k_step, valid), unsigned_bytes(place + 3 * k_step, valid)
    for j in range(valid):
        low = np.uint32(a[j]) | np.uint32(b[j]) << np.uint32(8)
        packed[j] = np.int32(low | np.uint32(c[j]) << np.uint32(16) | np.uint32(d[j]) << np.uint32(24))


@jit
def _pack_few(packed: Any, valid: Any, place: Any, k_step: Any, n_step: Any, rows: Any) -> None:
    """`rows` bytes of each column, zeros after them."""
    for c in range(valid):
        w = np.uint32(0)
        for i in range(rows):
            byte = unsigned_bytes(place + i * k_step + c * n_step, 1)[0]
            w |= np.uint32(byte) << np.uint32(8 * i)
        packed[c] = np.int32(w)


@jit
def row_sums(out: Any, addresses: Any, rows: Any, depth: Any, factor: Any, unsigned: Any) -> None:
    """``factor * sum of the row of a``: what a zero point of the second operand adds to each of its products."""
    y, at = words(out, rows), longs(addresses, rows)
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
        y[i] = np.int32(total * factor)
