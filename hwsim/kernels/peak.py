"""What one core does at most: the instructions of a product alone, all operands in registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import jit
from .dot import LEVELS, dot4
from .llvm import I16, I32, I64, called, load, loop
from .tile import opaque

ACCUMULATORS = 12
"""Sums that do not wait for each other: more than an instruction takes cycles, times what begins in one."""
VNNI512 = LEVELS[0]
NEEDS = {"avx512bw", "avx512vnni"}
DOT_MACS, SATURATING_MACS = 64 * ACCUMULATORS, 32 * ACCUMULATORS
"""Multiply-accumulates of one repetition."""
VECTOR, NUMBERS = 64, 1 + 2 * ACCUMULATORS
"""Bytes of an operand, and how many there are."""
Step = Callable[[ir.IRBuilder, Any, Any, Any], Any]


def lacking() -> list[str]:
    """What the CPU would need for it."""
    mine = llvm.get_host_cpu_features()
    return sorted(f for f in NEEDS if not mine.get(f))


def _dot(b: ir.IRBuilder, acc: Any, x: Any, w: Any) -> Any:
    return dot4(b, VNNI512, acc, x, w)


def _saturating(b: ir.IRBuilder, acc: Any, x: Any, w: Any) -> Any:
    return called(b, "llvm.sadd.sat.v32i16", acc.type, acc, b.mul(x, w))


def _limited(b: ir.IRBuilder, acc: Any, x: Any, w: Any) -> Any:
    """The same sum if w and x were the limits less the product: as if those cost nothing."""
    low = called(b, "llvm.smin.v32i16", acc.type, acc, w)
    return b.add(called(b, "llvm.smax.v32i16", acc.type, low, x), b.mul(x, w))


def _repeated(kind: Any, step: Step) -> Any:
    """`n` times ``acc = step(acc, x, w)`` for each sum; `place` holds w, sums and xs, then the sum of all sums."""

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        n, place = values
        w, *numbers = (load(b, b.add(place, I64(VECTOR * i)), kind) for i in range(NUMBERS))

        def again(i: Any, held: list[Any]) -> list[Any]:
            xs = [opaque(b, VNNI512, x) for x in held[ACCUMULATORS:]]  # as if each time others: else products are kept
            return [*(step(b, acc, x, w) for acc, x in zip(held, xs, strict=False)), *xs]

        total, *others = loop(b, n, numbers, again)[:ACCUMULATORS]
        for other in others:
            total = b.add(total, other)
        b.store(total, b.inttoptr(place, kind.as_pointer())).align = 1
        return context.get_dummy_value()

    def typed(typing: Any, n: Any, place: Any) -> Any:
        return types.void(types.intp, types.intp), code

    return intrinsic(typed)


_SHORTS = ir.VectorType(I16, 32)
_dots, _saturations = _repeated(ir.VectorType(I32, 16), _dot), _repeated(_SHORTS, _saturating)
_limits = _repeated(_SHORTS, _limited)


@jit
def dot(n: Any, place: Any) -> None:
    """Products of bytes, four and their sum in a lane of 32 bits; `place`: address of `NUMBERS` vectors."""
    _dots(n, place)


@jit
def saturating(n: Any, place: Any) -> None:
    """Products in lanes of 16 bits, each added on its own to a sum that saturates."""
    _saturations(n, place)


@jit
def limited(n: Any, place: Any) -> None:
    """The same with a minimum, a maximum and an addition in place of the saturating one: see `_limited`."""
    _limits(n, place)
