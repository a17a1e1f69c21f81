"""A function by its piecewise-linear table: comparators, one multiply-add, one shift. Source: arXiv:2403.19591."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from ..contracts import Contract, Dyadic16, suited
from ..formats import UINT16, IntFormat, Reals
from ..graph import Graph, Value
from ..ops import Pwl, Requant
from ..ops.shapes import per_tensor
from ..qtensor import QType
from ..ranges import Interval
from ..tables import Table, exponent_of, is_power_of_two

Tables = Mapping[str, Table]
"""By function: ``gelu``, ``exp``, ``reciprocal``, ``rsqrt`` ..."""
NO_TABLES: Tables = MappingProxyType({})
FAR = 1 / 8  # no table of four segments and more that was fitted where it is used comes near this


def fitted(
    g: Graph,
    x: Value,
    table: Table,
    out: QType,
    *,
    contract: type[Contract] = Dyadic16,
    rounding: str = "half_up",
    name: str,
) -> Value:
    """The function of `x` in type `out`, one rounding.

    Args:
        g: the graph.
        x: integers at a power-of-two step that the table has, zero_point 0.
        table: see `hwsim.tables.Table`.
        out: at a power-of-two step the table's own shift reaches it; else its exact result is requantized.
        contract: of that requantization.
        rounding: of either.
        name: of the result.
    """
    _, zero = per_tensor("table", x.type)
    if zero or not isinstance(x.type.fmt, IntFormat) or not is_power_of_two(x.type.scale):
        raise ValueError(
            f"table of {table.function}: {x.name!r} is {x.type.fmt.name} at scale {x.type.scale} zero_point {zero}; it "
            "must be integers at a power of two, zero_point 0"
        )
    n = -exponent_of(x.type)
    if is_power_of_two(out.scale):
        return piecewise(g, x, table, replace(table.at(n, out), rounding=rounding), name)
    y = piecewise(g, x, table, table.at(n), f"{name}.exact")
    rule = suited(contract, float(y.type.lsb / out.lsb))
    return g.add(Requant.to(out, y.type, rule, rounding), y, name=name)


def fraction_of(
    g: Graph, mantissa: Value, table: Table, best: Callable[[Reals, float], Reals], unit: float, name: str
) -> Value:
    """The function of a normalised mantissa (its leading one is 1.0): UINT16, 16 fractional bits of `unit`.

    `best` gives the best constant of each step of the mantissa; a table far from it was fitted elsewhere.
    """
    n = mantissa_bits(table) - 1
    op = table.at(n, QType((), UINT16, 2.0**-16))
    check_near(g, mantissa, table, op, n, lambda m: best(m, 2.0**-n), relative=True)
    return piecewise(g, mantissa, table, replace(op, scale=2.0**-16 * unit), name)


def check_near(
    g: Graph, x: Value, table: Table, op: Pwl, n: int, fn: Callable[[Reals], Reals], *, relative: bool
) -> None:
    """Raise ValueError where `op` is further than `FAR` from `fn` for a code at step ``2**-n`` that `x` can reach."""
    codes = np.arange(max(g.reach[x.name].lo, table.fmt.min_int), min(g.reach[x.name].hi, table.fmt.max_int) + 1)
    reals = np.ldexp(codes.astype(np.float64), -n)
    got = op.run((QType((), table.fmt),), codes.astype(table.fmt.dtype)) * op.scale
    wanted = fn(reals)
    error = np.abs(got - wanted) / (np.abs(wanted) if relative else 1.0)
    worst = int(error.argmax())
    if error[worst] > FAR:
        raise ValueError(
            f"table of {table.function}: it gives {got[worst]:.4g} at {reals[worst]:g}, where {wanted[worst]:.4g} is "
            f"right; here it must serve {reals[0]:g}..{reals[-1]:g}"
        )


def mantissa_bits(table: Table) -> int:
    """Bits, with the leading one, of the mantissa that a table takes: those of its finest scale."""
    return 1 + max(table.scales)


def piecewise(g: Graph, x: Value, table: Table, op: Pwl, name: str) -> Value:
    """`op`, if the table was made for all that `x` can reach."""
    reach, made_for = g.reach[x.name], Interval(table.fmt.min_int, table.fmt.max_int)
    if not reach.inside(made_for):
        raise ValueError(
            f"table of {table.function}: {x.name!r} may reach {reach.lo}..{reach.hi}, the table is for "
            f"{table.fmt.name}; fit it for {x.type.fmt.name}"
        )
    return g.add(op, x, name=name)
