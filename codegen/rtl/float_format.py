"""Floats that arithmetic rounds into: FP32, FP16, BF16 and any smaller one. The definition of every float unit.

    y = round_to(fmt, float64(a) op float64(b))

One operation on two numbers of `fmt` is first rounded to float64, then to `fmt`. That is the same as rounding once: a
product of two 24-bit significands fits 53 bits, and 53 >= 2 * 24 + 2 is enough for a sum of two (S. Figueroa, "When is
double rounding innocuous?", SIGNUM Newsletter 30(3), 1995). A sum that is subnormal is exact.

Why not `hwsim.formats.FloatFormat`: its numbers are integers of one 64-bit grid, which FP32 has not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, FloatFormat, IntFormat, Reals

SUBNORMALS = ("flush", "keep")


@dataclass(frozen=True)
class ArithmeticFloat:
    """Sign, `exp_bits`, `man_bits`; rounds half to even, and says what becomes of what is too large or too small.

    Args:
        name: what it is called.
        exp_bits: 1..8.
        man_bits: 1..23.
        bias: of the exponent, 0..150.
        reserved: top codes of each sign that name no number. ``2**man_bits``: infinity and NaN as IEEE 754 has them;
            what is too large becomes infinity, and NaN is one code, positive and quiet. 0 or 1: all is finite, what is
            too large becomes the largest number.
        subnormals: ``keep``; or ``flush``: they read as zero of their sign, and a result that is below the smallest
            normal number *after* rounding to ``man_bits + 1`` bits is zero of its sign.
    """

    name: str
    exp_bits: int
    man_bits: int
    bias: int
    reserved: int = 0
    subnormals: str = "keep"

    def __post_init__(self) -> None:
        """Raise ValueError for formats whose arithmetic float64 does not define."""
        if not (1 <= self.exp_bits <= 8 and 1 <= self.man_bits <= 23 and 0 <= self.bias <= 150):
            text = f"E{self.exp_bits}M{self.man_bits}, bias {self.bias}"
            raise ValueError(f"float {self.name!r}: {text} is outside E1..8, M1..23 and bias 0..150")
        if self.reserved not in (0, 1, 1 << self.man_bits):
            most = 1 << self.man_bits
            raise ValueError(f"float {self.name!r}: reserved {self.reserved} must be 0, 1, or {most} as in IEEE 754")
        if self.subnormals not in SUBNORMALS:
            raise ValueError(
                f"float {self.name!r}: subnormals {self.subnormals!r} are unknown: use {', '.join(SUBNORMALS)}"
            )

    @property
    def bits(self) -> int:
        """Bits of one code."""
        return 1 + self.exp_bits + self.man_bits

    @property
    def codes(self) -> IntFormat:
        """What a port carries: the bits of a number."""
        return IntFormat(self.name, self.bits, signed=False)

    @property
    def infinite(self) -> bool:
        """Whether there are infinity and NaN."""
        return self.reserved > 1

    @property
    def flushes(self) -> bool:
        """Whether subnormals are zero."""
        return self.subnormals == "flush"

    @property
    def largest(self) -> int:
        """Code of the largest number."""
        return (1 << (self.bits - 1)) - 1 - self.reserved

    @property
    def overflow(self) -> int:
        """Code of what is too large."""
        return self.largest + self.infinite

    @property
    def nan(self) -> int:
        """The code of NaN, where there is one."""
        return self.overflow | 1 << (self.man_bits - 1)

    def decode(self, codes: Codes) -> Reals:
        """Numbers of codes; a reserved code of a finite format names none and never arrives."""
        codes = np.asarray(codes, np.int64)
        exponent, mantissa = codes >> self.man_bits & ((1 << self.exp_bits) - 1), codes & ((1 << self.man_bits) - 1)
        subnormal = exponent == 0
        significand = np.where(subnormal, 0 if self.flushes else mantissa, mantissa | 1 << self.man_bits)
        x = np.ldexp(significand.astype(np.float64), np.maximum(exponent, 1) - self.bias - self.man_bits)
        if self.infinite:
            beyond = (codes & ((1 << (self.bits - 1)) - 1)) > self.largest
            x = np.where(beyond, np.where(mantissa > 0, np.nan, np.inf), x)
        return np.where(codes >> (self.bits - 1) & 1, -x, x)

    def encode(self, x: Reals) -> Codes:
        """Codes of `x` rounded: ``round_to``; NaN and infinity only where the format has them."""
        finite = np.where(np.isfinite(x), np.abs(x), 0.0)
        exponent = np.frexp(finite)[1] - 1
        if not self.flushes:
            exponent = np.maximum(exponent, 1 - self.bias)
        units = np.rint(np.ldexp(finite, self.man_bits - exponent)).astype(np.int64)
        code = ((exponent.astype(np.int64) + self.bias - 1) << self.man_bits) + units  # a carry enters the exponent
        code = np.where(code > self.largest, self.overflow, code)
        smallest = 1 << self.man_bits if self.flushes else 0
        code = np.where((finite == 0) | (code < smallest), 0, code)
        code = np.where(np.isinf(x), self.overflow, code) | np.signbit(x).astype(np.int64) << (self.bits - 1)
        return np.where(np.isnan(x), self.nan, code).astype(self.codes.dtype)

    def sum(self, a: Codes, b: Codes) -> Codes:
        """``round_to(fmt, a + b)``."""
        with np.errstate(invalid="ignore"):  # infinity less infinity is NaN
            return self.encode(self.decode(a) + self.decode(b))

    def product(self, a: Codes, fmt_a: AnyOperand, b: Codes, fmt_b: AnyOperand) -> Codes:
        """``round_to(fmt, a * b)`` of numbers of two formats."""
        with np.errstate(invalid="ignore"):  # infinity times zero is NaN
            return self.encode(_reals(fmt_a, a) * _reals(fmt_b, b))

    def finite(self, codes: Codes) -> NDArray[np.bool_]:
        """Whether each code is a number."""
        magnitude = np.asarray(codes).astype(np.int64) & ((1 << (self.bits - 1)) - 1)
        return np.asarray(magnitude <= self.largest)


AnyFloat = ArithmeticFloat | FloatFormat
AnyOperand = ArithmeticFloat | FloatFormat | IntFormat

FP32 = ArithmeticFloat("fp32", 8, 23, bias=127, reserved=1 << 23, subnormals="flush")
FP16 = ArithmeticFloat("fp16", 5, 10, bias=15, reserved=1 << 10, subnormals="flush")
BF16 = ArithmeticFloat("bf16", 8, 7, bias=127, reserved=1 << 7, subnormals="flush")


def arithmetic(fmt: AnyFloat) -> ArithmeticFloat:
    """A format's arithmetic: hwsim's small formats keep their subnormals.

    Raises:
        ValueError: it has no significand bits, no exponent bits or an unsigned zero.
    """
    if isinstance(fmt, ArithmeticFloat):
        return fmt
    if fmt.unsigned_zero:
        raise ValueError(f"float {fmt.name!r}: it has an unsigned zero, which no float unit knows")
    return ArithmeticFloat(fmt.name, fmt.exp_bits, fmt.man_bits, fmt.bias, fmt.reserved)


def operand(fmt: AnyOperand) -> ArithmeticFloat | IntFormat:
    """What an operand's codes mean."""
    return fmt if isinstance(fmt, IntFormat) else arithmetic(fmt)


def _reals(fmt: AnyOperand, codes: Codes) -> Reals:
    f = operand(fmt)
    return codes.astype(np.float64) if isinstance(f, IntFormat) else f.decode(codes)
