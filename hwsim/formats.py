"""Number formats: how a code of a few bits names a number.

Every format is a subset of the dyadic rationals on one grid,

    value(code) = to_int(code) * 2**lsb_exp        with to_int(code) an integer,

so INT4, INT8, FP4 and FP8 operands all enter the same integer datapath.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rounding import Ints, away

Codes = NDArray[Any]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class IntFormat:
    """Two's-complement (or unsigned) integer of `bits` bits; `narrow` leaves out the lowest (unsigned: top) code."""

    name: str
    bits: int
    signed: bool = True
    narrow: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for widths that no container holds."""
        if not 1 <= self.bits <= 63 + self.signed:
            raise ValueError(f"format {self.name!r}: {self.bits} bits, must be 1..{63 + self.signed}")

    @property
    def lsb_exp(self) -> int:
        """Exponent of the grid: 0, codes are the integers themselves."""
        return 0

    @property
    def min_int(self) -> int:
        """Smallest integer."""
        return (-(1 << (self.bits - 1)) + self.narrow) if self.signed else 0

    @property
    def max_int(self) -> int:
        """Largest integer."""
        return (1 << (self.bits - self.signed)) - 1 - (self.narrow and not self.signed)

    @property
    def min_code(self) -> int:
        """Smallest code; equals `min_int`."""
        return self.min_int

    @property
    def max_code(self) -> int:
        """Largest code; equals `max_int`."""
        return self.max_int

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Smallest numpy container that holds one code an element."""
        width = next(w for w in (8, 16, 32, 64) if w >= self.bits)
        return np.dtype(f"{'int' if self.signed else 'uint'}{width}")

    def _repr_html_(self) -> str:
        from .reports.format_html import format_html

        return format_html(self)

    def to_int(self, codes: Codes) -> Ints:
        """Integers of `codes`, int64."""
        return codes.astype(np.int64)

    def encode(self, x: Reals, rounding: str = "half_even", rng: np.random.Generator | None = None) -> Codes:
        """Codes of `x` (finite, in units of 1): round, then saturate."""
        magnitude = np.minimum(np.abs(x), 2.0**63)
        low = np.floor(magnitude)
        negative = np.signbit(x)
        up = away(magnitude - low, np.fmod(low, 2) == 1, negative, rounding, rng)
        y = np.where(negative, -(low + up), low + up)
        top, bottom = y >= self.max_int, y <= self.min_int  # floats may not hold the ends of INT64 exactly
        inside = np.where(top | bottom, 0.0, y).astype(np.int64)
        return np.where(top, self.max_int, np.where(bottom, self.min_int, inside)).astype(self.dtype)


