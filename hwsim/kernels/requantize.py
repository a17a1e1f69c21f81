"""``y = saturate(contract(x - zero_x) + zero_y)`` over registers: the contracts of `hwsim.contracts`, vector by vector.

Constants are int64 (float32 for ``onnx_float``), one for all (`channels` 0) or one a column.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jit import jit
from ..rounding import shift_right_scalar
from .memory import floats, longs, words


@jit
def dyadic(
    y: Any, x: Any, rows: Any, pitch: Any, multiplier: Any, shifts: Any, columns: Any, rounding: Any,
    zero_x: Any, zero_y: Any, lo: Any, hi: Any,
) -> None:  # fmt: skip
    """``round(x * multiplier / 2**shift)``; constants stand for `columns`, a few rows, or are one (0).

    Why int32 multipliers: 32 times 32 bits is one instruction, 64 times 64 is three.
    """
    n, zero = rows * pitch, np.int32(zero_x)
    if columns == 0:
        out, given, one, count = words(y, n), words(x, n), words(multiplier, 1)[0], longs(shifts, 1)[0]
        if rounding == 1:
            half = (np.int64(1) << count) >> 1
            for j in range(n):
                product = np.int64(np.int32(given[j] - zero)) * np.int64(one)
                out[j] = min(max(((product + half) >> count) + zero_y, lo), hi)
        else:
            for j in range(n):
                product = np.int64(np.int32(given[j] - zero)) * np.int64(one)
                out[j] = min(max(shift_right_scalar(product, count, rounding) + zero_y, lo), hi)
        return
    for begin in range(0, n, columns):
        some = min(columns, n - begin)
        m, s = words(multiplier, some), longs(shifts, some)
        out, given = words(y + 4 * begin, some), words(x + 4 * begin, some)
        if rounding == 1:
            for j in range(some):
                product = np.int64(np.int32(given[j] - zero)) * np.int64(m[j])
                out[j] = min(max(((product + ((np.int64(1) << s[j]) >> 1)) >> s[j]) + zero_y, lo), hi)
        else:
            for j in range(some):
                product = np.int64(np.int32(given[j] - zero)) * np.int64(m[j])
                out[j] = min(max(shift_right_scalar(product, s[j], rounding) + zero_y, lo), hi)


@jit
def tflm_double(
    y: Any, x: Any, rows: Any, pitch: Any, multiplier: Any, shifts: Any, channels: Any,
    zero_x: Any, zero_y: Any, lo: Any, hi: Any,
) -> None:  # fmt: skip
    """``half_away(half_up(x * 2**left * multiplier / 2**31) / 2**right)``; `shifts` > 0 go left."""
    m, s = longs(multiplier, pitch if channels else 1), longs(shifts, pitch if channels else 1)
    for i in range(rows):
        out, given = words(y + 4 * pitch * i, pitch), words(x + 4 * pitch * i, pitch)
        for j in range(pitch):
            c = j if channels else 0
            high = (((np.int64(given[j]) - zero_x) << max(s[c], 0)) * m[c] + (1 << 30)) >> 31
            out[j] = min(max(shift_right_scalar(high, max(-s[c], 0), 2) + zero_y, lo), hi)


@jit
def onnx_float(
    y: Any, x: Any, rows: Any, pitch: Any, scales: Any, channels: Any,
    zero_x: Any, origin: Any, zero_y: Any, lo: Any, hi: Any,
) -> None:  # fmt: skip
    """``half_even(float32(x) * scale + origin) - origin``, in float32; limits come first, so that integers hold it."""
    s = floats(scales, pitch if channels else 1)
    shift, least, most = np.float32(origin), np.float32(-(2.0**30)), np.float32(2.0**30)
    for i in range(rows):
        out, given = words(y + 4 * pitch * i, pitch), words(x + 4 * pitch * i, pitch)
        for j in range(pitch):
            v = np.float32(np.float32(given[j] - zero_x) * s[j if channels else 0]) + shift
            v = np.float32(np.rint(min(max(v, least), most)))
            out[j] = min(max(np.int64(v) - origin + zero_y, lo), hi)
