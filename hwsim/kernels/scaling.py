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
from .llvm import I8, I16, I32, I64, load, loop, splat

LANES = 16
_V, _PAIRS = ir.VectorType(I32, LANES), ir.VectorType(I64, LANES // 2)
_NAMES = ("y", "x", "n", "m", "add", "r", "zero", "left", "lo", "hi")


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


def _scale(target: Any, many: bool) -> Any:
    """The loop over `n` numbers, a multiple of 16; constants are one each or, `many`, one a number."""

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        at = dict(zip(_NAMES, values, strict=True))
        wide = {name: splat(b, b.trunc(at[name], I32), LANES) for name in ("zero", "left", "lo", "hi")}
        fixed = [] if many else [splat(b, load(b, at[name], I32), LANES) for name in ("m", "add", "r")]

        def step(number: Any, none: list[Any]) -> list[Any]:
            i = b.mul(number, I64(LANES))
            m, add, r = fixed or (load(b, _place(b, at[name], i, I32), _V) for name in ("m", "add", "r"))
            x = load(b, _place(b, at["x"], i, I32), _V)
            x = b.shl(b.sub(x, wide["zero"]), wide["left"])
            high = b.shuffle_vector(
                *(b.bitcast(b.mul(half(b, x), half(b, m)), _V) for half in (_even, _odd)),
                ir.Constant(_V, [j // 2 * 2 + 1 + j % 2 * LANES for j in range(LANES)]),
            )
            y = b.ashr(b.add(high, add), r)
            y = _limit(b, "slt", _limit(b, "sgt", y, wide["lo"]), wide["hi"])
            if target is not I32:
                y = b.trunc(y, ir.VectorType(target, LANES))
            b.store(y, b.inttoptr(_place(b, at["y"], i, target), y.type.as_pointer())).align = 1
            return none

        loop(b, b.sdiv(at["n"], I64(LANES)), [], step)
        return context.get_dummy_value()

    def typed(
        typing: Any, y: Any, x: Any, n: Any, m: Any, add: Any, r: Any, zero: Any, left: Any, lo: Any, hi: Any
    ) -> tuple[Any, Callable[..., Any]]:
        return types.void(*[types.intp] * len(_NAMES)), code

    return intrinsic(typed)


def _place(b: ir.IRBuilder, base: Any, i: Any, kind: Any) -> Any:
    return b.add(base, b.mul(i, I64(kind.width // 8)))


def _even(b: ir.IRBuilder, v: Any) -> Any:
    """Lanes 0, 2, ..: the low words of pairs, sign-extended."""
    by = ir.Constant(_PAIRS, [32] * (LANES // 2))
    return b.ashr(b.shl(b.bitcast(v, _PAIRS), by), by)


def _odd(b: ir.IRBuilder, v: Any) -> Any:
    """Lanes 1, 3, ..: the high words of pairs, sign-extended."""
    return b.ashr(b.bitcast(v, _PAIRS), ir.Constant(_PAIRS, [32] * (LANES // 2)))


def _limit(b: ir.IRBuilder, which: str, v: Any, limit: Any) -> Any:
    kept = b.icmp_signed(">" if which == "sgt" else "<", v, limit)
    return b.select(kept, v, limit)


_one_8, _one_16, _one_32 = (_scale(t, False) for t in (I8, I16, I32))
_many_8, _many_16, _many_32 = (_scale(t, True) for t in (I8, I16, I32))


@jit
def scale(
    y: Any, x: Any, n: Any, m: Any, add: Any, r: Any, columns: Any, target: Any, zero: Any, left: Any, lo: Any, hi: Any
) -> None:
    """`n` numbers, a multiple of 16, of a register into containers of 8, 16 or 32 bits (`target` 0, 1, 2).

    Constants are one each (`columns` 0) or stand for `columns` numbers, a multiple of 16.
    """
    if columns == 0:
        if target == 0:
            _one_8(y, x, n, m, add, r, zero, left, lo, hi)
        elif target == 1:
            _one_16(y, x, n, m, add, r, zero, left, lo, hi)
        else:
            _one_32(y, x, n, m, add, r, zero, left, lo, hi)
        return
    for begin in range(0, n, columns):
        some, out, given = min(columns, n - begin), y + (begin << target), x + 4 * begin
        if target == 0:
            _many_8(out, given, some, m, add, r, zero, left, lo, hi)
        elif target == 1:
            _many_16(out, given, some, m, add, r, zero, left, lo, hi)
        else:
            _many_32(out, given, some, m, add, r, zero, left, lo, hi)
