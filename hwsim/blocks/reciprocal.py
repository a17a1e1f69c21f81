"""``1 / x = r * 2**-e`` on the whole unsigned range: leading-one normalisation and one table.

With 9 bits of mantissa the table has 256 entries, each the best constant of its interval: relative error <= 2**-9.
"""

from __future__ import annotations

import numpy as np

from ..formats import UINT16, Reals
from ..graph import Graph, Value
from ..ops import Lut, Normalize
from ..qtensor import QType


def reciprocal(g: Graph, x: Value, *, bits: int = 9, name: str) -> tuple[Value, Value]:
    """Two values: r (UINT16, 16 fractional bits of one over `x`'s step) and e, for `hwsim.ops.ShiftBy`.

    Args:
        g: the graph.
        x: what is below its step counts as its step.
        bits: of the mantissa with its leading one: a table of ``2**(bits - 1)`` entries.
        name: of the results' names.
    """
    mantissa, exponent = g.add_all(Normalize(bits=bits), x, names=(f"{name}.mantissa", f"{name}.exponent"))
    step = float(mantissa.type.lsb)

    def best(m: Reals) -> Reals:
        """Least largest relative error on [m, m + step)."""
        return np.asarray(2 / (2 * m + step))

    out = QType((), UINT16, 2.0**-16 / float(x.type.lsb))
    table = Lut.of(best, mantissa.type, out, g.reach[mantissa.name])
    return g.add(table, mantissa, name=name), exponent
