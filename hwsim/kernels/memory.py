"""Typed views of addresses, for compiled code; rows between memory and registers.

A register holds int32 numbers, `rows` times `pitch`; a row of one number has pitch 1, any other is filled up to a
multiple of 16, so that every loop is whole vectors. What stands in the filling is any number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from ..jit import jit

DTYPES = tuple(np.dtype(d) for d in ("int8", "uint8", "int16", "uint16", "int32", "int64"))
"""Containers of codes, by their number in a program. UINT32 and UINT64 do not fit registers."""
LONG = len(DTYPES)
"""In place of a container: int64 in memory and 64 bits in a register of one number a row."""


def _address(typing: Any, address: Any) -> Any:
    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        return b.inttoptr(values[0], cgutils.voidptr_t)

    return types.voidptr(types.intp), code


_pointer: Any = intrinsic(_address)


@jit
def words(address: Any, n: Any) -> Any:
    """int32 numbers at an address."""
    return carray(_pointer(address), (n,), np.int32)


@jit
def longs(address: Any, n: Any) -> Any:
    """int64 numbers at an address."""
    return carray(_pointer(address), (n,), np.int64)


@jit
def table(address: Any, rows: Any, columns: Any) -> Any:
    """int64 numbers in rows at an address."""
    return carray(_pointer(address), (rows, columns), np.int64)


@jit
def doubles(address: Any, n: Any) -> Any:
    """float64 numbers at an address."""
    return carray(_pointer(address), (n,), np.float64)


@jit
def floats(address: Any, n: Any) -> Any:
    """float32 numbers at an address."""
    return carray(_pointer(address), (n,), np.float32)


@jit
def signed_bytes(address: Any, n: Any) -> Any:
    """int8 numbers at an address."""
    return carray(_pointer(address), (n,), np.int8)


@jit
def unsigned_bytes(address: Any, n: Any) -> Any:
    """uint8 numbers at an address."""
    return carray(_pointer(address), (n,), np.uint8)


@jit
def shorts(address: Any, n: Any) -> Any:
    """int16 numbers at an address."""
    return carray(_pointer(address), (n,), np.int16)


@jit
def unsigned_shorts(address: Any, n: Any) -> Any:
    """uint16 numbers at an address."""
    return carray(_pointer(address), (n,), np.uint16)


@jit
def load(y: Any, rows: Any, width: Any, pitch: Any, base: Any, offsets: Any, dtype: Any, dense: Any) -> None:
    """Rows at ``base + offsets[row]`` into the register `y`; the filling becomes 0. Dense rows follow each other."""
    at = longs(offsets, rows)
    if dtype == LONG:
        out64 = longs(y, rows)
        for i in range(rows):
            out64[i] = longs(base + at[i], 1)[0]
        return
    if dense and width == pitch:
        _load(y, rows * pitch, rows * pitch, base + at[0], dtype)
        return
    for i in range(rows):
        _load(y + 4 * pitch * i, width, pitch, base + at[i], dtype)


@jit
def _load(y: Any, width: Any, pitch: Any, place: Any, dtype: Any) -> None:
    out = words(y, pitch)
    if dtype == 0:
        _copy(signed_bytes(place, width), out)
    elif dtype == 1:
        _copy(unsigned_bytes(place, width), out)
    elif dtype == 2:
        _copy(shorts(place, width), out)
    elif dtype == 3:
        _copy(unsigned_shorts(place, width), out)
    elif dtype == 4:
        _copy(words(place, width), out)
    else:
        _copy(longs(place, width), out)


@jit
def _copy(x: Any, y: Any) -> None:
    for j in range(x.size):
        y[j] = x[j]
    for j in range(x.size, y.size):
        y[j] = 0


@jit
def store(x: Any, rows: Any, width: Any, pitch: Any, base: Any, offsets: Any, dtype: Any) -> None:
    """The register `x` into rows that follow each other; every number fits its container by proof."""
    start = base + longs(offsets, 1)[0]
    if dtype == LONG:
        given64, out64 = longs(x, rows), longs(start, rows)
        for i in range(rows):
            out64[i] = given64[i]
    elif width == pitch:
        _store(x, rows * width, start, dtype)
    else:
        size = 1 if dtype <= 1 else (2 if dtype <= 3 else (4 if dtype == 4 else 8))
        for i in range(rows):
            _store(x + 4 * pitch * i, width, start + size * width * i, dtype)


@jit
def _store(x: Any, n: Any, place: Any, dtype: Any) -> None:
    given = words(x, n)
    if dtype <= 1:
        _cast(given, signed_bytes(place, n))
    elif dtype <= 3:
        _cast(given, shorts(place, n))
    elif dtype == 4:
        _cast(given, words(place, n))
    else:
        _cast(given, longs(place, n))


@jit
def _cast(x: Any, y: Any) -> None:
    for j in range(x.size):
        y[j] = x[j]


@jit
def narrow(y: Any, x: Any, rows: Any, pitch: Any) -> None:
    """Numbers of 8 bits, signed or not, as bytes: rows of `pitch` bytes."""
    given, out = words(x, rows * pitch), signed_bytes(y, rows * pitch)
    for j in range(given.size):
        out[j] = given[j]


@jit
def pad(
    y: Any, x: Any, images: Any, lines: Any, size: Any, top: Any, bottom: Any, left: Any, right: Any, border: Any
) -> None:
    """Images of `lines` lines of `size` bytes with a border around: lines above and below, bytes on both sides."""
    wide = left + size + right
    for _ in range(images):
        for _ in range(top):
            _fill(y, wide, border)
            y += wide
        for _ in range(lines):
            _fill(y, left, border)
            copy_bytes(y + left, x, size)
            _fill(y + left + size, right, border)
            x, y = x + size, y + wide
        for _ in range(bottom):
            _fill(y, wide, border)
            y += wide


@jit
def _fill(y: Any, n: Any, number: Any) -> None:
    out = signed_bytes(y, n)
    for j in range(n):
        out[j] = number


@jit
def copy_bytes(y: Any, x: Any, n: Any) -> None:
    """`n` bytes."""
    out, given = signed_bytes(y, n), signed_bytes(x, n)
    for j in range(n):
        out[j] = given[j]
