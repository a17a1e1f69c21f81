"""The Verilog units of each family, by its parameters. Tables are GELU's: what they hold does not change their area."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from hwsim.blockformats import block_format_named
from hwsim.contracts import Dyadic16
from hwsim.costs.families import operand_format
from hwsim.formats import FloatFormat, IntFormat
from hwsim.graph import Graph
from hwsim.ops import Add, Lut, Mul, Normalize, Pwl, Reduce, Requant
from hwsim.ops.datapath import Datapath
from hwsim.qtensor import BATCH, QType

from ..rtl import (
    BF16,
    FP16,
    FP32,
    BlockMacUnit,
    ElementwiseUnit,
    FloatAdderUnit,
    FloatMacUnit,
    FloatMultiplierUnit,
    FloatPwlUnit,
    LutUnit,
    MacUnit,
    ProcessingElement,
    PwlUnit,
    ReduceUnit,
    RequantUnit,
    Unit,
)

FLOATS = {f.name: f for f in (FP32, FP16, BF16)}
SPAN = 4.0  # where GELU bends: breakpoints lie in -SPAN..SPAN
WRAP = Datapath(overflow="wrap")  # a proven accumulator: its bits are those of addition


def integer(bits: int) -> IntFormat:
    """A signed integer format of any width."""
    return IntFormat(f"int{bits}", bits)


def mac(a: str, b: str, acc: int, lanes: int = 1) -> MacUnit:
    """An exact multiply-accumulate unit."""
    return MacUnit(a=operand_format(a), b=operand_format(b), acc=integer(acc), datapath=WRAP, lanes=lanes)


def processing_element(a: str, b: str, acc: int) -> ProcessingElement:
    """One element of an output-stationary array."""
    return ProcessingElement(mac=mac(a, b, acc))


def gelu(x: float) -> float:
    """``x * Phi(x)``."""
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def chords(entries: int) -> tuple[list[float], list[float], list[float]]:
    """GELU's breakpoints, slopes and intercepts: chords between -SPAN and SPAN, 0 and x outside."""
    points = np.linspace(-SPAN, SPAN, entries - 1).tolist()
    slopes, intercepts = [0.0], [0.0]
    for p, q in pairwise(points):
        k = (gelu(q) - gelu(p)) / (q - p)
        slopes.append(k)
        intercepts.append(gelu(p) - k * p)
    return points, [*slopes, 1.0], [*intercepts, 0.0]


def pwl(bits: int, entries: int) -> PwlUnit:
    """Table and input of `bits`, exact result of twice as many, in registers. x spans -8..8."""
    step, fraction = 2.0 ** (4 - bits), bits - 3
    points, slopes, intercepts = chords(entries)
    op = Pwl(
        breakpoints=tuple(round(p / step) for p in points),
        slopes=tuple(round(k * 2**fraction) for k in slopes),
        intercepts=tuple(round(b / step) << fraction for b in intercepts),
        shift=0,
        fmt=integer(2 * bits),
        scale=step * 2.0**-fraction,
    )
    widths = (bits, bits, bits)
    return PwlUnit(
        op=op, x=QType((BATCH,), integer(bits), step), stages=1, table="registers", widths=widths,
        intercept_shift=fraction,
    )  # fmt: skip


def lut(bits: int, out: int) -> LutUnit:
    """A table in registers, GELU of -8..8."""
    x = integer(bits)
    reals = [gelu(c * 2.0 ** (4 - bits)) for c in range(int(x.min_code), int(x.max_code) + 1)]
    op = Lut(table=tuple(round(y * 2.0 ** (out - 4)) for y in reals), fmt=integer(out), scale=2.0 ** (4 - out))
    return LutUnit(op=op, x=QType((BATCH,), x, 2.0 ** (4 - bits)), stages=1, table="registers")


def requant(bits: int, out: int) -> RequantUnit:
    """``dyadic16``, constants from ports: eight layers' ratios around ``2**(out - bits)``."""
    ratios = 2.0 ** (out - bits) * np.array([0.37, 0.61, 0.83, 1.07, 1.49, 2.3, 3.1, 4.7])
    op = Requant(contract=Dyadic16.of(ratios), fmt=integer(out), scale=(1.0,) * len(ratios))
    x = QType((BATCH, len(ratios)), integer(bits), tuple(ratios.tolist()), axis=1)
    return RequantUnit(op=op, x=x, stages=1, constants="ports")


def add(bits: int) -> ElementwiseUnit:
    """Sum of two numbers of `bits`, one bit more."""
    g = Graph("add")
    a, b = (g.input(name, QType((BATCH,), integer(bits), 1.0)) for name in "ab")
    g.output(g.add(Add(fmt=integer(bits + 1)), a, b))
    return ElementwiseUnit(graph=g, stages=1)


def multiply(a: int, b: int) -> ElementwiseUnit:
    """Exact product."""
    g = Graph("multiply")
    x, y = (g.input(name, QType((BATCH,), integer(bits), 1.0)) for name, bits in (("a", a), ("b", b)))
    g.output(g.add(Mul(fmt=integer(a + b)), x, y))
    return ElementwiseUnit(graph=g, stages=1)


def reduction(bits: int, acc: int) -> ReduceUnit:
    """Sum over time."""
    count = min(1 << (acc - bits), 64)
    return ReduceUnit(op=Reduce(kind="sum", axes=(1,), fmt=integer(acc)), x=QType((BATCH,), integer(bits)), count=count)


def normalizer(bits: int) -> ElementwiseUnit:
    """Leading one and shift, mantissa of 9 bits."""
    g = Graph("normalize")
    g.output(*g.add_all(Normalize(bits=9), g.input("x", QType((BATCH,), integer(bits), 1.0))))
    return ElementwiseUnit(graph=g, stages=1)


def block_mac(format: str, lanes: int) -> BlockMacUnit:
    """Both operands in blocks of a format, accumulator of 32 bits that saturates."""
    kind = block_format_named(format)
    return BlockMacUnit.of(kind, kind, lanes=lanes, lsb_exp=-8, max_exp=0)


def float_mac(format: str, acc: str) -> FloatMacUnit:
    """Floats, product rounded to the accumulator's format, then added."""
    return FloatMacUnit(a=FLOATS[format], b=FLOATS[format], acc=FLOATS[acc])


def float_pwl(format: str, entries: int) -> FloatPwlUnit:
    """GELU in floats, table in registers."""
    points, slopes, intercepts = map(tuple, chords(entries))
    return FloatPwlUnit(
        fmt=FLOATS[format], breakpoints=points, slopes=slopes, intercepts=intercepts, stages=1, table="registers"
    )


def operator(kind: str, format: str) -> Unit:
    """LLM-FP4's operators; adder and multiplier between registers, ``mac`` rounds into an FP16 accumulator.

    The adder and the multiplier of floats give the first format. Why registers: an INT4 adder is half its multiplier in
    the paper (93 of 182 um2), as it is here with registers around both, and a quarter without them.
    Source: arXiv:2310.16836, table 6.
    """
    a, b = map(operand_format, (format.split(" x ") * 2)[:2])
    if kind == "mac":
        return FloatMacUnit(a=a, b=b, acc=FP16)
    if isinstance(a, FloatFormat):
        return FloatAdderUnit(fmt=a, stages=2) if kind == "add" else FloatMultiplierUnit(a=a, b=b, fmt=a, stages=2)
    return ElementwiseUnit(graph=(add(a.bits) if kind == "add" else multiply(a.bits, b.bits)).graph, stages=2)
