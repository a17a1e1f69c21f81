"""A float adder in wires, one path: swap, align, add, shift the leading one to the top, round.

The definition is `ArithmeticFloat.sum`.
"""

from __future__ import annotations

from hwsim.ranges import Interval

from .float_format import ArithmeticFloat
from .float_parts import (
    Bits,
    Special,
    exponent,
    exponent_of,
    leading,
    leading_within,
    mantissa_of,
    packed,
    sign_of,
    significand,
    sticky_right,
    unsigned,
    zeros,
)
from .module import Module, Signal, constant

GUARDS = 3  # bits below the last that keep a rounded difference exact: guard, round, sticky


def added(m: Module, name: str, fmt: ArithmeticFloat, a: str, b: str, *, finite: bool = False) -> str:
    """Bits of the code of ``a + b``.

    Args:
        m: module under construction.
        name: of the result.
        fmt: of both and of the result.
        a: one code, whose subnormals are flushed where the format flushes them.
        b: the other.
        finite: infinity and NaN never arrive.
    """
    x, y = _swapped(m, name, fmt, a, b)
    less = m.field(f"{name}_less", 1, f"{sign_of(x, fmt)} ^ {sign_of(y, fmt)}")
    ex, ey = (exponent(m, f"{name}_{n}_exponent", code, fmt) for n, code in (("x", x), ("y", y)))
    total = _total(m, name, fmt, (x, y), (ex, ey), less)
    most = total.width - 1
    if fmt.flushes:
        shifted, count = leading(m, f"{name}_lead", total, most)
        reach = Interval(ex.reach.lo + 1 - count.reach.hi, ex.reach.hi + 1)
        e = m.wire(f"{name}_exponent", reach, f"{ex.name} + {constant(1).name} - {count.name}")
        nothing = m.field(f"{name}_nothing", 1, f"~{shifted.msb}")
    else:
        shifted, room = leading_within(m, f"{name}_lead", total, most, ex)
        text = f"{shifted.msb} ? {room.name} + {constant(1).name} : {constant(0).name}"
        e = m.wire(f"{name}_exponent", Interval(0, room.reach.hi + 1), text)
        nothing = m.field(f"{name}_nothing", 1, f"~|{shifted.name}")
    sign = m.field(f"{name}_sign", 1, f"{sign_of(x, fmt)} & ~({less} & {nothing})")
    special = None if finite or not fmt.infinite else _special(m, name, fmt, x, y, less)
    return packed(m, name, fmt, sign, e, shifted, nothing if fmt.flushes else "", special)


def _swapped(m: Module, name: str, fmt: ArithmeticFloat, a: str, b: str) -> tuple[str, str]:
    """The larger magnitude first."""
    size = fmt.bits - 1
    sizes = [unsigned(m, f"{name}_{n}_size", f"{code}[{size - 1}:0]", size).name for n, code in (("a", a), ("b", b))]
    swap = m.field(f"{name}_swap", 1, f"{sizes[1]} > {sizes[0]}")
    return m.field(f"{name}_x", fmt.bits, f"{swap} ? {b} : {a}"), m.field(f"{name}_y", fmt.bits, f"{swap} ? {a} : {b}")


def _total(
    m: Module, name: str, fmt: ArithmeticFloat, codes: tuple[str, str], exponents: tuple[Signal, Signal], less: str
) -> Bits:
    """Sum or difference of the significands, aligned; carry on top, `GUARDS` bits below."""
    far = exponents[0].reach.hi - exponents[0].reach.lo
    guards = min(GUARDS, far)
    x, y = (significand(m, f"{name}_{n}_ones", code, fmt) for n, code in zip("xy", codes, strict=True))
    if guards:
        distance = m.wire(f"{name}_distance", Interval(0, far), f"{exponents[0].name} - {exponents[1].name}")
        x, y = (
            Bits(m.field(f"{s.name}_wide", s.width + guards, f"{{{s.name}, {zeros(guards)}}}"), s.width + guards)
            for s in (x, y)
        )
        y = sticky_right(m, f"{name}_align", y, distance)
    # Why a bit below: it carries the 1 of the two's complement in, so that there is one adder for both.
    turned = m.field(f"{name}_turned", y.width + 1, f"{{{y.name} ^ {{{y.width}{{{less}}}}}, {less}}}")
    left = unsigned(m, f"{name}_left", f"{x.name}, {less}", x.width + 1)
    total = m.sum(f"{name}_total", left, unsigned(m, f"{name}_right", turned, y.width + 1))
    carry = f"{total.name}[{x.width + 1}] & ~{less}"
    return Bits(m.field(f"{name}_ones", x.width + 1, f"{{{carry}, {total.name}[{x.width}:1]}}"), x.width + 1)


def _special(m: Module, name: str, fmt: ArithmeticFloat, x: str, y: str, less: str) -> Special:
    """Infinity stays; infinity less infinity is NaN, which stays."""
    infinite = m.field(f"{name}_infinite", 1, f"&{exponent_of(x, fmt)}")
    text = f"{infinite} & ((|{mantissa_of(x, fmt)}) | ({less} & (&{exponent_of(y, fmt)})))"
    return Special(infinite, m.field(f"{name}_nan", 1, text))
