"""``code = saturate(half_even(x / scale) + zero_point)`` for whole batches: the twin of `hwsim.qtensor.encode`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formats import Codes, IntFormat
from ..jit import jit
from ..qtensor import QType

MOST = (1 << 31) - 1
"""Largest code that the kernel's integers hold."""


def encoded(x: Codes, t: QType) -> Codes | None:
    """Codes of reals, as `encode` gives them; None where one is not finite, or for types that have no kernel.

    Args:
        x: float32 or float64, any shape.
        t: type of the codes.
    """
    plain = isinstance(t.fmt, IntFormat) and t.fmt.max_int <= MOST and x.dtype in (np.float32, np.float64)
    if not (plain and isinstance(t.scale, float) and isinstance(t.zero_point, int)):
        return None
    x, codes = np.asarray(x, order="C"), np.empty(x.shape, t.fmt.dtype)
    ends = float(t.fmt.min_int), float(t.fmt.max_int)
    return codes if _encode(x.reshape(-1), codes.reshape(-1), t.scale, float(t.zero_point), *ends) else None


@jit
def _encode(x: Any, codes: Any, scale: Any, zero: Any, lo: Any, hi: Any) -> Any:
    """Whether all are finite."""
    wrong = 0
    for i in range(x.size):
        number = np.float64(x[i])
        codes[i] = np.int32(min(max(np.rint(number / scale) + zero, lo), hi))
        wrong += 0 if abs(number) < np.inf else 1
    return wrong == 0
