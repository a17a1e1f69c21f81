"""Loops over registers: ``y = f(x, ..)`` element by element, and reductions of rows.

A second operand is an `Array` (a row of numbers for each row of `x`, or the same one for all: step 0) or one number for
each row (`single`, step 1) or for all (step 0). Sums and products fit 32 bits by the graph's proof unless `wide`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jit import jit
from ..rounding import shift_right_scalar
from .llvm import shifted
from .memory import longs, words


@jit
def add(y: Any, x: Any, b: Any, rows: Any, pitch: Any, single: Any, step: Any) -> None:
    """``y = x + b``."""
    for i in range(rows):
        out, given = words(y + 4 * pitch * i, pitch), words(x + 4 * pitch * i, pitch)
        if single:
            number = words(b + 4 * step * i, 1)[0]
            for j in range(pitch):
                out[j] = given[j] + number
        else:
            others = words(b + 4 * step * i, pitch)
            for j in range(pitch):
                out[j] = given[j] + others[j]


@jit
def multiply(y: Any, x: Any, b: Any, rows: Any, pitch: Any, single: Any, step: Any, zero_x: Any, zero_b: Any) -> None:
    """``y = (x - zero_x) * (b - zero_b)``."""
    zx, zb = np.int32(zero_x), np.int32(zero_b)
    for i in range(rows):
        out, given = words(y + 4 * pitch * i, pitch), words(x + 4 * pitch * i, pitch)
        if single:
            number = np.int32(words(b + 4 * step * i, 1)[0] - zb)
            for j in range(pitch):
                out[j] = np.int32(given[j] - zx) * number
        else:
            others = words(b + 4 * step * i, pitch)
            for j in range(pitch):
                out[j] = np.int32(given[j] - zx) * np.int32(others[j] - zb)


@jit
def select(y: Any, c: Any, a: Any, b: Any, rows: Any, pitch: Any, single: Any, step: Any, swapped: Any) -> None:
    """``y = a where c else b``; swapped: ``b where c else a``."""
    for i in range(rows):
        out, kept = words(y + 4 * pitch * i, pitch), words(c + 4 * pitch * i, pitch)
        given = words(a + 4 * pitch * i, pitch)
        if single:
            number = words(b + 4 * step * i, 1)[0]
            for j in range(pitch):
                out[j] = given[j] if (kept[j] != 0) != swapped else number
        else:
            others = words(b + 4 * step * i, pitch)
            for j in range(pitch):
                out[j] = given[j] if (kept[j] != 0) != swapped else others[j]


@jit
def look_up(y: Any, x: Any, n: Any, table: Any, first: Any, size: Any) -> None:
    """``y = table[x - first]``. Why the limits: the filling of rows may be any number."""
    out, given, entries = words(y, n), words(x, n), words(table, size)
    top = np.uint32(size - 1)
    start = np.int32(first)
    for j in range(n):
        out[j] = entries[min(np.uint32(np.int32(given[j] - start)), top)]


@jit
def shift(y: Any, x: Any, n: Any, bits: Any, rounding: Any) -> None:
    """``y = round(x / 2**bits)``, bits < 0: to the left."""
    out, given = words(y, n), words(x, n)
    if bits < 0:
        for j in range(n):
            out[j] = given[j] << -bits
    elif rounding == 3:
        for j in range(n):
            out[j] = given[j] >> np.int32(bits)
    else:
        for j in range(n):
            out[j] = shift_right_scalar(np.int64(given[j]), bits, rounding)


@jit
def shift_by(
    y: Any, x: Any, s: Any, rows: Any, pitch: Any, single: Any, bits: Any, rounding: Any, lo: Any, hi: Any, short: Any
) -> None:
    """``y = saturate(round(x / 2**(s + bits)))``; filling of `s` is masked to a shift that is defined.

    `short`: all shifts are 1..32 bits and 32 bits hold x + 1, so the half is added when there is room for it.
    """
    for i in range(rows):
        out, given = words(y + 4 * pitch * i, pitch), words(x + 4 * pitch * i, pitch)
        if single:
            count = words(s + 4 * i, 1)[0] + bits
            if rounding == 1 and short:
                less, one, least, most = np.int32(count - 1), np.int32(1), np.int32(lo), np.int32(hi)
                for j in range(pitch):
                    out[j] = min(max(shifted(np.int32(shifted(given[j], less) + one), one), least), most)
            elif rounding == 1:
                half = (np.int64(1) << count) >> 1
                for j in range(pitch):
                    out[j] = min(max((given[j] + half) >> count, lo), hi)
            else:
                for j in range(pitch):
                    out[j] = min(max(shift_right_scalar(np.int64(given[j]), count, rounding), lo), hi)
        else:
            counts = words(s + 4 * pitch * i, pitch)
            for j in range(pitch):
                out[j] = min(max(shift_right_scalar(np.int64(given[j]), (counts[j] + bits) & 63, rounding), lo), hi)


@jit
def reduce(y: Any, x: Any, rows: Any, width: Any, pitch: Any, kind: Any) -> None:
    """The row's sum (0), maximum (1) or minimum (2)."""
    out = words(y, rows)
    for i in range(rows):
        given = words(x + 4 * pitch * i, width)
        if kind == 0:
            total = np.int32(0)
            for j in range(width):
                total = np.int32(total + given[j])
            out[i] = total
        elif kind == 1:
            most = given[0]
            for j in range(width):
                most = max(most, given[j])
            out[i] = most
        else:
            least = given[0]
            for j in range(width):
                least = min(least, given[j])
            out[i] = least


@jit
def sum_square(y: Any, x: Any, rows: Any, width: Any, pitch: Any) -> None:
    """The row's sum of squares, in 64 bits."""
    out = longs(y, rows)
    for i in range(rows):
        given, total = words(x + 4 * pitch * i, width), np.int64(0)
        for j in range(width):
            total += np.int64(given[j]) * np.int64(given[j])
        out[i] = total


@jit
def add_long(y: Any, x: Any, n: Any, number: Any) -> None:
    """``y = x + number``, in 64 bits."""
    out, given = longs(y, n), longs(x, n)
    for j in range(n):
        out[j] = given[j] + number


@jit
def widen(y: Any, x: Any, n: Any) -> None:
    """32 bits to 64."""
    out, given = longs(y, n), words(x, n)
    for j in range(n):
        out[j] = given[j]


@jit
def shorten(y: Any, x: Any, n: Any) -> None:
    """64 bits to 32."""
    out, given = words(y, n), longs(x, n)
    for j in range(n):
        out[j] = given[j]


@jit
def normalize(mantissa: Any, exponent: Any, x: Any, n: Any, bits: Any) -> None:
    """`Normalize.apply` of 64-bit numbers."""
    m, e, given = words(mantissa, n), words(exponent, n), longs(x, n)
    for j in range(n):
        number, place = max(given[j], 1), 0
        for step in (32, 16, 8, 4, 2, 1):
            if number >> (place + step) > 0:
                place += step
        m[j] = (number << (bits - 1)) >> place
        e[j] = place
