"""Rounding shifts, saturation and formats in wires. The definitions are `hwsim.rounding` and `hwsim.formats`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim.formats import FloatFormat, Format
from hwsim.ranges import Interval, format_interval
from hwsim.rounding import shift_right

from .module import Module, Signal, constant


class Parts(NamedTuple):
    """A float: ``(-1)**sign * significand * 2**shift`` on the format's grid; `shift` is None where it is always 0."""

    sign: str
    significand: Signal
    shift: Signal | None


def number(m: Module, name: str, bits: str, fmt: Format, reach: Interval | None = None) -> Signal:
    """The integer on the format's grid that the code in `bits` names.

    Args:
        m: module under construction.
        name: of the result.
        bits: a port or field of ``fmt.bits`` bits.
        fmt: its format.
        reach: what the integers reach, where that is less than the format; integer formats only.
    """
    if isinstance(fmt, FloatFormat):
        p = parts(m, name, bits, fmt)
        magnitude = shifted(m, f"{name}_magnitude", p.significand, p.shift, fmt.max_int)
        return negated(m, name, p.sign, magnitude)
    reach = reach or format_interval(fmt)
    if fmt.signed:
        return m.wire(name, reach, f"$signed({bits}[{reach.bits - 1}:0])")
    return m.wire(name, reach, f"$signed({{1'b0, {bits}[{max(reach.bits - 2, 0)}:0]}})")


def parts(m: Module, name: str, bits: str, fmt: FloatFormat) -> Parts:
    """Sign, significand with its hidden bit, and how far the exponent shifts it; reserved codes never arrive."""
    sign = f"{bits}[{fmt.bits - 1}]"
    if not fmt.exp_bits and not fmt.man_bits:
        return Parts(sign, constant(1), None)
    mantissa = f", {bits}[{fmt.man_bits - 1}:0]" if fmt.man_bits else ""
    exponent = f"{bits}[{fmt.bits - 2}:{fmt.man_bits}]"
    hidden = f"{exponent} != 0" if fmt.exp_bits else "1'b1"
    ones = Interval(0, (2 << fmt.man_bits) - 1)
    significand = m.wire(f"{name}_significand", ones, f"$signed({{1'b0, {hidden}{mantissa}}})")
    if fmt.exp_bits < 2:
        return Parts(sign, significand, None)
    e = m.wire(f"{name}_exponent", Interval(0, (1 << fmt.exp_bits) - 1), f"$signed({{1'b0, {exponent}}})")
    zero, one = constant(0).name, constant(1).name
    shift = m.wire(f"{name}_shift", Interval(0, e.reach.hi - 1), f"{e.name} == {zero} ? {zero} : {e.name} - {one}")
    return Parts(sign, significand, shift)


def shifted(m: Module, name: str, x: Signal, shift: Signal | None, most: int) -> Signal:
    """``x * 2**shift``, of magnitude `most` at most."""
    if shift is None:
        return x
    reach = Interval(-most if x.reach.lo < 0 else 0, most)
    return m.wire(name, reach, f"{x.name} <<< {shift.name}")


def negated(m: Module, name: str, sign: str, x: Signal) -> Signal:
    """`x`, or ``-x`` where the bit `sign` is 1."""
    reach = x.reach.union(Interval(-x.reach.hi, -x.reach.lo))
    return m.wire(name, reach, f"{sign} ? -{x.name} : {x.name}")


def clipped(m: Module, name: str, x: Signal, limits: Interval) -> Signal:
    """`x` saturated; a limit that `x` cannot pass takes no comparator."""
    text = x.name
    for limit, passed, sign in ((limits.hi, x.reach.hi > limits.hi, ">"), (limits.lo, x.reach.lo < limits.lo, "<")):
        if passed:
            text = f"{x.name} {sign} {constant(limit).name} ? {constant(limit).name} : {text}"
    return x if text == x.name else m.wire(name, x.reach.clip(limits), text)


