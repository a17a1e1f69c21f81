"""A leading-one normaliser: shifts left by halves until the top bit is set. The definition: `hwsim.ops.Normalize`."""

from __future__ import annotations

from hwsim.ranges import Interval

from .module import Module, Signal, constant


def normalized(m: Module, x: Signal, bits: int) -> list[Signal]:
    """Mantissa of `bits` bits and exponent of ``max(x, 1)``.

    Args:
        m: module under construction.
        x: what is normalised.
        bits: of the mantissa, its leading one among them.
    """
    one, width = constant(1), max(x.reach.hi, 1).bit_length()
    y = x
    if x.reach.lo < 1:
        y = m.wire("positive", Interval(1, max(x.reach.hi, 1)), f"{x.name} < {one.name} ? {one.name} : {x.name}")
    top = Interval(1, (1 << width) - 1)
    terms = [constant(width - 1)]
    for step in (1 << k for k in range((width - 1).bit_length() - 1, -1, -1)):
        low = f"{y.name} < {constant(1 << (width - step)).name}"
        terms.append(m.wire(f"by_{step}", Interval(-step, 0), f"{low} ? {constant(-step).name} : {constant(0).name}"))
        y = m.wire(f"left_{step}", top, f"{low} ? {y.name} <<< {step} : {y.name}")
    ones = Interval(1 << (bits - 1), (1 << bits) - 1)
    drop = width - bits
    moved = f"{y.name} >>> {drop}" if drop > 0 else f"{y.name} <<< {-drop}"
    whole = m.wire("shifted", ones if drop <= 0 else top, moved)
    mantissa = m.wire("mantissa", ones, f"$signed({whole.name}[{ones.bits - 1}:0])")
    return [mantissa, m.wire("exponent", Interval(0, width - 1), " + ".join(t.name for t in terms))]
