"""A tile of a matrix product of bytes, accumulators in registers: ``c = start + a @ b - less``.

`b` is packed (`pack`): panels of up to 64 columns, in each ``[k / 4][columns][4]`` signed bytes, zeros where k ends.
`a` is read four bytes at a time from the address of each row, so up to three bytes past its end, times 0: whoever owns
rows keeps them readable. Rows of a convolution lie in `segments` (one a row of the window) that are `stride` apart.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .dot import Level, dot4, level_of
from .llvm import I32, I64, load, loop, splat

NAMES = ("rows", "segments", "stride", "steps", "b", "b_step", "start", "sums", "c", "c_row", "less", "unsigned")


def tile(rows: int, columns: int) -> Any:
    """The tile of `rows` x `columns` (a multiple of 16), callable from compiled code with addresses and sizes.

    rows: of int64 addresses, one a row of `a`; segments, stride (bytes), steps (of 4 bytes, in each segment);
    b, b_step: of the packed columns, bytes from one step to the next; start, sums: int32 a column, what the
    accumulator begins with and the sum of the column of b; c, c_row: of int32 results, bytes from row to row;
    less: of int32 numbers, one a row, taken off its results, or 0; unsigned: whether bytes of `a` are.
    """

    def typed(typing: Any, *args: Any) -> tuple[Any, Callable[..., Any]]:
        return types.void(*[types.intp] * len(NAMES)), lambda context, b, signature, values: _write(
            context, b, values, rows, columns
        )

    # Why spelled out: numba reads the number of arguments off the function
    def made(
        typing: Any, rows: Any, segments: Any, stride: Any, steps: Any, b: Any, b_step: Any, start: Any, sums: Any,
        c: Any, c_row: Any, less: Any, unsigned: Any,
    ) -> Any:  # fmt: skip
        return typed(typing)

    return intrinsic(made)


def _write(context: Any, b: ir.IRBuilder, values: Any, rows: int, columns: int) -> Any:
    """LLVM code of a tile: as many small ones as the registers of this CPU demand."""
    triple, _, features = context.codegen().magic_tuple()
    level = level_of(triple, features)
    at = dict(zip(NAMES, values, strict=True))
    addresses = [load(b, b.add(at["rows"], I64(8 * i)), I64) for i in range(rows)]
    wrong = b.icmp_signed("==", at["unsigned"], I64(0 if level.unsigned else 1))
    flip = b.select(wrong, I32(0x80808080), I32(0))
    back = b.select(wrong, I32(-128 if level.unsigned else 128), I32(0))
    width = level.vectors * level.lanes
    height = level.rows if columns <= width // 2 else max(level.rows // 2, 1)
    for i, j in product(range(0, rows, height), range(0, columns, width)):
        _block(b, level, at, addresses[i : i + height], i, range(j, min(j + width, columns), level.lanes), flip, back)
    return context.get_dummy_value()


def _block(
    b: ir.IRBuilder, level: Level, at: dict[str, Any], rows: list[Any], first: int, columns: range, flip: Any, back: Any
) -> None:
    """Accumulators of `rows` x `columns` in registers, all of k."""
    v = ir.VectorType(I32, level.lanes)
    starts = []
    for j in columns:
        start, total = (load(b, b.add(at[name], I64(4 * j)), v) for name in ("start", "sums"))
        starts.append(b.add(start, b.mul(total, splat(b, back, level.lanes))))
    flips = opaque(b, level, splat(b, flip, level.lanes))
    initial = [at["b"], *starts * len(rows)]

    def step(i: Any, offset: Any, state: list[Any]) -> list[Any]:
        place, sums = state[0], state[1:]
        weights = [load(b, b.add(place, I64(4 * j)), v) for j in columns]
        done = []
        for r, row in enumerate(rows):
            x = load(b, b.add(b.add(row, offset), b.mul(i, I64(4))), I32)
            x = b.xor(splat(b, x, level.lanes), flips)
            done += [dot4(b, level, sums[r * len(columns) + n], x, w) for n, w in enumerate(weights)]
        return [b.add(place, at["b_step"]), *done]

    def segment(s: Any, state: list[Any]) -> list[Any]:
        offset = b.mul(s, at["stride"])
        return loop(b, at["steps"], state, lambda i, inner: step(i, offset, inner))

    sums = _less(b, at["less"], loop(b, at["segments"], initial, segment)[1:], first, len(columns))
    for r in range(len(rows)):
        for n, j in enumerate(columns):
            place = b.add(b.add(at["c"], b.mul(at["c_row"], I64(first + r))), I64(4 * j))
            b.store(sums[r * len(columns) + n], b.inttoptr(place, v.as_pointer())).align = 4


def _less(b: ir.IRBuilder, less: Any, sums: list[Any], first: int, columns: int) -> list[Any]:
    """Every row's number taken off its `columns` accumulators, if there are such numbers."""
    before = b.block
    with b.if_then(b.icmp_signed("!=", less, I64(0))):
        taken, lanes = [], sums[0].type.count
        for r in range(len(sums) // columns):
            number = splat(b, load(b, b.add(less, I64(4 * (first + r))), I32), lanes)
            taken += [b.sub(s, number) for s in sums[columns * r : columns * (r + 1)]]
        inside = b.block
    merged = [b.phi(s.type) for s in sums]
    for phi, s, t in zip(merged, sums, taken, strict=True):
        phi.add_incoming(s, before)
        phi.add_incoming(t, inside)
    return merged


def opaque(b: ir.IRBuilder, level: Level, v: Any) -> Any:
    """`v`, of which the compiler knows no more that its lanes are equal.

    Why: it would flip each number before it goes to all lanes, and a number goes there faster from memory than from a
    register.
    """
    if not level.vector:
        return v
    kind = ir.FunctionType(v.type, [v.type])
    return b.asm(kind, "", f"={level.vector},0", [v], side_effect=False)
