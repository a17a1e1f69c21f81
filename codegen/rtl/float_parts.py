"""Pieces of float arithmetic in wires: sticky shift, leading-one shift, rounding into a format.

Codes and significands are bits here, no numbers: `Module.field`. Exponents are numbers.
"""

from __future__ import annotations

from typing import NamedTuple

from hwsim.ranges import Interval

from .float_format import ArithmeticFloat
from .module import Module, Signal, constant


class Bits(NamedTuple):
    """A named vector, the top bit at ``width - 1``."""

    name: str
    width: int

    def top(self, count: int) -> str:
        """The highest bits."""
        return f"{self.name}[{self.width - 1}:{self.width - count}]"

    def low(self, count: int) -> str:
        """The lowest bits."""
        return f"{self.name}[{count - 1}:0]"

    @property
    def msb(self) -> str:
        """The highest bit."""
        return f"{self.name}[{self.width - 1}]"


def zeros(count: int) -> str:
    """``count'h0``."""
    return f"{count}'h0"


def unsigned(m: Module, name: str, bits: str, width: int) -> Signal:
    """Bits as a number that is never negative."""
    return m.wire(name, Interval(0, (1 << width) - 1), f"$signed({{1'b0, {bits}}})")


def exponent_of(code: str, fmt: ArithmeticFloat) -> str:
    """The exponent's bits of a code."""
    return f"{code}[{fmt.bits - 2}:{fmt.man_bits}]"


def mantissa_of(code: str, fmt: ArithmeticFloat) -> str:
    """The mantissa's bits of a code."""
    return f"{code}[{fmt.man_bits - 1}:0]"


def sign_of(code: str, fmt: ArithmeticFloat) -> str:
    """The sign's bit of a code."""
    return f"{code}[{fmt.bits - 1}]"


def flushed(m: Module, name: str, code: str, fmt: ArithmeticFloat) -> str:
    """A code whose subnormals are zero, where the format flushes them."""
    if not fmt.flushes:
        return code
    normal = f"{{{fmt.man_bits}{{|{exponent_of(code, fmt)}}}}}"
    text = f"{{{code}[{fmt.bits - 1}:{fmt.man_bits}], {mantissa_of(code, fmt)} & {normal}}}"
    return m.field(name, fmt.bits, text)


def exponent(m: Module, name: str, code: str, fmt: ArithmeticFloat) -> Signal:
    """The exponent that counts: a kept subnormal has that of the smallest normal number."""
    bits, hi = exponent_of(code, fmt), fmt.man_bits
    if fmt.flushes:
        return unsigned(m, name, bits, fmt.exp_bits)
    lowest = f"{code}[{hi}] | ~|{bits}"
    text = f"{code}[{fmt.bits - 2}:{hi + 1}], {lowest}" if fmt.exp_bits > 1 else "1'b1"
    most = (1 << fmt.exp_bits) - 1
    return m.wire(name, Interval(1, most), f"$signed({{1'b0, {text}}})")


def significand(m: Module, name: str, code: str, fmt: ArithmeticFloat) -> Bits:
    """Hidden bit and mantissa; of a flushed code."""
    text = f"{{|{exponent_of(code, fmt)}, {mantissa_of(code, fmt)}}}"
    return Bits(m.field(name, fmt.man_bits + 1, text), fmt.man_bits + 1)


def sticky_right(m: Module, name: str, x: Bits, shift: Signal) -> Bits:
    """``x >> shift``, whose lowest bit is set as well where a bit was lost; `shift` is never negative."""
    at, step = 0, 1
    while step <= shift.reach.hi:
        if step >= x.width:
            far = m.field(f"{name}_far", 1, f"|{shift.name}[{shift.bits - 1}:{at}]")
            gone = f"{{{zeros(x.width - 1)}, |{x.name}}}"
            return Bits(m.field(f"{name}_all", x.width, f"{far} ? {gone} : {x.name}"), x.width)
        lost = f"{x.name}[{step}] | (|{x.low(step)})"
        kept = f"{x.top(x.width - step - 1)}, {lost}" if x.width > step + 1 else lost
        text = f"{shift.name}[{at}] ? {{{zeros(step)}, {kept}}} : {x.name}"
        x = Bits(m.field(f"{name}_by_{step}", x.width, text), x.width)
        at, step = at + 1, step * 2
    return x


def leading(m: Module, name: str, x: Bits, most: int) -> tuple[Bits, Signal]:
    """`x` shifted left until its top bit is set, and by how much; at most `most` zeros lead it unless it is 0."""
    if not most:
        return x, constant(0)
    counts = []
    for step in (1 << k for k in range(most.bit_length() - 1, -1, -1)):
        counts.append(m.field(f"{name}_zero_{step}", 1, f"~|{x.top(step)}"))
        text = f"{counts[-1]} ? {{{x.low(x.width - step)}, {zeros(step)}}} : {x.name}"
        x = Bits(m.field(f"{name}_left_{step}", x.width, text), x.width)
    return x, unsigned(m, f"{name}_count", f"{', '.join(counts)}", len(counts))


