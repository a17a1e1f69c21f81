"""``code = saturate(half_even(x / scale) + zero_point)`` for whole batches: the twin of `hwsim.qtensor.encode`.

Codes in bytes come from products (`hwsim.kernels.reciprocal`); pieces in which those may differ are divided.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import UINT1, IntFormat
from ..jit import jit
from ..qtensor import QType
from .memory import DTYPES, doubles, floats, longs, shorts, signed_bytes, words
from .reciprocal import BLOCK, double, single

MOST = (1 << 31) - 1
"""Largest code that the kernel's integers hold."""
PIECE = 4 * BLOCK
"""Reals that are divided together."""


class NotFiniteError(ValueError):
    """Reals that no code stands for: whoever has all of them says which."""


def encodes(x: NDArray[Any], t: QType) -> bool:
    """Whether the kernel knows reals like `x` and codes of type `t`. Not a mask's, of which more is to be checked."""
    plain = isinstance(t.fmt, IntFormat) and t.fmt.max_int <= MOST and t.fmt.dtype in DTYPES and t.fmt != UINT1
    known = plain and isinstance(t.scale, float) and isinstance(t.zero_point, int)
    return known and x.dtype in (np.float32, np.float64)


def numbers(t: QType) -> NDArray[np.float64]:
    """What the kernel must know of a type: scale, zero point, the ends, the scale's reciprocal or infinity."""
    assert isinstance(t.fmt, IntFormat)
    assert isinstance(t.scale, float)
    with np.errstate(over="ignore"):
        reciprocal = 1 / np.float64(t.scale)
    if reciprocal < np.finfo(np.float32).tiny:  # a process that flushes such numbers would take 0
        reciprocal = np.float64(np.inf)
    return np.array([t.scale, t.zero_point, t.fmt.min_int, t.fmt.max_int, reciprocal], np.float64)


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
    of = doubles(type_numbers, 5)
    if dtype <= 1:
        return _quick(x, signed_bytes(y, n), of)
    if dtype <= 3:
        return _divided(x, shorts(y, n), of)
    return _divided(x, words(y, n), of)


@jit
def _divided(x: Any, codes: Any, of: Any) -> Any:
    """How many are not finite. NaN gives the smallest code: whoever reads codes must find some."""
    scale, zero, lo, hi, wrong = of[0], of[1], of[2], of[3], 0
    for i in range(x.size):
        number = np.float64(x[i])
        code = np.rint(number / scale) + zero
        code = code if code > lo else lo
        codes[i] = np.int32(code if code < hi else hi)
        wrong += 0 if abs(number) < np.inf else 1
    return wrong


@jit
def _quick(x: Any, codes: Any, of: Any) -> Any:
    """`_divided`, piece by piece, where that is needed."""
    wrong, whole, rest = 0, x.size // BLOCK * BLOCK, of[1:]
    for i in range(0, whole, PIECE):
        n = min(PIECE, whole - i)
        some, made = x[i : i + n], codes[i : i + n]
        given = (made.ctypes.data, some.ctypes.data, n // BLOCK, rest.ctypes.data)
        if single(*given) if x.itemsize == 4 else double(*given):
            wrong += _divided(some, made, of)
    return wrong + _divided(x[whole:], codes[whole:], of)
