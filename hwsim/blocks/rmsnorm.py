"""``y = x / sqrt(mean(x**2) + eps) * weight`` over the last axis: `layernorm` without the mean.

Source: arXiv:1910.07467.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contracts import Contract, Dyadic16, Pow2
from ..formats import Reals
from ..graph import Graph, Value
from ..ops import Add, Requant
from ..ops.shapes import per_tensor
from ..qtensor import QTensor, QType
from .exact import exact, narrowest, shortened
from .fitted import NO_TABLES, Tables
from .layernorm import LayerNorm, affine, row_length, unit


@dataclass(frozen=True, kw_only=True)
class RMSNorm:
    """The widths, as of `LayerNorm`; calling it adds the nodes."""

    width: int = 16
    mantissa: int = 9

    def __post_init__(self) -> None:
        """Raise ValueError for widths that cannot be built."""
        LayerNorm(width=self.width, mantissa=self.mantissa)

    def __call__(
        self,
        g: Graph,
        x: Value,
        out: QType,
        *,
        weight: Reals | None = None,
        eps: float = 1e-6,
        contract: type[Contract] = Dyadic16,
        rounding: str = "half_up",
        tables: Tables = NO_TABLES,
        name: str = "rmsnorm",
    ) -> Value:
        """`x` normalised over its last axis, in type `out`; arguments as of `LayerNorm`."""
        n = row_length("rmsnorm", x, eps)
        d = shortened(g, centred(g, x, f"{name}.d"), self.width, rounding, f"{name}.d.short")
        u = unit(g, d, n * eps, self.width, self.mantissa, tables.get("rsqrt"), rounding, name)
        y = affine(g, u, weight, None, name, power_of_two=contract is Pow2)
        return g.add(Requant.to(out, y.type, contract, rounding), y, name=name)


def centred(g: Graph, x: Value, name: str) -> Value:
    """`x` with zero point 0: a constant that means 0 takes it out of the codes."""
    _, zero = per_tensor("rmsnorm", x.type)
    if not zero:
        return x
    fmt = narrowest(-zero)
    nothing = QTensor(QType((1,), fmt, float(x.type.lsb), -zero), np.array([-zero], fmt.dtype))
    return exact(g, Add(), x, g.constant(f"{name}.offset", nothing), name=name)
