"""``code = saturate(half_even(x / scale) + zero_point)`` for whole batches: the twin of `hwsim.qtensor.encode`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import UINT1, IntFormat
from ..jit import jit
from ..qtensor import QType
from .memory import DTYPES, doubles, floats, longs, shorts, signed_bytes, words

MOST = (1 << 31) - 1
"""Largest code that the kernel's integers hold."""


class NotFiniteError(ValueError):
    """Reals that no code stands for: whoever has all of them says which."""


def encodes(x: NDArray[Any], t: QType) -> bool:
    """Whether the kernel knows reals like `x` and codes of type `t`. Not a mask's, of which more is to be checked."""
    plain = isinstance(t.fmt, IntFormat) and t.fmt.max_int <= MOST and t.fmt.dtype in DTYPES and t.fmt != UINT1
    known = plain and isinstance(t.scale, float) and isinstance(t.zero_point, int)
    return known and x.dtype in (np.float32, np.float64)


def numbers(t: QType) -> NDArray[np.float64]:
    """What the kernel must know of a type: scale, zero point, the ends."""
    assert isinstance(t.fmt, IntFormat)
    return np.array([t.scale, t.zero_point, t.fmt.min_int, t.fmt.max_int], np.float64)


@jit
def encode(y: Any, x: Any, size: Any, dtype: Any, n: Any, type_numbers: Any, wrong: Any) -> None:
    """`n` reals at `x`, of `size` bytes each, into codes at `y`; how many are not finite is added to `wrong`.

    `dtype` is the codes' container, an index of `memory.DTYPES`, `type_numbers` the address of `numbers`.
    """
    if size == 4:
        bad = _encode(floats(x, n), y, dtype, n, type_numbers)
    else:
        bad = _encode(doubles(x, n), y, dtype, n, type_numbers)
    longs(wrong, 1)[0] += bad


@jit
def _encode(x: Any, y: Any, dtype: Any, n: Any, type_numbers: Any) -> Any:
    if dtype <= 1:
        return _into(x, signed_bytes(y, n), doubles(type_numbers, 4))
    if dtype <= 3:
        return _into(x, shorts(y, n), doubles(type_numbers, 4))
    return _into(x, words(y, n), doubles(type_numbers, 4))


@jit
def _into(x: Any, codes: Any, of: Any) -> Any:
    """How many are not finite. NaN gives the smallest code: whoever reads codes must find some."""
    scale, zero, lo, hi, wrong = of[0], of[1], of[2], of[3], 0
    for i in range(x.size):
        number = np.float64(x[i])
        code = np.rint(number / scale) + zero
        code = code if code > lo else lo
        codes[i] = np.int32(code if code < hi else hi)
        wrong += 0 if abs(number) < np.inf else 1
    return wrong
