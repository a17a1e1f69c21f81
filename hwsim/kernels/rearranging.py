"""Bytes in another order of axes: eight by eight turned in registers where an axis of each side is dense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import jit
from .llvm import I8, I32, I64, joined, load
from .memory import signed_bytes

SIDE = 8


def _turned() -> Any:
    """(y, x, there, here, last): 8 bytes of each row at ``x + min(row, last) * here`` become columns `there` apart."""
    row = ir.VectorType(I8, SIDE)

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        y, x, there, here, last = values
        parts = []
        for i in range(SIDE):
            line = b.select(b.icmp_signed("<", I64(i), last), I64(i), last)
            parts.append(load(b, b.add(x, b.mul(line, here)), row))
        whole = joined(b, parts)
        order = ir.Constant(ir.VectorType(I32, SIDE**2), [i % SIDE * SIDE + i // SIDE for i in range(SIDE**2)])
        turned = b.bitcast(b.shuffle_vector(whole, whole, order), ir.VectorType(I64, SIDE))
        for i in range(SIDE):
            to = b.inttoptr(b.add(y, b.mul(there, I64(i))), I64.as_pointer())
            b.store(b.extract_element(turned, I32(i)), to).align = 1
        return context.get_dummy_value()

    def typed(typing: Any, y: Any, x: Any, there: Any, here: Any, last: Any) -> tuple[Any, Callable[..., Any]]:
        return types.void(*[types.intp] * 5), code

    return intrinsic(typed)


def _moved(typing: Any, y: Any, x: Any) -> tuple[Any, Callable[..., Any]]:
    """16 bytes. Why: rows are often of two or four vectors, for which a call of memcpy is long."""

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        kind = ir.VectorType(I8, 2 * SIDE)
        b.store(load(b, values[1], kind), b.inttoptr(values[0], kind.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), code


_eight = _turned()
_sixteen: Any = intrinsic(_moved)


@jit
def rearrange(y: Any, x: Any, sizes: Any, there: Any, here: Any) -> None:
    """Bytes of four axes, with steps `there` of `y` and `here` of `x`, axis by axis: the last one is the innermost."""
    turned = _turns(sizes, there, here)
    for i in range(sizes[0]):
        for j in range(sizes[1]):
            to, of = y + i * there[0] + j * there[1], x + i * here[0] + j * here[1]
            if turned:
                _matrix(to, of, sizes[2], sizes[3], there[3], here[2])
                continue
            for k in range(sizes[2]):
                _line(to + k * there[2], of + k * here[2], sizes[3], there[3], here[3])


@jit
def _turns(sizes: Any, there: Any, here: Any) -> Any:
    """Whether the last two axes are a matrix whose rows are dense in `x` and whose columns are in `y`.

    Columns of less than 8 bytes must follow each other: what is written past one is overwritten by the next.
    """
    rows, columns = sizes[2], sizes[3]
    dense = here[3] == 1 and there[2] == 1 and columns - _spare(rows) >= SIDE
    return dense and (rows >= SIDE or there[3] == rows)


@jit
def _spare(rows: Any) -> Any:
    """How many columns at the end are too near to it for 8 bytes."""
    return 0 if rows >= SIDE else (SIDE - 1) // rows


@jit
def _matrix(y: Any, x: Any, rows: Any, columns: Any, there: Any, here: Any) -> None:
    """Rows `here` apart become columns `there` apart; the last eight of both are done with some of those before."""
    side, whole = min(rows, SIDE), columns - _spare(rows)
    for i in range(0, rows, SIDE):
        k = min(i, rows - side)
        for j in range(0, whole, SIDE):
            n = min(j, whole - SIDE)
            _eight(y + n * there + k, x + k * here + n, there, here, side - 1)
    for n in range(whole, columns):
        for k in range(rows):
            signed_bytes(y + n * there + k, 1)[0] = signed_bytes(x + k * here + n, 1)[0]


@jit
def _line(y: Any, x: Any, n: Any, there: Any, here: Any) -> None:
    """`n` bytes `here` apart become bytes `there` apart."""
    if there == 1 and here == 1 and n >= 2 * SIDE:
        for i in range(0, n, 2 * SIDE):
            k = min(i, n - 2 * SIDE)  # the last ones with some of those before
            _sixteen(y + k, x + k)
        return
    for i in range(n):
        signed_bytes(y + i * there, 1)[0] = signed_bytes(x + i * here, 1)[0]