def rounded(m: Module, name: str, x: Signal, shift: Signal, rounding: str) -> Signal:
    """``round(x / 2**shift)``.

    Args:
        m: module under construction.
        name: of the result.
        x: what is shifted.
        shift: constant or computed, 0..62.
        rounding: one of `hwsim.rounding.ROUNDINGS`.
    """
    if shift.reach.hi == 0:
        return x
    terms = [x, *_offset(m, name, x, shift, rounding)]
    total = m.sum(f"{name}_sum", *terms) if len(terms) > 1 else x
    amount = str(shift.reach.lo) if shift.reach.lo == shift.reach.hi else shift.name
    reach = _rounded_ends(x.reach, shift.reach, rounding)
    # Why a wire as wide as the sum: in a narrower one the sum itself would be cut before it is shifted.
    wide = m.wire(f"{name}_shifted", total.reach, f"{total.name} >>> {amount}")
    return m.wire(name, reach, wide.name if reach.bits >= wide.bits else f"$signed({wide.name}[{reach.bits - 1}:0])")


def _rounded_ends(x: Interval, shift: Interval, rounding: str) -> Interval:
    """What ends become, which bound the rest: rounding and shifts are monotone. Past int64 their floor and ceiling."""
    if x.magnitude >= 1 << 62:
        return Interval(x.lo >> shift.lo, -(-x.hi >> shift.lo))
    results = shift_right(np.array([x], np.int64), np.array([shift]).T, rounding)
    return Interval(int(results.min()), int(results.max()))


def _offset(m: Module, name: str, x: Signal, shift: Signal, rounding: str) -> list[Signal]:
    """What is added before the shift."""
    if rounding == "floor" or (rounding == "toward_zero" and x.reach.lo >= 0):
        return []
    half, below = _powers(m, name, shift)
    match rounding:
        case "half_up":
            return [half]
        case "toward_zero":
            zero = constant(0).name
            return [m.wire(f"{name}_up", Interval(0, below.reach.hi), f"{x.name} < {zero} ? {below.name} : {zero}")]
        case "half_away" if x.reach.lo >= 0:
            return [half]
        case "half_away":
            negative = m.wire(f"{name}_negative", Interval(-1, 0), f"{x.name}[{x.bits - 1}]")
            return [half, _unless(m, name, shift, negative)]
        case "half_even":
            even = m.wire(f"{name}_even", Interval(-1, 0), f"~{_bit(m, name, x, shift)}")
            return [half, _unless(m, name, shift, even)]
    raise AssertionError(f"rounding {rounding!r} has no Verilog form")


def _powers(m: Module, name: str, shift: Signal) -> tuple[Signal, Signal]:
    """``2**shift / 2`` rounded down, and ``2**shift - 1``."""
    lo, hi = shift.reach
    if lo == hi:
        return constant((1 << lo) >> 1), constant((1 << lo) - 1)
    ones = m.wire(f"{name}_one", Interval(1 << lo, 1 << hi), f"{constant(1).name} <<< {shift.name}")
    half = m.wire(f"{name}_half", Interval((1 << lo) >> 1, (1 << hi) >> 1), f"{ones.name} >>> 1")
    return half, m.wire(f"{name}_below", Interval((1 << lo) - 1, (1 << hi) - 1), f"{ones.name} - {constant(1).name}")


def _unless(m: Module, name: str, shift: Signal, x: Signal) -> Signal:
    """`x`; 0 where nothing is shifted out, so nothing is rounded."""
    if shift.reach.lo > 0:
        return x
    return m.wire(f"{name}_some", x.reach, f"{shift.name} == {constant(0).name} ? {constant(0).name} : {x.name}")


def _bit(m: Module, name: str, x: Signal, shift: Signal) -> str:
    """Bit `shift` of `x`, its sign beyond the last."""
    if shift.reach.lo == shift.reach.hi:
        return f"{x.name}[{min(shift.reach.lo, x.bits - 1)}]"
    return f"{m.wire(f'{name}_floor', x.reach, f'{x.name} >>> {shift.name}').name}[0]"
