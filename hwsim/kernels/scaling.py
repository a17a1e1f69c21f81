"""``y = saturate(floor((x * m / 2**32 + add) / 2**r))`` on 16 lanes: requantization in products of 32 bits.

The high word of the product is floor(x * m / 2**32); with r >= 1 what is below it no longer matters to the rounding, so
``add = 2**(r - 1) + zero_point * 2**r`` rounds half up and brings the zero point along. `constants` finds m, r and add.
Numbers go to any container, so stores cost no pass of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import jit
from ..rounding import Ints
from .llvm import I8, I16, I32, I64, called, limit, load, loop, place, splat

LANES = 16
WIDE = 64
"""Columns whose constants stay in registers while rows go by."""
_V, _PAIRS = ir.VectorType(I32, LANES), ir.VectorType(I64, LANES // 2)
_NAMES = ("y", "x", "rows", "pitch", "m", "add", "r", "zero", "left", "lo", "hi")


def constants(
    multiplier: Ints, shift: Ints, rounding: str, zero_point: int, magnitude: int
) -> tuple[Ints, Ints, Ints, int] | None:
    """(m, add, r, left) for ``round(x * multiplier / 2**shift) + zero_point``, |x| <= magnitude; None where none do.

    `left` is how far x is shifted first, so that the high word has all the bits.
    """
    if rounding not in ("half_up", "floor") or multiplier.min() < 0:
        return None
    if max(int(multiplier.max()), abs(zero_point)) >= 1 << 31:
        return None
    more = 31 - int(multiplier.max()).bit_length()
    m, bits = multiplier << more, shift + more
    left = max(0, 33 - int(bits.min()))
    r = bits + left - 32
    if (max(magnitude, 1) << left) >= 1 << 31 or r.max() > 30:
        return None
    half = np.left_shift(1, r - 1) if rounding == "half_up" else 0 * r
    add = half + (zero_point << r)
    high = ((magnitude << left) * m >> 32) + 1
    if (np.abs(add) + high).max() >= 1 << 31:
        return None
    return m, add, r, left


def _block(target: Any, columns: int, *, plain: bool, sign: str = "") -> Any:
    """The loop over rows of `columns` numbers, `pitch` apart, with a constant each.

    `plain`: zero and left are 0. `sign`: limits are bytes, ``"s"`` with a sign or ``"u"`` without.
    """

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        at = dict(zip(_NAMES, values, strict=True))
        wide = {name: splat(b, b.trunc(at[name], I32), LANES) for name in ("zero", "left", "lo", "hi")}
        if plain:
            wide["zero"] = wide["left"] = None
        packs = sign if "+avx512bw" in context.codegen().magic_tuple()[2].split(",") else ""
        firsts = range(0, columns, LANES)
        known = [[load(b, place(b, at[name], I64(j), I32), _V) for name in ("m", "add", "r")] for j in firsts]
        multipliers = [[half(b, m) for half in (_even, _odd)] for m, _, _ in known]

        def row(number: Any, none: list[Any]) -> list[Any]:
            begin = b.mul(number, at["pitch"])
            made = []
            for j, (_, add, r), halves in zip(firsts, known, multipliers, strict=True):
                x = load(b, place(b, at["x"], b.add(begin, I64(j)), I32), _V)
                made.append(_scaled(b, x, halves, add, r, wide))
            if packs:
                made = [_bytes(b, made, packs, at)]
            else:
                made = [_cut(b, limit(b, y, wide["lo"], wide["hi"]), target) for y in made]
            for j, y in zip(firsts, made, strict=False):
                to = place(b, at["y"], b.add(begin, I64(j)), target)
                b.store(y, b.inttoptr(to, y.type.as_pointer())).align = 1
            return none

        loop(b, at["rows"], [], row)
        return context.get_dummy_value()

    def typed(
        typing: Any, y: Any, x: Any, rows: Any, pitch: Any, m: Any, add: Any, r: Any, zero: Any, left: Any, lo: Any,
        hi: Any,
    ) -> tuple[Any, Callable[..., Any]]:  # fmt: skip
        return types.void(*[types.intp] * len(_NAMES)), code

    return intrinsic(typed)


def _scaled(b: ir.IRBuilder, x: Any, multipliers: list[Any], add: Any, r: Any, wide: dict[str, Any]) -> Any:
    """16 results, as 32 bits."""
    if wide["left"] is not None:
        x = b.shl(b.sub(x, wide["zero"]), wide["left"])
    products = [b.mul(half(b, x), m) for half, m in zip((_even, _odd), multipliers, strict=True)]
    order = ir.Constant(_V, [j // 2 * 2 + 1 + j % 2 * LANES for j in range(LANES)])
    high = b.shuffle_vector(*(b.bitcast(p, _V) for p in products), order)
    return b.ashr(b.add(high, add), r)


def _cut(b: ir.IRBuilder, y: Any, target: Any) -> Any:
    return y if target is I32 else b.trunc(y, ir.VectorType(target, LANES))


def _bytes(b: ir.IRBuilder, ys: list[Any], sign: str, at: dict[str, Any]) -> Any:
    """Four vectors as bytes within limits, by instructions that stop at the ends of a type."""
    words_, bytes_ = ir.VectorType(I16, 2 * LANES), ir.VectorType(I8, 4 * LANES)
    halves = [called(b, "llvm.x86.avx512.packssdw.512", words_, *pair) for pair in (ys[:2], ys[2:])]
    mixed = b.bitcast(called(b, f"llvm.x86.avx512.pack{sign}swb.512", bytes_, *halves), _V)
    order = ir.Constant(_V, [j % 4 * 4 + j // 4 for j in range(LANES)])  # each packs within quarters
    y = b.bitcast(b.shuffle_vector(mixed, mixed, order), bytes_)
    ends = (splat(b, b.trunc(at[name], I8), 4 * LANES) for name in ("lo", "hi"))
    return limit(b, y, *ends, sign=sign)


def _even(b: ir.IRBuilder, v: Any) -> Any:
    """Lanes 0, 2, ..: the low words of pairs, sign-extended."""
    by = ir.Constant(_PAIRS, [32] * (LANES // 2))
    return b.ashr(b.shl(b.bitcast(v, _PAIRS), by), by)


def _odd(b: ir.IRBuilder, v: Any) -> Any:
    """Lanes 1, 3, ..: the high words of pairs, sign-extended."""
    return b.ashr(b.bitcast(v, _PAIRS), ir.Constant(_PAIRS, [32] * (LANES // 2)))


_signed_8, _unsigned_8 = (_block(I8, WIDE, plain=True, sign=sign) for sign in "su")
_any_8, _any_16, _any_32 = (_block(target, WIDE, plain=False) for target in (I8, I16, I32))
_plain_32 = _block(I32, WIDE, plain=True)
_few_8, _few_16, _few_32 = (_block(target, LANES, plain=False) for target in (I8, I16, I32))


@jit
def scale(
    y: Any, x: Any, n: Any, m: Any, add: Any, r: Any, period: Any, target: Any, zero: Any, left: Any, lo: Any, hi: Any
) -> None:
    """`n` numbers, a multiple of 16, of a register into containers of 8, 16 or 32 bits (`target` 0, 1, 2).

    Constants stand for `period` numbers, a multiple of 16, and for the next ones again.
    """
    rows, c = n // period, 0
    while c < period and rows > 0:
        wide = period - c >= WIDE
        _columns(wide, y + (c << target), x + 4 * c, rows, period, m + 4 * c, add + 4 * c, r + 4 * c,
                 target, zero, left, lo, hi)  # fmt: skip
        c += WIDE if wide else LANES
    done = rows * period
    for i in range(done, n, LANES):
        at = 4 * (i - done)
        _columns(False, y + (i << target), x + 4 * i, 1, period, m + at, add + at, r + at, target, zero, left, lo, hi)


@jit
def _columns(
    wide: Any, y: Any, x: Any, rows: Any, pitch: Any, m: Any, add: Any, r: Any, target: Any, zero: Any, left: Any,
    lo: Any, hi: Any,
) -> None:  # fmt: skip
    plain = zero == 0 and left == 0
    if not wide:
        if target == 0:
            _few_8(y, x, rows, pitch, m, add, r, zero, left, lo, hi)
        elif target == 1:
            _few_16(y, x, rows, pitch, m, add, r, zero, left, lo, hi)
        else:
            _few_32(y, x, rows, pitch, m, add, r, zero, left, lo, hi)
    elif target == 0 and plain and lo >= -128 and hi <= 127:
        _signed_8(y, x, rows, pitch, m, add, r, zero, left, lo, hi)
    elif target == 0 and plain and lo >= 0 and hi <= 255:
        _unsigned_8(y, x, rows, pitch, m, add, r, zero, left, lo, hi)
    elif target == 0:
        _any_8(y, x, rows, pitch, m, add, r, zero, left, lo, hi)
    elif target == 1:
        _any_16(y, x, rows, pitch, m, add, r, zero, left, lo, hi)
    elif plain:
        _plain_32(y, x, rows, pitch, m, add, r, zero, left, lo, hi)
    else:
        _any_32(y, x, rows, pitch, m, add, r, zero, left, lo, hi)
