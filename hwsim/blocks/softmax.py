"""``p = exp(x - max(x)) / sum exp(x - max(x))`` over the last axis, in integers.

    z = x - max(x)            exact
    z -> INT8 at 2**-4        one requantization, saturating at -8
    e = table of exp          UINT16, 15 fractional bits, e(0) = 1 exactly; 0 where the mask says so
    1 / sum(e) = r * 2**-k    exact sum, normalisation, table
    p = e * r >> k            UINT8 at 2**-8, UINT16 at 2**-16, or requantized to any unsigned type

No row sums to 0: the largest of n probabilities is at least 1 / n, the type rule refuses steps above that, and p is
rounded to the nearest. Only a row whose mask is computed and keeps no key is all 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contracts import Contract, Dyadic16, suited
from ..formats import UINT16, IntFormat, format_named
from ..graph import Graph, Value
from ..ops import Add, Lut, Mul, Pwl, Reduce, Requant, Select, ShiftBy
from ..ops.shapes import broadcast, per_tensor
from ..qtensor import QTensor, QType, Shape
from ..tables import Table, exponent_of
from .exact import check_whole, exact, negated, shortened
from .fitted import NO_TABLES, Tables, check_near, fitted
from .reciprocal import reciprocal

MARGIN = 1 + 2.0**-40  # scales are float64: 1 / (1 / n) may miss n by its last bit


@dataclass(frozen=True, kw_only=True)
class Softmax:
    """The widths; calling it adds the nodes.

    Args:
        z: format of the exponent's argument.
        z_step: its step; what is below ``z_step * min_int`` counts as that.
        fraction: fractional bits of e.
        mantissa: bits of the normalised sum, see `reciprocal`.
    """

    z: str = "int8"
    z_step: float = 2.0**-4
    fraction: int = 15
    mantissa: int = 9

    def __post_init__(self) -> None:
        """Raise ValueError for widths that cannot be built."""
        fmt = format_named(self.z)
        if not isinstance(fmt, IntFormat) or not fmt.signed or fmt.bits > 16:
            raise ValueError(f"softmax: z {self.z!r} must be a signed integer format of at most 16 bits")
        if isinstance(self.z_step, bool) or not isinstance(self.z_step, float | int) or not 0 < self.z_step <= 1:
            raise ValueError(f"softmax: z_step {self.z_step!r} must be in (0, 1]")
        check_whole("softmax: fraction", self.fraction, 1, 15)  # e is UINT16 and e(0) = 2**fraction
        check_whole("softmax: mantissa", self.mantissa, 2, 16)

    def __call__(
        self,
        g: Graph,
        x: Value,
        out: QType,
        *,
        mask: Value | None = None,
        contract: type[Contract] = Dyadic16,
        rounding: str = "half_up",
        tables: Tables = NO_TABLES,
        name: str = "softmax",
    ) -> Value:
        """Probabilities of `x` over its last axis, in the format and scale of `out`.

        Args:
            g: the graph.
            x: scores in any integer format, per tensor.
            out: unsigned, zero_point 0, its step at most 1 / n for n keys.
            mask: unsigned codes that broadcast against `x`; keys of code 0 get probability 0. A constant mask must
                keep a key in every row; a row that a computed one empties is all 0.
            contract: of requantizations.
            rounding: of requantizations; probabilities round half up where it is ``floor`` or ``toward_zero``, either
                could empty a row.
            tables: fitted ones of ``exp`` and ``reciprocal``, in place of whole ones.
            name: of the result; inner values are called ``name.z``, ``name.exp``, ``name.sum`` ...
        """
        check_scores(x, mask)
        check_rows(x.type.shape, out)
        _, e = self.exponentials(g, x, mask, contract, rounding, tables.get("exp"), name)
        total = exact(g, Reduce(kind="sum", axes=(len(e.type.shape) - 1,)), e, name=f"{name}.sum")
        r, k = reciprocal(g, total, bits=self.mantissa, table=tables.get("reciprocal"), name=f"{name}.reciprocal")
        product = exact(g, Mul(), e, r, name=f"{name}.product")
        assert isinstance(out.fmt, IntFormat)  # `check_rows`
        direct = out.scale == 2.0**-out.fmt.bits and out.fmt.bits <= 16
        fmt = out.fmt if direct else UINT16
        nearest = rounding if rounding.startswith("half") else "half_up"
        shift = ShiftBy(bits=16 - fmt.bits, rounding=nearest, fmt=fmt)  # the product's step is 2**-16
        p = g.add(shift, product, k, name=name if direct else f"{name}.wide")
        return p if direct else g.add(Requant.to(out, p.type, contract, nearest), p, name=name)

    def exponentials(
        self,
        g: Graph,
        x: Value,
        mask: Value | None,
        contract: type[Contract],
        rounding: str,
        table: Table | None,
        name: str,
    ) -> tuple[Value, Value]:
        """``z = x - max(x)``, exact up to 32 bits, and ``exp(z)``, UINT16."""
        if mask is not None:
            x = kept(g, x, mask, name)
        assert isinstance(x.type.fmt, IntFormat)  # `check_scores`
        top = g.add(Reduce(kind="max", axes=(len(x.type.shape) - 1,), fmt=x.type.fmt), x, name=f"{name}.max")
        z = exact(g, Add(), x, negated(g, top, f"{name}.negative"), name=f"{name}.z")
        if g.reach[z.name].bits > 32:
            z = shortened(g, z, 32, rounding, f"{name}.z.short")
        exact_z, narrow = z, QType((), format_named(self.z), self.z_step)
        rule = suited(contract, float(z.type.lsb) / self.z_step)
        z = g.add(Requant.to(narrow, z.type, rule, rounding, hi=0), z, name=f"{name}.z.requant")
        one = QType((), UINT16, 2.0**-self.fraction)
        if table:
            e = fitted(g, z, table, one, name=f"{name}.exp")
            check_exp(g, e, table)
        else:
            e = g.add(Lut.of(np.exp, z.type, one, g.reach[z.name]), z, name=f"{name}.exp")
        if mask is None:
            return exact_z, e
        return exact_z, g.add(Select(), mask, e, zero(g, e.type, f"{name}.zero"), name=f"{name}.masked")


def check_exp(g: Graph, e: Value, table: Table) -> None:
    """Raise ValueError unless the table that makes `e` is near exp, and 1 at 0: a row's largest could be 0."""
    op, (z,) = g.nodes[-1].op, g.nodes[-1].ins
    assert isinstance(op, Pwl)  # `fitted` at a power of two
    got = int(op.run((z.type,), np.zeros(1, z.type.fmt.dtype))[0]) * float(e.type.lsb)
    if got != 1:
        raise ValueError(f"softmax: the table of exp gives {got} at 0; it must give 1 exactly")
    check_near(g, z, table, op, -exponent_of(z.type), np.exp, relative=False)


