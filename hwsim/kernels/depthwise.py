"""``y[row, c] = start[c] + sum over taps of x[c] * weights[tap, c]``: 16 channels of some rows, sums in registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import jit
from .llvm import I8, I32, I64, load, loop

LANES = 16
ROWS = 4
"""Windows that share what is loaded of the weights."""
_V, _BYTES = ir.VectorType(I32, LANES), ir.VectorType(I8, LANES)
_NAMES = ("y", "pitch", "x", "offsets", "taps", "places", "weights", "start")


def _sixteen(rows: int, signed: bool) -> Any:
    """Results of 16 channels of `rows` windows; `y` and `weights` have `pitch` columns."""

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        at = dict(zip(_NAMES, values, strict=True))
        row_bytes = b.mul(at["pitch"], I64(4))
        windows = [b.add(at["x"], load(b, b.add(at["offsets"], I64(8 * i)), I64)) for i in range(rows)]

        def add(tap: Any, held: list[Any]) -> list[Any]:
            place = load(b, b.add(at["places"], b.mul(tap, I64(8))), I64)
            w = load(b, b.add(at["weights"], b.mul(tap, row_bytes)), _V)
            xs = [(b.sext if signed else b.zext)(load(b, b.add(x, place), _BYTES), _V) for x in windows]
            return [b.add(total, b.mul(x, w)) for total, x in zip(held, xs, strict=True)]

        for i, total in enumerate(loop(b, at["taps"], [load(b, at["start"], _V)] * rows, add)):
            to = b.inttoptr(b.add(at["y"], b.mul(row_bytes, I64(i))), _V.as_pointer())
            b.store(total, to).align = 4
        return context.get_dummy_value()

    def typed(
        typing: Any, y: Any, pitch: Any, x: Any, offsets: Any, taps: Any, places: Any, weights: Any, start: Any
    ) -> tuple[Any, Callable[..., Any]]:
        return types.void(*[types.intp] * len(_NAMES)), code

    return intrinsic(typed)


_signed, _unsigned = _sixteen(ROWS, True), _sixteen(ROWS, False)
_signed_1, _unsigned_1 = _sixteen(1, True), _sixteen(1, False)


@jit
def depthwise(
    y: Any, rows: Any, pitch: Any, base: Any, offsets: Any, taps: Any, places: Any, weights: Any, start: Any,
    unsigned: Any,
) -> None:  # fmt: skip
    """Windows begin at ``base + offsets[row]``, their taps lie at `places` from there.

    Constants have `pitch` columns, a multiple of 16; so many bytes of each pixel are read, past its channels too.
    """
    for c in range(0, 4 * pitch, 4 * LANES):
        x, i = base + c // 4, 0
        while i < rows:
            out, at = y + 4 * pitch * i + c, offsets + 8 * i
            if rows - i >= ROWS and unsigned:
                _unsigned(out, pitch, x, at, taps, places, weights + c, start + c)
            elif rows - i >= ROWS:
                _signed(out, pitch, x, at, taps, places, weights + c, start + c)
            elif unsigned:
                _unsigned_1(out, pitch, x, at, taps, places, weights + c, start + c)
            else:
                _signed_1(out, pitch, x, at, taps, places, weights + c, start + c)
            i += ROWS if rows - i >= ROWS else 1
