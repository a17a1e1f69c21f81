"""``1 / sqrt(x) = r * 2**-h`` on the whole unsigned range: leading-one normalisation and two tables.

One table is for even exponents, one for odd ones. With 9 bits of mantissa each has 256 entries, the best constants of
their intervals: relative error <= 2**-10. One fitted table on [1, 4) does the same, the mantissa of odd exponents being
doubled before it.
"""

from __future__ import annotations

import numpy as np

from ..formats import UINT1, UINT8, UINT16, Reals
from ..graph import Graph, Value
from ..ops import Lut, Mul, Normalize, Select, Shift
from ..qtensor import QType
from ..tables import Table
from .exact import exact, number
from .fitted import fraction_of, mantissa_bits


def best_rsqrt(m: Reals, step: float) -> Reals:
    """The constant for ``1 / sqrt(x)`` on [m, m + step) with the least largest relative error."""
    return np.asarray(2 / (np.sqrt(m) + np.sqrt(m + step)))


def rsqrt(g: Graph, x: Value, *, bits: int = 9, table: Table | None = None, name: str) -> tuple[Value, Value]:
    """Two values: r (UINT16, 16 fractional bits of one over the root of `x`'s step) and h, for `hwsim.ops.ShiftBy`.

    Args:
        g: the graph.
        x: what is below its step counts as its step.
        bits: of the mantissa with its leading one: two tables of ``2**(bits - 1)`` entries.
        table: fitted to ``1 / sqrt(m)`` on [1, 4) in their place; then it says how wide the mantissa is.
        name: of the results' names.
    """
    bits = mantissa_bits(table) if table else bits
    mantissa, exponent = g.add_all(Normalize(bits=bits), x, names=(f"{name}.mantissa", f"{name}.exponent"))
    step, unit = float(mantissa.type.lsb), 1 / float(np.sqrt(x.type.lsb))
    exponents = g.reach[exponent.name]
    is_odd = g.add(Lut.of(lambda e: e % 2, exponent.type, QType((), UINT1), exponents), exponent, name=f"{name}.is_odd")
    half = Lut.of(lambda e: np.floor(e / 2), exponent.type, QType((), UINT8), exponents)
    h = g.add(half, exponent, name=f"{name}.half")
    if table:
        doubled = exact(g, Mul(), mantissa, number(g, 2, f"{name}.two"), name=f"{name}.twice")
        doubled = g.add(Shift(bits=0, fmt=UINT16), doubled, name=f"{name}.doubled")
        m = g.add(Select(), is_odd, doubled, mantissa, name=f"{name}.argument")
        return fraction_of(g, m, table, best_rsqrt, unit, name), h
    out = QType((), UINT16, 2.0**-16 * unit)
    even = Lut.of(lambda m: best_rsqrt(m, step), mantissa.type, out, g.reach[mantissa.name])
    odd = Lut.of(lambda m: best_rsqrt(m, step) / np.sqrt(2), mantissa.type, out, g.reach[mantissa.name])
    even_r, odd_r = (g.add(t, mantissa, name=f"{name}.{which}") for which, t in (("even", even), ("odd", odd)))
    return g.add(Select(), is_odd, odd_r, even_r, name=name), h