@dataclass(frozen=True)
class FloatFormat:
    """Sign, `exp_bits`, `man_bits`, subnormals; the top `reserved` codes of each sign (NaN, Inf) name no number.

    Without exponent bits every code is +-1.man: there is no 0, and what is nearer to 0 becomes +-1.

    With `unsigned_zero` the code of negative zero is the one NaN (the "UZ" of FNUZ) and 0 has no sign.
    """

    name: str
    exp_bits: int
    man_bits: int
    bias: int
    reserved: int = 0
    unsigned_zero: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for formats over 8 bits or whose grid does not fit int64."""
        if self.bits > 8 or self.exp_bits < 0 or self.man_bits < 0 or self.exp_bits > 5:
            raise ValueError(
                f"format {self.name!r}: E{self.exp_bits}M{self.man_bits} is outside 8 bits and 5 exponent bits"
            )

    @property
    def bits(self) -> int:
        """Bits of one code."""
        return 1 + self.exp_bits + self.man_bits

    @property
    def lsb_exp(self) -> int:
        """Exponent of the smallest subnormal."""
        return 1 - self.bias - self.man_bits

    @property
    def dtype(self) -> np.dtype[Any]:
        """Container of one code: uint8."""
        return np.dtype(np.uint8)

    @property
    def min_code(self) -> int:
        """Smallest code: 0."""
        return 0

    @property
    def max_code(self) -> int:
        """Largest code, reserved ones included."""
        return (1 << self.bits) - 1

    @cached_property
    def grid(self) -> Ints:
        """Integer of each code in units of ``2**lsb_exp``, shape (2**bits,); reserved codes read 0."""
        code = np.arange(1 << self.bits)
        man, exp = code & ((1 << self.man_bits) - 1), code >> self.man_bits & ((1 << self.exp_bits) - 1)
        normal = (exp > 0) | (self.exp_bits == 0)
        magnitude = np.where(normal, (man | 1 << self.man_bits) << np.maximum(exp - 1, 0), man)
        magnitude[self.is_reserved(code)] = 0
        return np.where(code >> (self.bits - 1), -magnitude, magnitude)

    @property
    def min_int(self) -> int:
        """Smallest integer."""
        return -self.max_int

    @property
    def max_int(self) -> int:
        """Largest integer."""
        return int(self.grid.max())

    def is_reserved(self, codes: Codes) -> NDArray[np.bool_]:
        """Whether each code is NaN or Inf."""
        half = 1 << (self.bits - 1)
        return np.asarray(((codes & (half - 1)) >= half - self.reserved) | (self.unsigned_zero & (codes == half)))

    def _repr_html_(self) -> str:
        from .reports.format_html import format_html

        return format_html(self)

    def to_int(self, codes: Codes) -> Ints:
        """Integers of `codes` in units of ``2**lsb_exp``, int64."""
        return self.grid[codes]

    def encode(self, x: Reals, rounding: str = "half_even", rng: np.random.Generator | None = None) -> Codes:
        """Codes of `x` (finite, in units of 1): round to a neighbour, ties by the parity of the code, saturate.

        Negative zero and negative numbers that round to zero keep their sign bit, unless zero is unsigned.
        """
        grid = self.grid[: (1 << (self.bits - 1)) - self.reserved].astype(np.float64)
        magnitude = np.ldexp(np.minimum(np.abs(x), np.ldexp(grid[-1], self.lsb_exp)), -self.lsb_exp)
        low = np.maximum(np.searchsorted(grid, magnitude, side="right") - 1, 0)
        high = np.minimum(low + 1, grid.size - 1)
        fraction = (magnitude - grid[low]) / np.maximum(grid[high] - grid[low], 1.0)
        negative = np.signbit(x)
        code = low + away(fraction, low % 2 == 1, negative, rounding, rng)
        if self.unsigned_zero:
            negative = negative & (code > 0)
        return (code | negative.astype(np.int64) << (self.bits - 1)).astype(np.uint8)

    def cast(self, x: Reals, *, saturate: bool = True) -> Codes:
        """Codes of any `x`, NaN and infinities included, half to even: ONNX's Cast and QuantizeLinear to float8.

        Args:
            x: reals in units of 1.
            saturate: what rounds past the largest number becomes it; False: Inf, or NaN where there is no Inf.

        Raises:
            ValueError: NaN, or with ``saturate=False`` a number out of range, and the format has no code for it.

        Source: ONNX operator specification, Cast and "Float stored in 8 bits"; E5M2's NaN is the quiet one.
        """
        nan, half = np.isnan(x), 1 << (self.bits - 1)
        largest = half - 1 - self.reserved
        top = np.ldexp(float(self.max_int), self.lsb_exp)
        tie = 1.5 * top - 0.5 * np.ldexp(float(self.grid[largest - 1]), self.lsb_exp)
        over = ~nan & ((np.abs(x) >= tie) if largest % 2 else (np.abs(x) > tie)) & (not saturate)
        if (nan | over).any() and not (self.reserved or self.unsigned_zero):
            raise ValueError(f"format {self.name!r}: no code for {x[nan | over].flat[0]}; saturate it first")
        codes = self.encode(np.where(nan, 0.0, np.clip(x, -top, top)))
        if self.unsigned_zero:
            return np.where(nan | over, half, codes).astype(self.dtype)
        infinity = half - self.reserved  # with one reserved code a sign it is the NaN
        quiet = infinity + (self.reserved >> 1)
        special = np.where(nan, quiet, infinity) | np.signbit(x).astype(np.int64) << (self.bits - 1)
        return np.where(nan | over, special, codes).astype(self.dtype)


Format = IntFormat | FloatFormat

INT2, INT4, INT8, INT16, INT24, INT32, INT48, INT64 = (IntFormat(f"int{b}", b) for b in (2, 4, 8, 16, 24, 32, 48, 64))
UINT1, UINT2, UINT4, UINT8, UINT16, UINT32 = (IntFormat(f"uint{b}", b, signed=False) for b in (1, 2, 4, 8, 16, 32))
TERNARY = IntFormat("ternary", 2, narrow=True)
FP4_E2M1 = FloatFormat("fp4_e2m1", 2, 1, bias=1)
FP4_E1M2 = FloatFormat("fp4_e1m2", 1, 2, bias=1)
FP4_E3M0 = FloatFormat("fp4_e3m0", 3, 0, bias=3)
FP6_E2M3 = FloatFormat("fp6_e2m3", 2, 3, bias=1)
FP6_E3M2 = FloatFormat("fp6_e3m2", 3, 2, bias=3)
FP8_E4M3 = FloatFormat("fp8_e4m3", 4, 3, bias=7, reserved=1)
FP8_E5M2 = FloatFormat("fp8_e5m2", 5, 2, bias=15, reserved=4)
# Finite, unsigned zero (arXiv:2206.02915). Why not in FORMATS: they read tensors of outside models, no engine's
# quantizer makes them yet, so no recipe may ask for them by name.
FP8_E4M3FNUZ = FloatFormat("fp8_e4m3fnuz", 4, 3, bias=8, unsigned_zero=True)
FP8_E5M2FNUZ = FloatFormat("fp8_e5m2fnuz", 5, 2, bias=16, unsigned_zero=True)
# The rest of LLM-FP4's search space (arXiv:2310.16836): no code is reserved. E5M0 is left out: 30 binades in 6 bits.
FP6_E1M4 = FloatFormat("fp6_e1m4", 1, 4, bias=1)
FP6_E4M1 = FloatFormat("fp6_e4m1", 4, 1, bias=7)
FP8_E1M6 = FloatFormat("fp8_e1m6", 1, 6, bias=1)
FP8_E2M5 = FloatFormat("fp8_e2m5", 2, 5, bias=1)
FP8_E3M4 = FloatFormat("fp8_e3m4", 3, 4, bias=3)
# The sign alone: code 0 is +1, code 1 is -1. Why not in FORMATS: it has no 0, so no recipe may ask for it by name yet.
BINARY = FloatFormat("binary", 0, 0, bias=1)
# Why an integer format: 2**(code - 127) fits no int64 grid, so the datapath adds exponents; with zero point 127 the
# value *is* the exponent. 255 (NaN) is no code. Why not in FORMATS: it scales blocks, no tensor is kept in it.
E8M0 = IntFormat("e8m0", 8, signed=False, narrow=True)

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        *(INT2, INT4, INT8, INT16, INT24, INT32, INT48, INT64),
        *(UINT1, UINT2, UINT4, UINT8, UINT16, UINT32, TERNARY),
        *(FP4_E2M1, FP4_E1M2, FP4_E3M0, FP6_E2M3, FP6_E3M2, FP6_E1M4, FP6_E4M1),
        *(FP8_E4M3, FP8_E5M2, FP8_E3M4, FP8_E2M5, FP8_E1M6),
    )
}


def format_named(name: str) -> Format:
    """The format called `name`; ValueError lists the known ones."""
    if name not in FORMATS:
        raise ValueError(f"format {name!r} is unknown: use one of {', '.join(FORMATS)}")
    return FORMATS[name]
