"""``y = saturate(contract(x - zero_x) + zero_y)`` over registers: the contracts of `hwsim.contracts`, vector by vector.

Constants are int64 (float32 for ``onnx_float``), one for all (`channels` 0) or one a column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from ..jit import jit
from ..rounding import shift_right_scalar
from .memory import _pointer, longs, words


@jit
def dyadic(
    y: Any, x: Any, rows: Any, pitch: Any, multiplier: Any, shifts: Any, channels: Any, rounding: Any,
    zero_x: Any, zero_y: Any, lo: Any, hi: Any,
) -> None:  # fmt: skip
    """``round(x * multiplier / 2**shift)``."""
    if channels == 0:
        rows, pitch = 1, rows * pitch
    m, s = longs(multiplier, pitch if channels else 1), longs(shifts, pitch if channels else 1)
    for i in range(rows):
        out, given = words(y + 4 * pitch * i, pitch), words(x + 4 * pitch * i, pitch)
        if channels and rounding == 1:
            for j in range(pitch):
                half = (np.int64(1) << s[j]) >> 1
                out[j] = min(max((((np.int64(given[j]) - zero_x) * m[j] + half) >> s[j]) + zero_y, lo), hi)
        elif channels:
            for j in range(pitch):
                v = shift_right_scalar((np.int64(given[j]) - zero_x) * m[j], s[j], rounding)
                out[j] = min(max(v + zero_y, lo), hi)
        elif rounding == 1:
            one, count = m[0], s[0]
            half = (np.int64(1) << count) >> 1
            for j in range(pitch):
                out[j] = min(max((((np.int64(given[j]) - zero_x) * one + half) >> count) + zero_y, lo), hi)
        else:
            for j in range(pitch):
                v = shift_right_scalar((np.int64(given[j]) - zero_x) * m[0], s[0], rounding)
                out[j] = min(max(v + zero_y, lo), hi)


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
    s = carray(_pointer(scales), (pitch if channels else 1,), np.float32)
    shift, least, most = np.float32(origin), np.float32(-(2.0**30)), np.float32(2.0**30)
    for i in range(rows):
        out, given = words(y + 4 * pitch * i, pitch), words(x + 4 * pitch * i, pitch)
        for j in range(pitch):
            v = np.float32(np.float32(given[j] - zero_x) * s[j if channels else 0]) + shift
            v = np.float32(np.rint(min(max(v, least), most)))
            out[j] = min(max(np.int64(v) - origin + zero_y, lo), hi)
