"""Functions of up to 256 codes: their table stays in vector registers, where 64 numbers of 16 bits are one look-up.

Entries are kept less the smallest of them, so that numbers of any sign fit; see `Small`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ..jit import jit
from .llvm import I16, I32, I64, load, loop, splat
from .memory import unsigned_shorts, words

ENTRIES, LANES = 256, 32
_V, _HALF, _LONG = ir.VectorType(I16, LANES), ir.VectorType(I16, LANES // 2), ir.VectorType(I32, LANES // 2)
_NAMES = ("y", "x", "times", "table", "first", "least")


def small(results: NDArray[Any]) -> tuple[NDArray[np.uint16], int] | None:
    """`ENTRIES` entries and what to add to each; None where they are too many or too far apart."""
    least, most = int(results.min()), int(results.max())
    if results.size > ENTRIES or most - least >= 1 << 16:
        return None
    entries = np.zeros(ENTRIES, np.uint16)
    entries[: results.size] = results.astype(np.int64) - least
    return entries, least


def _permuted(typing: Any, y: Any, x: Any, times: Any, table: Any, first: Any, least: Any) -> Any:
    """`times` 32 look-ups; 0 of them, and the result 0, where the CPU has no permutation of 16-bit lanes."""

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        features = context.codegen().magic_tuple()[2].split(",")
        if "+avx512bw" not in features:
            return I64(0)
        _write(b, dict(zip(_NAMES, values, strict=True)))
        return I64(1)

    return types.intp(*[types.intp] * len(_NAMES)), code


_vectors: Any = intrinsic(_permuted)


def _write(b: ir.IRBuilder, at: dict[str, Any]) -> None:
    """The loop, for AVX-512."""
    name, kind = "llvm.x86.avx512.vpermi2var.hi.512", ir.FunctionType(_V, [_V] * 3)
    permute = b.module.globals.get(name) or ir.Function(b.module, kind, name=name)
    parts = [load(b, b.add(at["table"], I64(64 * i)), _V) for i in range(2 * ENTRIES // 64)]
    first, least = (splat(b, b.trunc(at[n], I32), LANES // 2) for n in ("first", "least"))
    lower, upper, whole = (
        ir.Constant(ir.VectorType(I32, len(r)), list(r)) for r in (range(16), range(16, 32), range(32))
    )

    def chosen(index: Any, bit: int, found: list[Any]) -> list[Any]:
        place = b.and_(index, ir.Constant(_V, [bit] * LANES))
        second = b.icmp_signed("!=", place, ir.Constant(_V, [0] * LANES))
        return [b.select(second, high, low) for low, high in zip(found[::2], found[1::2], strict=True)]

    def step(number: Any, none: list[Any]) -> list[Any]:
        begin = b.mul(number, I64(4 * LANES))
        halves = [load(b, b.add(b.add(at["x"], begin), I64(4 * j)), _LONG) for j in (0, LANES // 2)]
        index = b.shuffle_vector(*(b.trunc(b.sub(x, first), _HALF) for x in halves), whole)
        found = [b.call(permute, [low, index, high]) for low, high in zip(parts[::2], parts[1::2], strict=True)]
        (result,) = chosen(index, 128, chosen(index, 64, found))
        for j, half in ((0, lower), (LANES // 2, upper)):
            y = b.add(b.zext(b.shuffle_vector(result, result, half), _LONG), least)
            to = b.inttoptr(b.add(b.add(at["y"], begin), I64(4 * j)), _LONG.as_pointer())
            b.store(y, to).align = 4
        return none

    with b.if_then(b.icmp_signed(">", at["times"], I64(0))):
        loop(b, at["times"], [], step)


@jit
def look_up_small(y: Any, x: Any, n: Any, table: Any, first: Any, least: Any) -> None:
    """``y = table[x - first] + least``; whatever is no index of the table gives any number."""
    done = LANES * (n // LANES) * _vectors(y, x, n // LANES, table, first, least)
    out, given, entries = words(y, n), words(x, n), unsigned_shorts(table, ENTRIES)
    start, add = np.int32(first), np.int32(least)
    for j in range(done, n):
        out[j] = np.int32(entries[np.int32(given[j] - start) & np.int32(ENTRIES - 1)]) + add
