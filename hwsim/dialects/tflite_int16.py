"""TFLite's INT16 LOGISTIC and TANH: lines between 256 points of one sigmoid, 24 a unit.

    x = half_up(q * m / 2**s), in steps of 1 / (24 * 512) of the argument     i = |x| >> 9
    logistic = the line from point i to point i + 1     tanh(x) = 2 * logistic(2 * x) - 1     x < 0 mirrors x > 0

LiteRT's reference kernels and TFLM give the same bits. Measured: tests/hwsim/dialects/test_tflite_functions.py.
"""

from __future__ import annotations

import numpy as np

from ..rounding import Ints, shift_right

KINDS = {"logistic": (9, (0,)), "tanh": (8, (0, 1))}  # bits below a point, left shifts of power-of-two scales
OUT_SCALE = 2.0**-15
ONE_MORE = (  # points that the engines' table has one above round(65536 * sigmoid(i / 24)); no formula gives them
    *(4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43, 44, 45, 46),
    *(49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255),
)
CODES = np.arange(-(1 << 15), 1 << 15, dtype=np.int64)


def sigmoid() -> Ints:
    """The 256 points on 0..255 / 24, in steps of ``2**-16``."""
    points = np.floor(65536 / (1 + np.exp(-np.arange(256) / 24)) + 0.5).astype(np.int64)
    points[list(ONE_MORE)] += 1
    return points


def table(kind: str, scale: float, out_scale: float) -> Ints:
    """Results in steps of ``2**-15`` for all codes of a `scale`; ValueError where TFLite has no answer."""
    if out_scale != OUT_SCALE:
        raise ValueError(f"{kind}: the result's scale is {out_scale!r}; TFLite's INT16 has 2**-15")
    bits, _ = KINDS[kind]
    multiplier, shift = constants(kind, scale)
    x = shift_right(CODES * multiplier, shift, "half_up")
    points, place = sigmoid(), np.minimum(np.abs(x) >> bits, 254)
    left, rest = points[place], np.abs(x) & ((1 << bits) - 1)
    line = (left << bits) + rest * (points[place + 1] - left)
    past = np.abs(x) >> bits >= 255
    half = 1 << bits
    if kind == "logistic":
        line = np.where(past, 0x7FFF << 10, line)
        return np.asarray(np.where(x >= 0, line + half, (half << 16) - line + half - 1) >> 10)
    line = np.where(past, 0xFFFF << 8, line)
    middle = (1 << 15) * half
    return np.asarray(np.where(x >= 0, line - middle + half // 2, middle - line + half // 2 - 1) >> 8)


def constants(kind: str, scale: float) -> tuple[int, int]:
    """``m, s``: 3 or 6 where the scale is (nearly) the power of two that needs no shift, else 15 bits, cut."""
    log = float(np.log2(scale))
    left = 12 + round(log)
    if abs(log - round(log)) < 1e-3 and left in KINDS[kind][1]:
        return 3 << left, 0
    real, shift = scale * 3 * 4096, 0
    while real <= 32767 / 2 and shift <= 30:
        real, shift = real * 2, shift + 1
    if int(real) >= 1 << 16:
        raise ValueError(f"{kind}: scale {scale!r} overflows TFLite's int32; use one below 5.33")
    return int(real), shift
