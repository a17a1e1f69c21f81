"""``1 / sqrt(x) = r * 2**-h`` on the whole unsigned range: leading-one normalisation and two tables.

One table is for even exponents, one for odd ones. With 9 bits of mantissa each has 256 entries, the best constants of
their intervals: relative error <= 2**-10.
"""

from __future__ import annotations

import numpy as np

from ..formats import UINT1, UINT8, UINT16, Reals
from ..graph import Graph, Value
from ..ops import Lut, Normalize, Select
from ..qtensor import QType


def rsqrt(g: Graph, x: Value, *, bits: int = 9, name: str) -> tuple[Value, Value]:
    """Two values: r (UINT16, 16 fractional bits of one over the root of `x`'s step) and h, for `hwsim.ops.ShiftBy`.

    Args:
        g: the graph.
        x: what is below its step counts as its step.
        bits: of the mantissa with its leading one: two tables of ``2**(bits - 1)`` entries.
        name: of the results' names.
    """
    mantissa, exponent = g.add_all(Normalize(bits=bits), x, names=(f"{name}.mantissa", f"{name}.exponent"))
    step, out = float(mantissa.type.lsb), QType((), UINT16, 2.0**-16 / float(np.sqrt(x.type.lsb)))
    mantissas, exponents = g.reach[mantissa.name], g.reach[exponent.name]

    def best(m: Reals) -> Reals:
        """Least largest relative error on [m, m + step)."""
        return np.asarray(2 / (np.sqrt(m) + np.sqrt(m + step)))

    def odd(m: Reals) -> Reals:
        """The same for twice the mantissa."""
        return best(m) / np.sqrt(2)

    even_r, odd_r = (
        g.add(Lut.of(fn, mantissa.type, out, mantissas), mantissa, name=f"{name}.{which}")
        for which, fn in (("even", best), ("odd", odd))
    )
    is_odd = g.add(Lut.of(lambda e: e % 2, exponent.type, QType((), UINT1), exponents), exponent, name=f"{name}.is_odd")
    half = Lut.of(lambda e: np.floor(e / 2), exponent.type, QType((), UINT8), exponents)
    return g.add(Select(), is_odd, odd_r, even_r, name=name), g.add(half, exponent, name=f"{name}.half")