def kept(g: Graph, x: Value, mask: Value, name: str) -> Value:
    """Scores, with the least of the format where the mask is 0: a key left out is no row's largest."""
    constant = g.constants.get(mask.name)
    if constant is not None and not (constant.codes != 0).any(-1).all():
        row = tuple(int(i) for i in np.argwhere(~(constant.codes != 0).any(-1))[0])
        raise ValueError(f"softmax: the mask keeps no key in row {row}; every row must keep one")
    lowest = np.array([g.reach[x.name].lo], x.type.fmt.dtype)
    least = g.constant(f"{name}.least", QTensor(x.type.reshaped((1,)), lowest))
    return g.add(Select(), mask, x, least, name=f"{name}.kept")


def zero(g: Graph, t: QType, name: str) -> Value:
    """One 0 of a type."""
    return g.constant(name, QTensor(t.reshaped((1,)), np.zeros(1, t.fmt.dtype)))


def check_scores(x: Value, mask: Value | None) -> None:
    """Raise ValueError unless `x` is integers, per tensor, and `mask` broadcasts against it without widening it."""
    per_tensor("softmax", x.type)
    if not isinstance(x.type.fmt, IntFormat):
        raise ValueError(f"softmax: {x.name!r} is {x.type.fmt.name}; scores must be integers")
    if mask is not None and broadcast("softmax", mask.type.shape, x.type.shape) != x.type.shape:
        raise ValueError(f"softmax: a mask of shape {mask.type.shape} widens scores of shape {x.type.shape}")


def check_rows(shape: Shape, out: QType) -> None:
    """Raise ValueError unless `out` is unsigned and its step at most 1 / n for rows of n keys."""
    if not isinstance(out.fmt, IntFormat) or out.fmt.signed or np.any(out.zero_point) or isinstance(out.scale, tuple):
        raise ValueError(
            f"softmax: probabilities in {out.fmt.name} zero_point {out.zero_point}; they must be unsigned, "
            "per tensor, with zero_point 0"
        )
    if len(shape) < 2 or not isinstance(shape[-1], int):
        raise ValueError(f"softmax: scores of shape {shape}; need (.., keys)")
    keys = shape[-1]
    if keys * out.scale > MARGIN:
        raise ValueError(
            f"softmax: {out.fmt.name} at {out.scale!r} for {keys} keys: a row could become all 0; "
            f"use a step of at most 1/{keys} (UINT8 at 2**-8 up to 256 keys, UINT16 at 2**-16 up to 65536)"
        )
