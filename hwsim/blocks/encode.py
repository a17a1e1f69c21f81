"""Integers to codes of a float format: one requantization onto a finer integer grid, then a table of its codes.

The grid has `GUARD` bits below the format's own step, fewer where INT16 would not hold them; the result is rounded once
there and once, half to even, in the table. Steps one a channel (powers of two apart, for `hwsim.ops.MatMul`) share it.
"""

from __future__ import annotations

from dataclasses import replace

from ..contracts import Contract, Dyadic16
from ..formats import INT8, INT16, FloatFormat
from ..graph import Graph, Value
from ..ops import Lut, Requant
from ..qtensor import QType
from ..ranges import Interval
from .exact import multipliable

GUARD = 3


def encode(
    g: Graph, x: Value, out: QType, *, contract: type[Contract] = Dyadic16, rounding: str = "half_up", name: str
) -> Value:
    """`x` in the float format of `out`, saturated.

    Args:
        g: the graph.
        x: integers or codes of a float format.
        out: float format and scale of the result, one or one a channel of the last axis; `x`'s shape.
        contract: of the requantization.
        rounding: likewise.
        name: of the result; the integers before it are called ``name.grid``.
    """
    assert isinstance(out.fmt, FloatFormat)
    guard = min(GUARD, INT16.max_int.bit_length() - out.fmt.max_int.bit_length())
    most = out.fmt.max_int << guard if guard >= 0 else out.fmt.max_int >> -guard
    fmt, step = INT8 if most <= INT8.max_int else INT16, 2.0 ** (out.fmt.lsb_exp - guard)
    scale = tuple(s * step for s in out.scale) if isinstance(out.scale, tuple) else out.scale * step
    grid = QType(x.type.shape, fmt, scale, axis=out.axis)
    x = multipliable(g, x, grid, name) if contract is Dyadic16 else x
    whole = g.add(Requant.to(grid, x.type, contract, rounding, -most, most), x, name=f"{name}.grid")
    table = Lut.of(lambda v: v, QType((), fmt, step), QType((), out.fmt), Interval(-most, most))
    return g.add(replace(table, scale=out.scale), whole, name=name)
