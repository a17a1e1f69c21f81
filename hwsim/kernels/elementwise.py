"""Loops over registers: ``y = f(x, ..)`` element by element, and reductions of rows.

A second operand is an `Array` (a row of numbers for each row of `x`, or the same one for all: step 0) or one number for
each row (`single`, step 1) or for all (step 0). Sums and products fit 32 bits by proof, or their readers wrap alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from llvmlite import ir

from ..jit import jit
from ..rounding import shift_right_scalar
from .llvm import I8, I16, I32, limit
from .memory import longs, words
from .rowwise import LANES, Row, rowwise


def _sum(b: ir.IRBuilder, v: Row) -> Any:
    return limit(b, b.add(v.x, v.a), v.p, v.q)


def _product(b: ir.IRBuilder, v: Row) -> Any:
    return b.mul(b.sub(v.x, v.p), b.sub(v.a, v.q))


def _affine(b: ir.IRBuilder, v: Row) -> Any:
    return b.add(b.mul(b.sub(v.x, v.p), v.b), v.a)


def _chosen(b: ir.IRBuilder, v: Row) -> Any:
    """`x` decides: `b` or, where it is 0, `a`; `p` in all lanes: the other way round."""
    kept, swapped = (b.icmp_signed("!=", n, ir.Constant(n.type, [0] * LANES)) for n in (v.x, v.p))
    return b.select(b.xor(kept, swapped), v.b, v.a)


def _kept(b: ir.IRBuilder, v: Row) -> Any:
    """The same of `x`, where `a` decides for the whole row."""
    return _chosen(b, replace(v, x=v.a, a=v.b, b=v.x))


def _halved(target: Any, *, times: bool) -> Callable[[ir.IRBuilder, Row], Any]:
    """Half is added when there is room for it: shifts `a + p` are 1..32 bits; `times`: of ``x * b``."""

    def code(b: ir.IRBuilder, v: Row) -> Any:
        one = ir.Constant(v.x.type, [1] * LANES)
        x, less = b.mul(v.x, v.b) if times else v.x, b.sub(b.add(v.a, v.p), one)
        y = limit(b, b.ashr(b.add(b.ashr(x, less), one), one), v.q, v.r)
        return y if target is I32 else b.trunc(y, ir.VectorType(target, LANES))

    return code


_add_one, _add_row = rowwise(_sum, single="a"), rowwise(_sum)
_multiply_one, _multiply_row = rowwise(_product, single="a"), rowwise(_product)
_affine_one, _affine_row = rowwise(_affine, single="a"), rowwise(_affine)
_select_one, _select_row = rowwise(_chosen, single="a"), rowwise(_chosen)
_select_one_8, _select_row_8 = rowwise(_chosen, single="a", bytes_=True), rowwise(_chosen, bytes_=True)
_keep_row = rowwise(_kept, single="a")
_halve_8, _halve_16, _halve_32 = (rowwise(_halved(t, times=False), single="a") for t in (I8, I16, I32))
_times_8, _times_16, _times_32 = (rowwise(_halved(t, times=True), single="ab") for t in (I8, I16, I32))


@jit
def add(y: Any, x: Any, b: Any, rows: Any, pitch: Any, single: Any, step: Any, lo: Any, hi: Any) -> None:
    """``y = saturate(x + b)``; 32 bits hold the sum."""
    if pitch == 1:
        for i in range(rows):
            words(y + 4 * i, 1)[0] = min(max(words(x + 4 * i, 1)[0] + words(b + 4 * step * i, 1)[0], lo), hi)
    elif single:
        _add_one(y, x, rows, pitch, b, step, x, pitch, lo, hi, 0)
    else:
        _add_row(y, x, rows, pitch, b, step, x, pitch, lo, hi, 0)


@jit
def affine(y: Any, x: Any, factors: Any, b: Any, rows: Any, pitch: Any, single: Any, step: Any, zero: Any) -> None:
    """``y = (x - zero) * factors + b``, a row of factors for all rows; pitch > 1."""
    if single:
        _affine_one(y, x, rows, pitch, b, step, factors, 0, zero, 0, 0)
    else:
        _affine_row(y, x, rows, pitch, b, step, factors, 0, zero, 0, 0)


@jit
def multiply(y: Any, x: Any, b: Any, rows: Any, pitch: Any, single: Any, step: Any, zero_x: Any, zero_b: Any) -> None:
    """``y = (x - zero_x) * (b - zero_b)``."""
    if pitch == 1:
        for i in range(rows):
            factor = np.int32(words(b + 4 * step * i, 1)[0] - zero_b)
            words(y + 4 * i, 1)[0] = np.int32(words(x + 4 * i, 1)[0] - zero_x) * factor
    elif single:
        _multiply_one(y, x, rows, pitch, b, step, x, pitch, zero_x, zero_b, 0)
    else:
        _multiply_row(y, x, rows, pitch, b, step, x, pitch, zero_x, zero_b, 0)


@jit
def select(
    y: Any, c: Any, a: Any, b: Any, rows: Any, pitch: Any, single: Any, step: Any, swapped: Any, kind: Any
) -> None:
    """``y = a where c else b``; swapped: ``b where c else a``.

    kind: 0, `c` is like `a`; 1, at `c` are addresses of rows of bytes; 2, `c` has one number a row, `single` is 0.
    """
    if kind == 2:
        _keep_row(y, a, rows, pitch, c, 1, b, step, swapped, 0, 0)
    elif kind == 1 and single:
        _select_one_8(y, c, rows, pitch, b, step, a, pitch, swapped, 0, 0)
    elif kind == 1:
        _select_row_8(y, c, rows, pitch, b, step, a, pitch, swapped, 0, 0)
    elif pitch == 1:
        for i in range(rows):
            kept = (words(c + 4 * i, 1)[0] != 0) != (swapped != 0)
            words(y + 4 * i, 1)[0] = words(a + 4 * i, 1)[0] if kept else words(b + 4 * step * i, 1)[0]
    elif single:
        _select_one(y, c, rows, pitch, b, step, a, pitch, swapped, 0, 0)
    else:
        _select_row(y, c, rows, pitch, b, step, a, pitch, swapped, 0, 0)


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
    y: Any, x: Any, s: Any, rows: Any, pitch: Any, single: Any, bits: Any, rounding: Any, lo: Any, hi: Any
) -> None:
    """``y = saturate(round(x / 2**(s + bits)))``; filling of `s` is masked to a shift that is defined."""
    for i in range(rows):
        out, given = words(y + 4 * pitch * i, pitch), words(x + 4 * pitch * i, pitch)
        if single:
            count = words(s + 4 * i, 1)[0] + bits
            if rounding == 1:
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
def shift_short(
    y: Any, x: Any, s: Any, rows: Any, pitch: Any, step: Any, bits: Any, lo: Any, hi: Any, target: Any,
    factor: Any, factor_step: Any,
) -> None:  # fmt: skip
    """``y = saturate(floor(x * factor / 2**(s + bits) + 1 / 2))``, all shifts 1..32 bits, pitch > 1.

    `s` and `factor` (none: 0) have one number a row or, step 0, one for all; 32 bits hold ``x * factor + 1``. Results
    have 8, 16 or 32 bits (`target`).
    """
    if factor == 0:
        if target == 0:
            _halve_8(y, x, rows, pitch, s, step, x, pitch, bits, lo, hi)
        elif target == 1:
            _halve_16(y, x, rows, pitch, s, step, x, pitch, bits, lo, hi)
        else:
            _halve_32(y, x, rows, pitch, s, step, x, pitch, bits, lo, hi)
    elif target == 0:
        _times_8(y, x, rows, pitch, s, step, factor, factor_step, bits, lo, hi)
    elif target == 1:
        _times_16(y, x, rows, pitch, s, step, factor, factor_step, bits, lo, hi)
    else:
        _times_32(y, x, rows, pitch, s, step, factor, factor_step, bits, lo, hi)


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
