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
_NAMES = ("y", "x", "rows", "pitch", "a", "step", "b", "p", "q", "r")
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


def rowwise(f: Callable[[ir.IRBuilder, Row], Any], *, single: bool = False, bytes_: bool = False) -> Any:
    """A loop over rows of int32 numbers that are `pitch` apart, a multiple of 16; callable from compiled code.

    y, x, b: addresses, rows like those of `x`; a: the same with rows `step` words apart, and where it is `single` one
    number stands for a row; p, q, r: parameters. `f` may make lanes of fewer bits; `y` has those. `bytes_`: x is the
    address of addresses of rows of bytes, which are read up to a multiple of 16.
    """

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        at = dict(zip(_NAMES, values, strict=True))
        parameters = [splat(b, b.trunc(at[name], I32), LANES) for name in "pqr"]
        vectors = b.sdiv(at["pitch"], I64(LANES))

        def row(number: Any, none: list[Any]) -> list[Any]:
            begin, other = b.mul(number, at["pitch"]), b.mul(number, at["step"])
            bytes_at = load(b, place(b, at["x"], number, I64), I64)
            one = splat(b, load(b, place(b, at["a"], other, I32), I32), LANES) if single else None

            def vector(i: Any, none: list[Any]) -> list[Any]:
                j = b.mul(i, I64(LANES))
                k = b.add(begin, j)
                x = load(b, b.add(bytes_at, j), _BYTES) if bytes_ else load(b, place(b, at["x"], k, I32), _V)
                second = load(b, place(b, at["b"], k, I32), _V)
                a = one or load(b, place(b, at["a"], b.add(other, j), I32), _V)
                y = f(b, Row(x, a, second, *parameters))
                b.store(y, b.inttoptr(place(b, at["y"], k, y.type.element), y.type.as_pointer())).align = 1
                return none

            return loop(b, vectors, none, vector)

        loop(b, at["rows"], [], row)
        return context.get_dummy_value()

    # Why spelled out: numba reads the number of arguments off the function
    def typed(
        typing: Any, y: Any, x: Any, rows: Any, pitch: Any, a: Any, step: Any, b: Any, p: Any, q: Any, r: Any
    ) -> tuple[Any, Callable[..., Any]]:
        return types.void(*[types.intp] * len(_NAMES)), code

    return intrinsic(typed)
