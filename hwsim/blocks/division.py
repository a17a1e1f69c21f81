"""``y = a / max(b, least)``, in integers: a reciprocal, a product, a shift, one requantization.

1 / b = r * 2**-e     up to 256 codes of b: a table of each, exact to 2**-16; more: `reciprocal`, to 2**-9 or fitted
p = a * r             exact
p >> e                to INT32
"""

from __future__ import annotations

import numpy as np

from ..contracts import Contract, Dyadic16, Pow2, suited
from ..formats import INT32, UINT8, UINT16, Reals
from ..graph import Graph, Value
from ..observers import pow2_up
from ..ops import Lut, Mul, Requant, ShiftBy
from ..ops.shapes import per_tensor
from ..qtensor import QType
from .exact import exact
from .fitted import NO_TABLES, Tables
from .reciprocal import reciprocal
from .rmsnorm import centred

FEW = 256


def divide(
    g: Graph,
    a: Value,
    b: Value,
    out: QType,
    *,
    least: float = 0.0,
    contract: type[Contract] = Dyadic16,
    rounding: str = "half_up",
    tables: Tables = NO_TABLES,
    name: str = "quotient",
) -> Value:
    """``a / max(b, least)`` in type `out`, element by element, broadcasting.

    Args:
        g: the graph.
        a: integers, per tensor.
        b: integers, per tensor, never negative; codes below its step count as its step.
        out: integer format, scale and zero point of the result.
        least: real; where it counts and `b` has no table, `b` is requantized to UINT16 first.
        contract: of the requantization.
        rounding: of the requantization and the shift.
        tables: a fitted one of ``reciprocal``, for more than 256 codes of `b`.
        name: of the result; inner values are called ``name.reciprocal``, ``name.product`` ...
    """
    per_tensor("div", b.type)
    lo, hi = g.reach[b.name]
    if hi - lo < FEW and b.type.fmt.bits <= 16:
        r, e = few(g, b, least, f"{name}.reciprocal")
    else:
        b = centred(g, b, f"{name}.divisor")
        if least > float(b.type.lsb):
            b = raised(g, b, least, contract, rounding, f"{name}.raised")
        r, e = reciprocal(g, b, table=tables.get("reciprocal"), name=f"{name}.reciprocal")
    product = exact(g, Mul(), a, r, name=f"{name}.product")
    spare = max(0, g.reach[product.name].magnitude.bit_length() - 31)
    q = g.add(ShiftBy(bits=spare, rounding=rounding, fmt=INT32), product, e, name=f"{name}.shifted")
    rule = suited(contract, float(q.type.lsb) / float(out.lsb))
    return g.add(Requant.to(out, q.type, rule, rounding), q, name=name)


def raised(g: Graph, b: Value, least: float, contract: type[Contract], rounding: str, name: str) -> Value:
    """``max(b, least)`` in UINT16."""
    top = max(g.reach[b.name].hi * float(b.type.lsb), least)
    scale = top / UINT16.max_int
    out = QType((), UINT16, pow2_up(scale) if contract is Pow2 else scale)
    return g.add(Requant.to(out, b.type, contract, rounding, lo=round(least / float(out.lsb))), b, name=name)


def few(g: Graph, b: Value, least: float, name: str) -> tuple[Value, Value]:
    """R and e as of `reciprocal`, from a table each: r in (1/2, 1] over the step of `b`."""
    step, codes = float(b.type.lsb), g.reach[b.name]

    def steps(v: Reals) -> Reals:
        return np.maximum(v / step, max(1.0, least / step))

    def exponent(v: Reals) -> Reals:
        return np.floor(np.log2(steps(v)))

    def mantissa(v: Reals) -> Reals:
        return np.asarray(np.exp2(exponent(v)) / steps(v) / step)

    r = g.add(Lut.of(mantissa, b.type, QType((), UINT16, 2.0**-16 / step), codes), b, name=name)
    return r, g.add(Lut.of(exponent, b.type, QType((), UINT8), codes), b, name=f"{name}.exponent")