def leading_within(m: Module, name: str, x: Bits, most: int, room: Signal) -> tuple[Bits, Signal]:
    """As `leading`, but never by more than `room`; and what is left of it."""
    for step in (1 << k for k in range(most.bit_length() - 1, -1, -1)):
        if step > room.reach.hi:
            continue
        enough = f" & ({room.name} >= {constant(step).name})" if room.reach.lo < step else ""
        move = m.field(f"{name}_zero_{step}", 1, f"(~|{x.top(step)}){enough}")
        text = f"{move} ? {{{x.low(x.width - step)}, {zeros(step)}}} : {x.name}"
        x = Bits(m.field(f"{name}_left_{step}", x.width, text), x.width)
        left = Interval(max(room.reach.lo - step, 0), room.reach.hi)
        text = f"{move} ? {room.name} - {constant(step).name} : {room.name}"
        room = m.wire(f"{name}_room_{step}", left, text)
    return x, room


class Special(NamedTuple):
    """Bits that say that a result is infinite, or not a number; the latter implies the former."""

    infinite: str
    nan: str


def packed(
    m: Module, name: str, fmt: ArithmeticFloat, sign: str, e: Signal, x: Bits, zero: str, special: Special | None = None
) -> str:
    """The code of ``(-1)**sign * x * 2**(e - bias)``, where the top bit of `x` weighs 1; rounded half to even.

    Args:
        m: module under construction.
        name: of the result.
        fmt: its format.
        sign: a bit.
        e: exponent with bias, 0 where the top bit of `x` is not set; of a result that is zero it is not looked at.
        x: the significand, lowest bit sticky.
        zero: a bit that makes the result zero, or "".
        special: what comes before all of this, or None.
    """
    number = _rounded(m, name, fmt, e, x)
    reach = Interval(number.reach.lo >> fmt.man_bits, number.reach.hi >> fmt.man_bits)
    high = m.wire(f"{name}_high", reach, f"$signed({number.name}[{number.bits - 1}:{fmt.man_bits}])")
    if fmt.flushes and reach.lo < 1:
        small = f"({high.name} < {constant(1).name})"
        zero = f"{zero} | {small}" if zero else small
    bits = m.field(f"{name}_magnitude", fmt.bits - 1, _magnitude(fmt, number, high, zero, special))
    if special:
        sign = f"{sign} & ~{special.nan}"
    return m.field(name, fmt.bits, f"{{{sign}, {bits}}}")


def _magnitude(fmt: ArithmeticFloat, x: Signal, high: Signal, zero: str, special: Special | None) -> str:
    """A code's bits without the sign: what is special first, then zero, then what is too large, then the number."""
    bits = fmt.bits - 1
    text = f"{x.name}[{bits - 1}:0]"
    if x.bits <= bits:
        text = f"{{{zeros(bits - x.bits + 1)}, {x.name}[{x.bits - 2}:0]}}"
    if x.reach.hi > fmt.largest:
        large = f"{x.name} > {constant(fmt.largest).name}"
        if fmt.infinite:  # Why: what is above the largest number differs from it in the exponent
            large = f"{high.name} >= {constant((1 << fmt.exp_bits) - 1).name}"
        text = f"({large}) ? {bits}'h{fmt.overflow:x} : {text}"
    if zero:
        text = f"({zero}) ? {zeros(bits)} : {text}"
    if special:
        nan = f"{special.nan}, {zeros(fmt.man_bits - 1)}" if fmt.man_bits > 1 else special.nan
        text = f"{special.infinite} ? {{{{{fmt.exp_bits}{{1'b1}}}}, {nan}}} : {text}"
    return text


def _rounded(m: Module, name: str, fmt: ArithmeticFloat, e: Signal, x: Bits) -> Signal:
    """Exponent and mantissa as one number, so that a carry of the rounding enters the exponent."""
    p = fmt.man_bits + 1
    mantissa = f"{x.name}[{x.width - 2}:{max(x.width - p, 0)}]"
    if x.width < p:
        mantissa = f"{mantissa}, {zeros(p - x.width)}" if x.width > 1 else zeros(p - 1)
    reach = Interval(e.reach.lo << fmt.man_bits, (e.reach.hi + 1 << fmt.man_bits) - (x.width <= p))
    whole = Interval(reach.lo, (e.reach.hi + 1 << fmt.man_bits) - 1)
    cut = m.wire(f"{name}_cut", whole, f"$signed({{{e.name}, {mantissa}}})")
    if x.width <= p:
        return cut
    guard, rest = f"{x.name}[{x.width - p - 1}]", x.low(x.width - p - 1) if x.width > p + 1 else ""
    odd = f"{x.name}[{x.width - p}]"
    up = m.field(f"{name}_up", 1, f"{guard} & ({odd} | (|{rest}))" if rest else f"{guard} & {odd}")
    return m.wire(f"{name}_number", reach, f"{cut.name} + {unsigned(m, f'{name}_one', up, 1).name}")
