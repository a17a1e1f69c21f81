"""Requantization contracts: how an accumulator becomes a narrow integer. "INT8" alone does not say.

A contract is data: it names its arithmetic and carries its constants, and travels in the graph and every report.

    contract      y =                                                        whose bits                         shift>0
    dyadic16      round(x * m / 2**s), m of 16 bits                          this project's default, RTL        right
    pow2          round(x / 2**s)                                            shift-only hardware                right
    tfl_single    half_away(x * m / 2**(31 - e)), m of 31 bits               LiteRT's reference FULLY_CONNECTED left
    tflm_double   half_away(half_up(x * 2**l * m / 2**31) / 2**r)            TFLM, CMSIS-NN, LiteRT's reference
                                                                             convolutions                       left
    onnx_float    half_even(float32(x) * float32(ratio)), all in float32     ONNX Runtime's QLinear*, LiteRT's
                                                                             default (XNNPACK)                  -

After any of them: add the zero point, then saturate (ONNX's order). Multipliers and shifts are one for all or one
a channel of the last axis. Whose bits was measured, with ties and saturation, in tests/hwsim/test_contracts_oracles.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from .formats import Reals
from .jit import jit
from .rounding import ROUNDINGS, Ints, check_rounding, shift_right, shift_right_scalar

TOLERANCE = 2.0**-16  # how far constants may be from input lsb / output lsb, relatively


class Contract(Protocol):
    """What every contract offers; `apply` is the definition, `apply_fast` its numba twin."""

    name: ClassVar[str]

    @classmethod
    def of(cls, ratio: ArrayLike, rounding: str = ...) -> Self:
        """The contract nearest to multiplying by `ratio` = input lsb / output lsb, shape () or (channels,)."""
        ...

    @property
    def channels(self) -> int:
        """How many channels the constants are for; 1 where they serve all."""
        ...

    @property
    def ratio(self) -> Reals:
        """The factor really applied, shape (channels,)."""
        ...

    @property
    def max_input(self) -> int:
        """Largest |x| for which the arithmetic is exact as stated."""
        ...

    def apply(self, x: Ints) -> Ints:
        """Rounded integers of `x`, int64 of shape (..., channels), before zero point and saturation."""
        ...

    def apply_fast(self, x: Ints) -> Ints:
        """Same bits as `apply`, compiled."""
        ...


@dataclass(frozen=True, kw_only=True)
class Dyadic16:
    """``round(x * multiplier * 2**-shift)`` with a 16-bit multiplier; 32 + 16 bits stay exact in float64.

    TFLite's layers of 16-bit activations keep 15 bits of their multipliers, which is the only other choice.
    """

    multiplier: tuple[int, ...]
    shift: tuple[int, ...]
    rounding: str = "half_up"
    multiplier_bits: int = 16
    name: ClassVar[str] = "dyadic16"

    def __post_init__(self) -> None:
        """Raise ValueError for constants outside `multiplier_bits` or shifts outside 0..62."""
        check_rounding(self.rounding)
        _check(self.name, "multiplier_bits", (self.multiplier_bits,), 15, 16)
        top = 1 << self.multiplier_bits
        _check(self.name, "multiplier", self.multiplier, top >> 1, top - 1)
        _check(self.name, "shift", self.shift, 0, 62)
        _check_lengths(self.name, self.multiplier, self.shift)

    @classmethod
    def of(cls, ratio: ArrayLike, rounding: str = "half_up") -> Self:
        """Nearest 16-bit multiplier and its shift, by exact fractions."""
        pairs = [dyadic(r, 16) for r in np.atleast_1d(np.asarray(ratio, np.float64)).tolist()]
        return cls(multiplier=tuple(m for m, _ in pairs), shift=tuple(s for _, s in pairs), rounding=rounding)

    @property
    def channels(self) -> int:
        """Number of channels, 1 where one pair serves all."""
        return len(self.multiplier)

    @property
    def ratio(self) -> Reals:
        """``multiplier * 2**-shift``."""
        return np.ldexp(np.asarray(self.multiplier, np.float64), -np.asarray(self.shift))

    @property
    def max_input(self) -> int:
        """46 bits: x * multiplier + half stays inside int64."""
        return 1 << 46

    def apply(self, x: Ints) -> Ints:
        """The definition."""
        return shift_right(x * np.asarray(self.multiplier), np.asarray(self.shift), self.rounding)

    def apply_fast(self, x: Ints) -> Ints:
        """Numba twin."""
        mode = ROUNDINGS.index(self.rounding)
        return _dyadic(np.asarray(x, order="C"), np.asarray(self.multiplier), np.asarray(self.shift), mode)


@jit
def _dyadic(x: Any, multiplier: Any, shift: Any, rounding: Any) -> Any:
    y = np.empty_like(x)
    flat_x, flat_y, channels = x.reshape(-1), y.reshape(-1), multiplier.size
    for i in range(flat_x.size):
        c = i % channels
        flat_y[i] = shift_right_scalar(flat_x[i] * multiplier[c], shift[c], rounding)
    return y


@dataclass(frozen=True, kw_only=True)
class Pow2:
    """``round(x * 2**-shift)``; a negative shift goes left."""

    shift: tuple[int, ...]
    rounding: str = "half_up"
    name: ClassVar[str] = "pow2"

    def __post_init__(self) -> None:
        """Raise ValueError for shifts outside -30..62."""
        check_rounding(self.rounding)
        _check(self.name, "shift", self.shift, -30, 62)
        _check_lengths(self.name, self.shift)

    @classmethod
    def of(cls, ratio: ArrayLike, rounding: str = "half_up") -> Self:
        """The shift of a ratio that is a power of two; ValueError for any other ratio."""
        fraction, exponent = np.frexp(np.atleast_1d(np.asarray(ratio, np.float64)))
        if (fraction != 0.5).any():
            bad = float(np.atleast_1d(ratio)[fraction != 0.5][0])
            raise ValueError(f"pow2: ratio {bad!r} is no power of two; choose power-of-two scales or another contract")
        return cls(shift=tuple(int(1 - e) for e in exponent), rounding=rounding)

    @property
    def channels(self) -> int:
        """Number of channels, 1 where one shift serves all."""
        return len(self.shift)

    @property
    def ratio(self) -> Reals:
        """``2**-shift``."""
        return np.ldexp(1.0, -np.asarray(self.shift))

    @property
    def max_input(self) -> int:
        """What a left shift leaves of 62 bits."""
        return ((1 << 62) - 1) >> max(0, -min(self.shift))

    def apply(self, x: Ints) -> Ints:
        """The definition."""
        s = np.asarray(self.shift)
        return shift_right(x << np.maximum(-s, 0), np.maximum(s, 0), self.rounding)

    def apply_fast(self, x: Ints) -> Ints:
        """Numba twin: the dyadic kernel with left shifts as multipliers."""
        s = np.asarray(self.shift)
        left, mode = np.left_shift(1, np.maximum(-s, 0)), ROUNDINGS.index(self.rounding)
        return _dyadic(np.asarray(x, order="C"), left, np.maximum(s, 0), mode)


@dataclass(frozen=True, kw_only=True)
class _TflConstants:
    """What the two TFLite contracts share: Q31 multipliers in [2**30, 2**31), or 0, and left-positive shifts."""

    multiplier: tuple[int, ...]
    shift: tuple[int, ...]
    bits: ClassVar[int] = 31

    def __post_init__(self) -> None:
        """Raise ValueError for constants outside TFLite's."""
        _check("tfl", "multiplier", self.multiplier, 0, (1 << self.bits) - 1)
        _check("tfl", "shift", self.shift, -31, 30)
        _check_lengths("tfl", self.multiplier, self.shift)

    @classmethod
    def of(cls, ratio: ArrayLike, rounding: str = "half_up") -> Self:
        """TFLite's QuantizeMultiplier; the contract fixes its own rounding."""
        multiplier, shift = quantize_multiplier(ratio)
        return cls(multiplier=multiplier, shift=shift)

    @property
    def channels(self) -> int:
        """Number of channels, 1 where one pair serves all."""
        return len(self.multiplier)

    @property
    def ratio(self) -> Reals:
        """``multiplier * 2**(shift - 31)``."""
        return np.ldexp(np.asarray(self.multiplier, np.float64), np.asarray(self.shift) - 31)


