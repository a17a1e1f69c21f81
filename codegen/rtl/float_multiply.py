"""A float multiplier in wires: significands multiplied, exponents added, shifted, rounded.

The definition is `ArithmeticFloat.product`.
"""

from __future__ import annotations

from typing import NamedTuple

from hwsim.formats import IntFormat
from hwsim.ranges import Interval

from .arithmetic import number
from .float_format import AnyOperand, ArithmeticFloat, operand
from .float_parts import Bits, exponent, leading, packed, sign_of, significand, sticky_right, unsigned, zeros
from .module import Module, Signal, constant


class Factor(NamedTuple):
    """``(-1)**sign * ones * 2**(exponent + unit)``.

    `leading` is how many zeros may lead `ones` unless the factor is 0; `zero` is a bit that says that it is, or ""
    where `ones` are zero then.
    """

    sign: str
    ones: Signal
    exponent: Signal
    unit: int
    leading: int
    zero: str


def factor(m: Module, code: str, fmt: AnyOperand) -> Factor:
    """A code taken apart; a port or field of the format's bits."""
    f = operand(fmt)
    if isinstance(f, IntFormat):
        x = number(m, f"{code}_int", code, f)
        sign = m.field(f"{code}_sign", 1, f"{code}[{f.bits - 1}]" if f.signed else "1'b0")
        reach = Interval(0, x.reach.magnitude)
        ones = m.wire(f"{code}_ones", reach, f"{sign} ? -{x.name} : {x.name}") if f.signed else x
        return Factor(sign, ones, constant(0), 0, reach.hi.bit_length() - 1, "")
    e, p = exponent(m, f"{code}_exponent", code, f), f.man_bits + 1
    if f.flushes:  # Why the hidden bit is always 1 here: the zero is told apart, so what is multiplied does not matter
        ones = m.wire(
            f"{code}_ones", Interval(1 << f.man_bits, (1 << p) - 1), f"$signed({{2'b01, {code}[{f.man_bits - 1}:0]}})"
        )
        nothing = m.field(f"{code}_zero", 1, f"{e.name} == {constant(0).name}")
        return Factor(sign_of(code, f), ones, e, -f.bias - f.man_bits, 0, nothing)
    ones = unsigned(m, f"{code}_ones", significand(m, f"{code}_significand", code, f).name, p)
    return Factor(sign_of(code, f), ones, e, -f.bias - f.man_bits, f.man_bits, "")


def multiplied(m: Module, name: str, fmt: ArithmeticFloat, a: Factor, b: Factor) -> str:
    """Bits of the code of ``a * b``; both are finite."""
    product = m.product(f"{name}_product", a.ones, b.ones)
    width = product.reach.hi.bit_length()
    least = a.ones.reach.hi.bit_length() - a.leading + b.ones.reach.hi.bit_length() - b.leading - 1
    bits = Bits(m.field(f"{name}_bits", width, f"{product.name}[{width - 1}:0]"), width)
    bits, count = leading(m, f"{name}_lead", bits, width - least)
    offset = a.unit + b.unit + width - 1 + fmt.bias
    reach = Interval(
        a.exponent.reach.lo + b.exponent.reach.lo + offset - count.reach.hi,
        a.exponent.reach.hi + b.exponent.reach.hi + offset,
    )
    text = f"{a.exponent.name} + {b.exponent.name} + {constant(offset).name} - {count.name}"
    e = m.wire(f"{name}_exponent", reach, text)
    zero = " | ".join(z for z in (a.zero, b.zero) if z)
    if not (a.zero and b.zero):
        nothing = m.field(f"{name}_nothing", 1, f"~{bits.msb}")
        zero = f"{zero} | {nothing}" if zero else nothing
    if not fmt.flushes and e.reach.lo < 1:
        bits, e = _subnormal(m, name, fmt, e, bits)
    sign = m.field(f"{name}_sign", 1, f"{a.sign} ^ {b.sign}")
    return packed(m, name, fmt, sign, e, bits, zero)


def _subnormal(m: Module, name: str, fmt: ArithmeticFloat, e: Signal, x: Bits) -> tuple[Bits, Signal]:
    """What is below the smallest normal number shifted right until its exponent is that one's."""
    if (more := fmt.man_bits + 3 - x.width) > 0:
        x = Bits(m.field(f"{name}_padded", x.width + more, f"{{{x.name}, {zeros(more)}}}"), x.width + more)
    one, none = constant(1).name, constant(0).name
    by = m.wire(f"{name}_below", Interval(0, 1 - e.reach.lo), f"{e.name} < {one} ? {one} - {e.name} : {none}")
    shifted = sticky_right(m, f"{name}_down", x, by)
    reach = Interval(max(e.reach.lo, 0), max(e.reach.hi, 1))
    normal = m.field(f"{name}_normal", 1, f"{by.name} == {none}")
    return shifted, m.wire(f"{name}_limited", reach.union(Interval(0, 0)), f"{normal} ? {e.name} : {none}")
