"""Requantization in 32-bit registers: which of qmath.h's functions gives a contract's bits, with which constants.

Why: most machines that C is for multiply 32 x 32 bits and keep the high half in one instruction, while a shift of
64 bits by a variable amount is a call. Rounding half up commutes with scaling: ``(x * m + 2**(s - 1)) >> s`` is the
same number for ``m * 2**k`` and ``s + k``, so multipliers are moved to where the shift is 32 bits, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.contracts import Contract, Dyadic16, Pow2, TflmDouble, TflSingle
from hwsim.ops import Requant
from hwsim.ranges import Interval

from .c_view import INT32

TOP = (1 << 31) - 1  # the largest multiplier


@dataclass(frozen=True)
class Form:
    """A call ``function(x, constants of the channel ...)``; each constant is one for all or one a channel."""

    function: str
    constants: tuple[tuple[int, ...], ...]


def form_of(op: Requant, x: Interval) -> Form | None:
    """How `op` is computed of an int32 that reaches `x`, zero point and limits in 32 bits as well; None where not."""
    return form(op.contract, x) if op.limits.inside(INT32) and abs(op.zero_point) < 1 << 30 else None


def form(contract: Contract, x: Interval) -> Form | None:
    """How `contract` is computed of an int32 that reaches `x`; None where it takes more.

    Forms: ``hw_short`` (product in 32 bits), ``hw_high`` (shift of exactly 32), ``hw_high_shift`` (of more),
    ``hw_doubled`` (TFLM's two roundings), ``hw_doubled_any`` (the second may drop nothing, the input has 32 bits),
    ``hw_single`` (LiteRT's half away from zero).
    """
    # Why a bit is left: the zero point is added to the result in 32 bits.
    if not x.inside(INT32) or x.magnitude * float(np.max(contract.ratio)) >= 1 << 30:
        return None
    match contract:
        case Dyadic16(rounding="half_up") | TflSingle(rounding="half_up") if max(contract.multiplier) <= TOP:
            shifts = contract.shift if isinstance(contract, Dyadic16) else tuple(31 - e for e in contract.shift)
            return _half_up(contract.multiplier, shifts, x)
        case Pow2(rounding="half_up") if min(contract.shift) >= 0:
            return _half_up((1,) * len(contract.shift), contract.shift, x)
        case TflmDouble() if max(contract.shift) <= 0 and _halves_fit(contract, x):
            plain = x.magnitude < 1 << 30 and max(contract.shift) < 0
            return Form(
                "hw_doubled" if plain else "hw_doubled_any", (contract.multiplier, tuple(-e for e in contract.shift))
            )
        case TflSingle(rounding="half_away") if max(contract.multiplier) <= TOP:
            return Form("hw_single", (contract.multiplier, tuple(31 - e for e in contract.shift)))
    return None


def _halves_fit(contract: TflmDouble, x: Interval) -> bool:
    """Whether the second rounding's half can be added to the first one's result in 32 bits."""
    pairs = zip(contract.multiplier, contract.shift, strict=True)
    return all((x.magnitude * m >> 31) + 1 + (1 << -e >> 1) <= TOP for m, e in pairs)


def _half_up(multipliers: Sequence[int], shifts: Sequence[int], x: Interval) -> Form | None:
    """The cheapest form of ``(x * m + 2**(s - 1)) >> s``: one shift for all channels, or none at all, before many."""
    pairs = list(zip(multipliers, shifts, strict=True))
    for moved in (_moved(pairs, max(shifts)), pairs):
        if all(x.magnitude * m + (1 << s >> 1) <= TOP and s < 31 for m, s in moved):
            return Form("hw_short", tuple(zip(*moved, strict=True)))
        if all(s <= 32 and m << (32 - s) <= TOP for m, s in pairs):
            return Form("hw_high", (tuple(m for m, _ in _moved(pairs, 32)),))
    room = [31 - m.bit_length() for m, _ in pairs]
    if all(32 < s + k <= 62 for (_, s), k in zip(pairs, room, strict=True)):
        wide = [(m << k, s + k - 32) for (m, s), k in zip(pairs, room, strict=True)]
        return Form("hw_high_shift", tuple(zip(*wide, strict=True)))
    return None


def _moved(pairs: Sequence[tuple[int, int]], shift: int) -> list[tuple[int, int]]:
    """The same factors with one shift, which is no smaller than theirs."""
    return [(m << (shift - s), shift) for m, s in pairs]
