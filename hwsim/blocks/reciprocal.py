"""``1 / x = r * 2**-e`` on the whole unsigned range: leading-one normalisation and one table.

With 9 bits of mantissa the table has 256 entries, each the best constant of its interval: relative error <= 2**-9.
A fitted table of a few segments does the same (Source: arXiv:2403.19591, multi-range input scaling; its ranges are
powers of two here).
"""

from __future__ import annotations

import numpy as np

from ..formats import UINT16, Reals
from ..graph import Graph, Value
from ..ops import Lut, Normalize
from ..qtensor import QType
from ..tables import Table
from .fitted import fraction_of, mantissa_bits


def best_reciprocal(m: Reals, step: float) -> Reals:
    """The constant for ``1 / x`` on [m, m + step) with the least largest relative error."""
    return np.asarray(2 / (2 * m + step))


def reciprocal(g: Graph, x: Value, *, bits: int = 9, table: Table | None = None, name: str) -> tuple[Value, Value]:
    """Two values: r (UINT16, 16 fractional bits of one over `x`'s step) and e, for `hwsim.ops.ShiftBy`.

    Args:
        g: the graph.
        x: what is below its step counts as its step.
        bits: of the mantissa with its leading one: a table of ``2**(bits - 1)`` entries.
        table: fitted to ``1 / m`` on [1, 2) in its place; then it says how wide the mantissa is.
        name: of the results' names.
    """
    bits = mantissa_bits(table) if table else bits
    mantissa, exponent = g.add_all(Normalize(bits=bits), x, names=(f"{name}.mantissa", f"{name}.exponent"))
    unit, step = 1 / float(x.type.lsb), float(mantissa.type.lsb)
    if table:
        return fraction_of(g, mantissa, table, best_reciprocal, unit, name), exponent
    out = QType((), UINT16, 2.0**-16 * unit)
    entries = Lut.of(lambda m: best_reciprocal(m, step), mantissa.type, out, g.reach[mantissa.name])
    return g.add(entries, mantissa, name=name), exponent