@dataclass(frozen=True, kw_only=True)
class TflSingle(_TflConstants):
    """``round(x * multiplier * 2**(shift - 31))``: one rounding.

    Why half_away: LiteRT 2.3's reference kernel rounds ``float64(x) * ratio`` by C's `round`. Only a number within
    2**-31 of a tie can tell its float64 ratio from a Q31 multiplier; `hwsim.dialects.float64_ratio` finds constants
    that no accumulator can tell, which may take up to 40 bits. ``half_up`` is the older integer form
    (TFLITE_SINGLE_ROUNDING), which differs on every exact tie below zero.
    """

    rounding: str = "half_away"
    name: ClassVar[str] = "tfl_single"
    bits: ClassVar[int] = 40

    def __post_init__(self) -> None:
        """Raise ValueError for constants or roundings that are not TFLite's."""
        super().__post_init__()
        check_rounding(self.rounding, ("half_away", "half_up"))

    @property
    def max_input(self) -> int:
        """An int32 accumulator, or what wider multipliers leave of 62 bits."""
        return min(1 << 31, ((1 << 62) - 1) // max(1, *self.multiplier))

    def apply(self, x: Ints) -> Ints:
        """The definition."""
        return shift_right(x * np.asarray(self.multiplier), 31 - np.asarray(self.shift), self.rounding)

    def apply_fast(self, x: Ints) -> Ints:
        """Numba twin."""
        mode = ROUNDINGS.index(self.rounding)
        return _dyadic(np.asarray(x, order="C"), np.asarray(self.multiplier), 31 - np.asarray(self.shift), mode)


@dataclass(frozen=True, kw_only=True)
class TflmDouble(_TflConstants):
    """``half_away(half_up(x * 2**left * multiplier / 2**31) / 2**right)``: TFLM's and CMSIS-NN's double rounding.

    `shift` > 0 goes left (before the multiplication), < 0 right (after it). SaturatingRoundingDoublingHighMul
    rounds half up (its negative nudge and C's truncating division amount to that), RoundingDivideByPOT half away.
    """

    name: ClassVar[str] = "tflm_double"

    @property
    def max_input(self) -> int:
        """What the left shift leaves of int32: past it the C original overflows."""
        return (1 << 31) >> max(0, *self.shift)

    def apply(self, x: Ints) -> Ints:
        """The definition."""
        shift = np.asarray(self.shift)
        high = shift_right((x << np.maximum(shift, 0)) * np.asarray(self.multiplier), 31, "half_up")
        return shift_right(high, np.maximum(-shift, 0), "half_away")

    def apply_fast(self, x: Ints) -> Ints:
        """Numba twin."""
        return _tflm_double(np.asarray(x, order="C"), np.asarray(self.multiplier), np.asarray(self.shift))


@jit
def _tflm_double(x: Any, multiplier: Any, shift: Any) -> Any:
    y = np.empty_like(x)
    flat_x, flat_y, channels = x.reshape(-1), y.reshape(-1), multiplier.size
    for i in range(flat_x.size):
        c = i % channels
        high = shift_right_scalar((flat_x[i] << max(shift[c], 0)) * multiplier[c], 31, 1)
        flat_y[i] = shift_right_scalar(high, max(-shift[c], 0), 2)
    return y


@dataclass(frozen=True, kw_only=True)
class OnnxFloat:
    """``half_even(float32(x) * float32(scale) + origin) - origin``: ONNX Runtime's QLinear operators.

    The only contract that computes in floating point at run time, and it says so. QLinearMatMul and QLinearConv round
    before they add the zero point; QLinearMul adds it to the float32 product and rounds then, which `origin` says.
    """

    scale: tuple[float, ...]
    origin: int = 0
    name: ClassVar[str] = "onnx_float"

    def __post_init__(self) -> None:
        """Raise ValueError for scales that are no positive finite float32."""
        for s in self.scale:
            if not (np.isfinite(s) and s > 0 and float(np.float32(s)) == s):
                raise ValueError(f"onnx_float: scale {s!r} is no positive finite float32")
        _check(self.name, "origin", (self.origin,), -(1 << 16), 1 << 16)

    @classmethod
    def of(cls, ratio: ArrayLike, rounding: str = "half_even") -> Self:
        """The float32 nearest to each ratio."""
        return cls(scale=tuple(float(np.float32(r)) for r in np.atleast_1d(ratio)))

    @property
    def channels(self) -> int:
        """Number of channels, 1 where one scale serves all."""
        return len(self.scale)

    @property
    def ratio(self) -> Reals:
        """The scales."""
        return np.asarray(self.scale, np.float64)

    @property
    def max_input(self) -> int:
        """An int32 accumulator."""
        return 1 << 31

    def apply(self, x: Ints) -> Ints:
        """The definition; products are clipped to +-2**62, far past every narrow format, to stay integers."""
        placed = x.astype(np.float32) * np.asarray(self.scale, np.float32) + np.float32(self.origin)
        return np.asarray(np.rint(np.clip(placed, -(2.0**62), 2.0**62)).astype(np.int64) - self.origin)

    def apply_fast(self, x: Ints) -> Ints:
        """The definition is already a few vector instructions."""
        return self.apply(x)


CONTRACTS: tuple[type[Dyadic16] | type[Pow2] | type[TflSingle] | type[TflmDouble] | type[OnnxFloat], ...] = (
    *(Dyadic16, Pow2, TflSingle, TflmDouble, OnnxFloat),
)


def suited(contract: type[Contract], ratio: float) -> type[Contract]:
    """`contract`; ``dyadic16`` in place of ``pow2`` where a shift alone cannot apply `ratio` (a gain, a mean of 9)."""
    return Dyadic16 if contract is Pow2 and np.frexp(ratio)[0] != 0.5 else contract


def contract_named(name: str) -> type[Contract]:
    """The contract class called `name`; ValueError lists the known ones."""
    for c in CONTRACTS:
        if c.name == name:
            return c
    raise ValueError(f"contract {name!r} is unknown: use one of {', '.join(c.name for c in CONTRACTS)}")


def dyadic(ratio: float, bits: int) -> tuple[int, int]:
    """``(m, s)`` with m in [2**(bits-1), 2**bits) and ``m * 2**-s`` nearest to `ratio` (ties to even m)."""
    if not (np.isfinite(ratio) and ratio > 0):
        raise ValueError(f"dyadic: ratio {ratio!r} must be finite and > 0")
    shift = bits - int(np.frexp(ratio)[1])
    m = round(Fraction(ratio) * Fraction(2) ** shift)
    if m == 1 << bits:
        m, shift = m >> 1, shift - 1
    if not 0 <= shift <= 62:
        raise ValueError(f"dyadic: ratio {ratio!r} needs shift {shift}, outside 0..62; bring the two scales closer")
    return m, shift


def quantize_multiplier(ratio: ArrayLike) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """``(multipliers, shifts)`` in the TFLite / CMSIS-NN convention: Q31 and left-positive shift.

    As TFLite's QuantizeMultiplier: ``frexp``, times 2**31, C `round` (half away); 0 where the ratio is under 2**-32.
    """
    multipliers, shifts = [], []
    for r in np.atleast_1d(np.asarray(ratio, np.float64)).tolist():
        if not (np.isfinite(r) and r > 0):
            raise ValueError(f"quantize_multiplier: ratio {r!r} must be finite and > 0")
        fraction, shift = np.frexp(r)
        m, shift = int(np.floor(float(fraction) * 2.0**31 + 0.5)), int(shift)
        if m == 1 << 31:
            m, shift = m >> 1, shift + 1
        if shift < -31:
            m, shift = 0, 0
        if shift > 30:
            raise ValueError(f"quantize_multiplier: ratio {r!r} needs a left shift of {shift}, over 30")
        multipliers.append(m)
        shifts.append(shift)
    return tuple(multipliers), tuple(shifts)


def _check(name: str, field: str, values: Sequence[int], low: int, high: int) -> None:
    for v in values:
        if not isinstance(v, int):
            raise ValueError(f"{name}: {field} {v!r} must be a Python integer")
        if not low <= v <= high:
            raise ValueError(f"{name}: {field} {v} is outside {low}..{high}")
    if not values:
        raise ValueError(f"{name}: {field} is empty")


def _check_lengths(name: str, *fields: Sequence[int]) -> None:
    if len({len(f) for f in fields}) != 1:
        raise ValueError(f"{name}: {' and '.join(str(len(f)) for f in fields)} constants; give as many of each")
