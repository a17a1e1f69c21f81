"""``y[row, c] = start[c] + sum over taps of x[c] * weights[tap, c]``: 16 channels at a time, sums in a register."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import jit
from .llvm import I8, I32, I64, load, loop
from .memory import longs

LANES = 16
_V, _BYTES = ir.VectorType(I32, LANES), ir.VectorType(I8, LANES)
_NAMES = ("y", "x", "taps", "places", "weights", "step", "start")


def _sixteen(signed: bool) -> Any:
    """Results of 16 channels of one window: `places` are its taps, `step` the bytes from tap to tap of the weights."""

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        at = dict(zip(_NAMES, values, strict=True))
        begin = load(b, at["start"], _V)

        def add(tap: Any, held: list[Any]) -> list[Any]:
            place = load(b, b.add(at["places"], b.mul(tap, I64(8))), I64)
            x = (b.sext if signed else b.zext)(load(b, b.add(at["x"], place), _BYTES), _V)
            w = load(b, b.add(at["weights"], b.mul(tap, at["step"])), _V)
            return [b.add(held[0], b.mul(x, w))]

        (total,) = loop(b, at["taps"], [begin], add)
        b.store(total, b.inttoptr(at["y"], _V.as_pointer())).align = 4
        return context.get_dummy_value()

    def typed(
        typing: Any, y: Any, x: Any, taps: Any, places: Any, weights: Any, step: Any, start: Any
    ) -> tuple[Any, Callable[..., Any]]:
        return types.void(*[types.intp] * len(_NAMES)), code

    return intrinsic(typed)


_signed, _unsigned = _sixteen(True), _sixteen(False)


@jit
def depthwise(
    y: Any, rows: Any, pitch: Any, base: Any, offsets: Any, taps: Any, places: Any, weights: Any, start: Any,
    unsigned: Any,
) -> None:  # fmt: skip
    """Windows begin at ``base + offsets[row]``, their taps lie at `places` from there.

    Constants have `pitch` columns, a multiple of 16; so many bytes of each pixel are read, past its channels too.
    """
    at = longs(offsets, rows)
    for i in range(rows):
        for c in range(0, pitch, 16):
            out, x = y + 4 * (pitch * i + c), base + at[i] + c
            if unsigned:
                _unsigned(out, x, taps, places, weights + 4 * c, 4 * pitch, start + 4 * c)
            else:
                _signed(out, x, taps, places, weights + 4 * c, 4 * pitch, start + 4 * c)
