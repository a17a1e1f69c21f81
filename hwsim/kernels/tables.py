"""Functions of up to 256 codes: their table stays in vector registers, where 64 entries of 16 bits are one look-up.

Entries are kept less the smallest of them, so that numbers of any sign fit. Of an index 8 bits count: it is read from
the low byte of a number, so numbers may be 8 bits wide, and results as wide as their reader wants them (`SIZES`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ..jit import jit
from .llvm import I8, I16, I32, I64, called, load, loop, place, splat
from .memory import shorts, signed_bytes, unsigned_shorts, words

ENTRIES, LANES = 256, 32
SIZES = (I8, I16, I32)
"""What numbers are read from and results written to, by number."""
_NAMES = ("y", "x", "times", "table", "first", "least")
_V = ir.VectorType(I16, LANES)


def small(results: NDArray[Any]) -> tuple[NDArray[np.uint16], int] | None:
    """`ENTRIES` entries and what to add to each; None where they are too many or too far apart."""
    least, most = int(results.min()), int(results.max())
    if results.size > ENTRIES or most - least >= 1 << 16:
        return None
    entries = np.zeros(ENTRIES, np.uint16)
    entries[: results.size] = results.astype(np.int64) - least
    return entries, least


def _permuted(source: Any, target: Any) -> Any:
    """`times` times 32 look-ups; 0 of them, and the result 0, where the CPU has no permutation of 16-bit lanes."""

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        features = context.codegen().magic_tuple()[2].split(",")
        if "+avx512bw" not in features:
            return I64(0)
        at = dict(zip(_NAMES, values, strict=True))
        with b.if_then(b.icmp_signed(">", at["times"], I64(0))):
            _write(b, at, source, target)
        return I64(1)

    def typed(
        typing: Any, y: Any, x: Any, times: Any, table: Any, first: Any, least: Any
    ) -> tuple[Any, Callable[..., Any]]:
        return types.intp(*[types.intp] * len(_NAMES)), code

    return intrinsic(typed)


def _write(b: ir.IRBuilder, at: dict[str, Any], source: Any, target: Any) -> None:
    """The loop, for AVX-512: registers of 64 entries in pairs, of which bits of the index choose."""
    parts = [load(b, b.add(at["table"], I64(64 * i)), _V) for i in range(2 * ENTRIES // 64)]
    first, least = (b.trunc(at[name], I32) for name in ("first", "least"))

    def step(number: Any, none: list[Any]) -> list[Any]:
        begin = b.mul(number, I64(LANES))
        x = load(b, place(b, at["x"], begin, source), ir.VectorType(source, LANES))
        index = b.sub(b.zext(x, _V) if source is I8 else b.trunc(x, _V), splat(b, b.trunc(first, I16), LANES))
        pairs = zip(parts[::2], parts[1::2], strict=True)
        found = [called(b, "llvm.x86.avx512.vpermi2var.hi.512", _V, low, index, high) for low, high in pairs]
        y = _chosen(b, index, found)
        if target is I32:
            y = b.add(b.zext(y, ir.VectorType(I32, LANES)), splat(b, least, LANES))
        else:
            y = b.add(y, splat(b, b.trunc(least, I16), LANES))
            y = b.trunc(y, ir.VectorType(I8, LANES)) if target is I8 else y
        b.store(y, b.inttoptr(place(b, at["y"], begin, target), y.type.as_pointer())).align = 1
        return none

    loop(b, at["times"], [], step)


def _chosen(b: ir.IRBuilder, index: Any, found: list[Any]) -> Any:
    """One of four vectors, lane by lane, by bits 6 and 7 of the index."""
    for bit in (64, 128):
        second = b.icmp_signed("!=", b.and_(index, splat(b, I16(bit), LANES)), splat(b, I16(0), LANES))
        found = [b.select(second, high, low) for low, high in zip(found[::2], found[1::2], strict=True)]
    return found[0]


_from_8, _from_32 = ([_permuted(source, target) for target in SIZES] for source in (I8, I32))
_8_to_8, _8_to_16, _8_to_32 = _from_8
_32_to_8, _32_to_16, _32_to_32 = _from_32


@jit
def look_up_small(y: Any, x: Any, n: Any, table: Any, first: Any, least: Any, source: Any, target: Any) -> None:
    """``y = table[x - first] + least``; whatever is no index of the table gives any number. Sizes: of `SIZES`."""
    done = LANES * (n // LANES) * _vectors(y, x, n // LANES, table, first, least, source, target)
    entries, start, add = unsigned_shorts(table, ENTRIES), np.int32(first), np.int32(least)
    for j in range(done, n):
        number = np.int32(signed_bytes(x + j, 1)[0]) if source == 0 else words(x + 4 * j, 1)[0]
        result = np.int32(entries[np.int32(number - start) & np.int32(ENTRIES - 1)]) + add
        if target == 0:
            signed_bytes(y + j, 1)[0] = result
        elif target == 1:
            shorts(y + 2 * j, 1)[0] = result
        else:
            words(y + 4 * j, 1)[0] = result


@jit
def _vectors(y: Any, x: Any, times: Any, table: Any, first: Any, least: Any, source: Any, target: Any) -> Any:
    if source == 0 and target == 0:
        return _8_to_8(y, x, times, table, first, least)
    if source == 0 and target == 1:
        return _8_to_16(y, x, times, table, first, least)
    if source == 0:
        return _8_to_32(y, x, times, table, first, least)
    if target == 0:
        return _32_to_8(y, x, times, table, first, least)
    if target == 1:
        return _32_to_16(y, x, times, table, first, least)
    return _32_to_32(y, x, times, table, first, least)
