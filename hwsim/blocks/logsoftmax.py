"""``y = z - log sum exp z`` over the last axis, ``z = x - max(x)``, in integers.

e = table of exp(z)               as in `softmax`
log sum(e) = log(m) + k log 2     exact sum, normalisation m * 2**k, table of log on [1, 2)
y                                 z and both parts on a grid of 2**-16, exact sum, one requantization
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ..contracts import Contract, Dyadic16, suited
from ..formats import INT32, Reals
from ..graph import Graph, Value
from ..ops import Add, Lut, Mul, Normalize, Reduce, Requant
from ..qtensor import QType
from ..tables import Table
from .exact import exact, negated, number
from .fitted import NO_TABLES, Tables, check_near, mantissa_bits, piecewise
from .softmax import Softmax, check_scores

GRID = 16  # fractional bits of what is added


@dataclass(frozen=True, kw_only=True)
class LogSoftmax:
    """The widths; calling it adds the nodes.

    Args:
        softmax: of the exponentials and of the normalised sum, see `hwsim.blocks.Softmax`.
    """

    softmax: Softmax = field(default_factory=Softmax)

    def __call__(
        self,
        g: Graph,
        x: Value,
        out: QType,
        *,
        contract: type[Contract] = Dyadic16,
        rounding: str = "half_up",
        tables: Tables = NO_TABLES,
        name: str = "log_softmax",
    ) -> Value:
        """Logarithms of probabilities over the last axis, in type `out`.

        Args:
            g: the graph.
            x: scores in any integer format, per tensor.
            out: integer format, scale and zero point of the result.
            contract: of requantizations.
            rounding: of requantizations.
            tables: fitted ones of ``exp`` and ``log``, in place of whole ones.
            name: of the result; inner values are called ``name.z``, ``name.exp``, ``name.sum`` ...
        """
        check_scores(x, None)
        z, e = self.softmax.exponentials(g, x, None, contract, rounding, tables.get("exp"), name)
        total = exact(g, Reduce(kind="sum", axes=(len(e.type.shape) - 1,)), e, name=f"{name}.sum")
        fine = QType((), INT32, 2.0**-GRID)
        rule = suited(contract, float(z.type.lsb / fine.lsb))
        z = g.add(Requant.to(fine, z.type, rule, rounding), z, name=f"{name}.z.fine")
        log = logarithm(g, total, self.softmax.mantissa, tables.get("log"), f"{name}.log")
        y = exact(g, Add(), z, negated(g, log, f"{name}.log.negative"), name=f"{name}.exact")
        return g.add(Requant.to(out, y.type, suited(contract, float(y.type.lsb / out.lsb)), rounding), y, name=name)


def middle_log(m: Reals, step: float) -> Reals:
    """The logarithm in the middle of [m, m + step)."""
    return np.log(m + step / 2)


def logarithm(g: Graph, x: Value, bits: int, table: Table | None, name: str) -> Value:
    """``log(x)`` on a grid of ``2**-GRID``, INT32; what is below `x`'s step counts as its step.

    Args:
        g: the graph.
        x: see `reciprocal`.
        bits: of the mantissa: a table of ``2**(bits - 1)`` entries, each of the middle of its interval.
        table: fitted to ``log(m)`` on [1, 2) in its place; then it says how wide the mantissa is.
        name: of the result.
    """
    bits, fine = mantissa_bits(table) if table else bits, QType((), INT32, 2.0**-GRID)
    mantissa, k = g.add_all(Normalize(bits=bits), x, names=(f"{name}.mantissa", f"{name}.exponent"))
    if table:
        op = table.at(bits - 1, fine)
        check_near(g, mantissa, table, op, bits - 1, partial(middle_log, step=2.0 ** (1 - bits)), relative=False)
        fraction = piecewise(g, mantissa, table, op, f"{name}.fraction")
    else:
        step, reach = 2.0 ** (1 - bits), g.reach[mantissa.name]
        middles = Lut.of(lambda m: middle_log(m, step), replace(mantissa.type, scale=step), fine, reach)
        fraction = g.add(middles, mantissa, name=f"{name}.fraction")
    octave = number(g, round(math.log(2) * 2**GRID), f"{name}.octave", 2.0**-GRID)
    whole = exact(g, Mul(), k, octave, name=f"{name}.whole")
    unit = number(g, round(math.log(float(x.type.lsb)) * 2**GRID), f"{name}.unit", 2.0**-GRID)
    start = exact(g, Add(), whole, unit, name=f"{name}.start")
    return exact(g, Add(), start, fraction, name=name)
