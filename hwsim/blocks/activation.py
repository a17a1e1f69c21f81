"""Functions of one value: a fitted table, or one over all codes of the input; and gates, products with one of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..contracts import Contract, Dyadic16, suited
from ..formats import Reals
from ..front_ops import UNARY
from ..graph import Graph, Value
from ..ops import Lut, Mul, Requant
from ..qtensor import QType
from .exact import exact
from .fitted import NO_TABLES, Tables, fitted

ACTIVATIONS: dict[str, Callable[..., Reals]] = {
    **{name: UNARY[name] for name in ("gelu", "silu", "sigmoid", "tanh", "relu", "relu6")},
    "gelu_tanh": partial(UNARY["gelu"], approximate="tanh"),
    "hswish": UNARY["hardswish"],
    "hsigmoid": UNARY["hardsigmoid"],
}
"""Reals to reals, by the name that tables have."""


def activation(
    g: Graph,
    x: Value,
    function: str,
    out: QType,
    *,
    contract: type[Contract] = Dyadic16,
    rounding: str = "half_up",
    tables: Tables = NO_TABLES,
    name: str,
) -> Value:
    """A function in `ACTIVATIONS` of `x`, in type `out`.

    Args:
        g: the graph.
        x: at most 16 bits, per tensor.
        function: its name.
        out: integer format, scale and zero point of the result.
        contract: of the requantization behind a fitted table; a whole one needs none.
        rounding: likewise.
        tables: fitted ones by function; without one for `function` every code gets its own entry, rounded half to even.
        name: of the result.
    """
    if function not in ACTIVATIONS:
        raise ValueError(f"activation {function!r} is unknown: use one of {', '.join(ACTIVATIONS)}")
    if table := tables.get(function):
        return fitted(g, x, table, out, contract=contract, rounding=rounding, name=name)
    return pointwise(g, x, ACTIVATIONS[function], out, name=name)


def pointwise(g: Graph, x: Value, fn: Callable[[Reals], Reals], out: QType, *, name: str) -> Value:
    """``fn(x)`` in type `out`; a 16-bit input takes a table of 65,536 entries."""
    return g.add(Lut.of(fn, x.type, out), x, name=name)


def gelu(g: Graph, x: Value, out: QType, *, approximate: str = "none", name: str = "gelu") -> Value:
    """``x * Phi(x)``, exactly or by tanh (of the reals: either is one table). Source: arXiv:1606.08415."""
    return activation(g, x, "gelu_tanh" if approximate == "tanh" else "gelu", out, name=name)


def silu(g: Graph, x: Value, out: QType, *, name: str = "silu") -> Value:
    """``x * sigmoid(x)``. Source: arXiv:1702.03118."""
    return activation(g, x, "silu", out, name=name)


def gated(
    g: Graph,
    x: Value,
    gate: Value,
    out: QType,
    *,
    function: str = "silu",
    inner: QType,
    contract: type[Contract] = Dyadic16,
    rounding: str = "half_up",
    tables: Tables = NO_TABLES,
    name: str = "gated",
) -> Value:
    """``x * function(gate)``: SwiGLU with ``silu``, GLU with ``sigmoid``, GEGLU with ``gelu``.

    Source: arXiv:2002.05202.

    Args:
        g: the graph.
        x: what passes the gate; integers, per tensor.
        gate: of the same shape.
        out: integer format, scale and zero point of the result.
        function: in `ACTIVATIONS`.
        inner: type of its result.
        contract: of requantizations.
        rounding: of requantizations.
        tables: fitted ones by function.
        name: of the result; the function's is called ``name.gate``.
    """
    opened = activation(
        g, gate, function, inner, contract=contract, rounding=rounding, tables=tables, name=f"{name}.gate"
    )
    product = exact(g, Mul(), x, opened, name=f"{name}.product")
    rule = suited(contract, float(product.type.lsb / out.lsb))
    return g.add(Requant.to(out, product.type, rule, rounding), product, name=name)
