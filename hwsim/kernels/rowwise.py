"""``y = f(x, a, b)`` over rows of whole vectors, in LLVM's code: 16 numbers at a time, one store each.

Why not numba's loops: they ask at each row whether arrays overlap, which takes as long as a hundred numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .llvm import I8, I32, I64, load, loop, place, splat

LANES = 16
_NAMES = ("y", "x", "rows", "pitch", "a", "a_step", "b", "b_step", "p", "q", "r")
_V, _BYTES = ir.VectorType(I32, LANES), ir.VectorType(I8, LANES)


@dataclass(frozen=True)
class Row:
    """Vectors: of `x`, of the operands `a` and `b`, and the parameters `p`, `q`, `r` in all lanes."""

    x: Any
    a: Any
    b: Any
    p: Any
    q: Any
    r: Any


def rowwise(f: Callable[[ir.IRBuilder, Row], Any], *, single: str = "", bytes_: bool = False) -> Any:
    """A loop over rows of int32 numbers that are `pitch` apart, 16 or a multiple; callable from compiled code.

    y, x: addresses; a, b: of operands whose rows are `a_step` and `b_step` words apart: one number each for those named
    in `single`; p, q, r: parameters. `f` may make lanes of fewer bits; `y` has those. `bytes_`: x is the address of
    addresses of rows of bytes, which are read up to a multiple of 16.
    """

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        at = dict(zip(_NAMES, values, strict=True))
        parameters = [splat(b, b.trunc(at[name], I32), LANES) for name in "pqr"]
        vectors = b.sdiv(at["pitch"], I64(LANES))

        def row(number: Any, none: list[Any]) -> list[Any]:
            begin = b.mul(number, at["pitch"])
            rows = {name: place(b, at[name], b.mul(number, at[f"{name}_step"]), I32) for name in "ab"}
            ones = {name: splat(b, load(b, rows[name], I32), LANES) for name in single}
            bytes_at = load(b, place(b, at["x"], number, I64), I64) if bytes_ else None

            def vector(i: Any, none: list[Any]) -> list[Any]:
                j = b.mul(i, I64(LANES))
                k = b.add(begin, j)
                x = load(b, b.add(bytes_at, j), _BYTES) if bytes_ else load(b, place(b, at["x"], k, I32), _V)
                operands = [ones[n] if n in ones else load(b, place(b, rows[n], j, I32), _V) for n in "ab"]
                y = f(b, Row(x, *operands, *parameters))
                b.store(y, b.inttoptr(place(b, at["y"], k, y.type.element), y.type.as_pointer())).align = 1
                return none

            return loop(b, vectors, none, vector)

        loop(b, at["rows"], [], row)
        return context.get_dummy_value()

    # Why spelled out: numba reads the number of arguments off the function
    def typed(
        typing: Any, y: Any, x: Any, rows: Any, pitch: Any, a: Any, a_step: Any, b: Any, b_step: Any, p: Any, q: Any,
        r: Any,
    ) -> tuple[Any, Callable[..., Any]]:  # fmt: skip
        return types.void(*[types.intp] * len(_NAMES)), code

    return intrinsic(typed)
