"""``code = saturate(half_even(x / scale) + zero_point)`` for whole batches: the twin of `hwsim.qtensor.encode`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formats import Codes, IntFormat
from ..jit import jit
from ..qtensor import QType, encode

MOST_BITS = 32
"""Formats whose codes float64 adds to a zero point exactly."""


def encoded(x: Codes, t: QType) -> Codes:
    """Codes of finite reals, as `encode` gives them.

    Args:
        x: reals of a type that float64 holds, any shape.
        t: type of the codes.
    """
    plain = isinstance(t.fmt, IntFormat) and isinstance(t.scale, float) and isinstance(t.zero_point, int)
    if not plain or t.fmt.bits > MOST_BITS or x.dtype not in (np.float32, np.float64):
        return encode(x.astype(np.float64), t)
    x, codes = np.ascontiguousarray(x), np.empty(x.shape, t.fmt.dtype)
    _encode(x.reshape(-1), codes.reshape(-1), t.scale, float(t.zero_point), float(t.fmt.min_int), float(t.fmt.max_int))
    return codes


@jit
def _encode(x: Any, codes: Any, scale: Any, zero: Any, lo: Any, hi: Any) -> None:
    for i in range(x.size):
        codes[i] = np.int64(min(max(np.rint(np.float64(x[i]) / scale) + zero, lo), hi))
