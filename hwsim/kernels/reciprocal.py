"""Codes in bytes from ``x * (1 / scale)``, and whether they may differ from those of ``x / scale``.

A product rounds to an integer when a number is added whose last bit stands for 1; that bit and the seven before it are
the code less its zero point, modulo 256. Reciprocal, product and the definition's quotient round, three times in all:
where the quotient is at most 257 it is off by less than `Kind.margin`, and where it is more the code is an end anyway.
So codes can differ only where a product is so near to a tie, or not finite. A reciprocal that is infinite, in float32
or because `hwsim.kernels.encoding` says so, makes all products infinite, or NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .llvm import I8, I32, I64, joined, load, loop, splat

BLOCK = 64
"""Reals that are looked at together."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Reals of one format.

    Args:
        real, bits: LLVM's types of a real and of its bits.
        fraction: bits after the leading one.
        margin: more than 257 times the error of three roundings, relative to 1: ``257 * 3 * 2**-(fraction + 1)``.
    """

    real: Any
    bits: ir.IntType
    fraction: int
    margin: float


SINGLE = Kind(real=ir.FloatType(), bits=I32, fraction=23, margin=2.0**-14)
DOUBLE = Kind(real=ir.DoubleType(), bits=I64, fraction=52, margin=2.0**-43)


def _multiplied(kind: Kind) -> Any:
    """(y, x, blocks, numbers): codes of so many blocks of reals; returns whether one may differ.

    numbers: address of zero point, ends and reciprocal, float64.
    """
    lanes = 512 // kind.bits.width
    reals, words = ir.VectorType(kind.real, lanes), ir.VectorType(kind.bits, lanes)
    shift = ir.Constant(reals, [1.5 * 2**kind.fraction] * lanes)

    def code(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        y, x, blocks, place = values
        known = [load(b, b.add(place, I64(8 * i)), DOUBLE.real) for i in range(4)]
        zero = splat(b, b.trunc(b.fptosi(known[0], I64), I8), BLOCK)
        origin, lo, hi, factor = (splat(b, k if kind is DOUBLE else b.fptrunc(k, kind.real), lanes) for k in known)
        ends = [b.bitcast(b.fadd(b.fsub(end, origin), shift), words) for end in (lo, hi)]

        def block(number: Any, held: list[Any]) -> list[Any]:
            (worst,), parts, first = held, [], b.mul(number, I64(BLOCK))
            for i in range(0, BLOCK, lanes):
                at = b.mul(b.add(first, I64(i)), I64(kind.bits.width // 8))
                moved, off = _rounded(b, b.fmul(load(b, b.add(x, at), reals), factor), shift, words)
                worst = b.select(b.icmp_unsigned(">", off, worst), off, worst)
                parts.append(b.trunc(_limited(b, moved, *ends), ir.VectorType(I8, lanes)))
            codes = b.add(joined(b, parts), zero)
            b.store(codes, b.inttoptr(b.add(y, first), codes.type.as_pointer())).align = 1
            return [worst]

        (worst,) = loop(b, blocks, [ir.Constant(words, [0] * lanes)], block)
        near = b.bitcast(ir.Constant(reals, [0.5 - kind.margin] * lanes), words)
        found = b.bitcast(b.icmp_unsigned(">", worst, near), ir.IntType(lanes))
        return b.zext(b.icmp_unsigned("!=", found, found.type(0)), I64)

    def typed(typing: Any, y: Any, x: Any, blocks: Any, numbers: Any) -> tuple[Any, Callable[..., Any]]:
        return types.intp(*[types.intp] * 4), code

    return intrinsic(typed)


def _rounded(b: ir.IRBuilder, product: Any, shift: Any, words: Any) -> tuple[Any, Any]:
    """Bits of the integer plus `shift`, and of how far the product is from it: those of NaN are more than any."""
    moved = b.fadd(product, shift)
    off = b.fsub(product, b.fsub(moved, shift))
    positive = ir.Constant(words, [(1 << words.element.width - 1) - 1] * words.count)
    return b.bitcast(moved, words), b.and_(b.bitcast(off, words), positive)


def _limited(b: ir.IRBuilder, moved: Any, lo: Any, hi: Any) -> Any:
    """Between the ends. Bits of reals are in the order of the reals, but for negative ones, which are below all."""
    moved = b.select(b.icmp_signed(">", moved, lo), moved, lo)
    return b.select(b.icmp_signed("<", moved, hi), moved, hi)


single, double = _multiplied(SINGLE), _multiplied(DOUBLE)
