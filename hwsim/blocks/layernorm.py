"""``y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias`` over the last axis, in integers.

    d = n * x - sum(x)         exact: the mean is removed without a division
    d >> p                     to 16 bits, p proven from what x can reach
    v = sum(d**2) + eps'       exact
    1 / sqrt(v) = r * 2**-h    normalisation, two tables of 256 entries or a fitted one
    u = d * r >> h             INT16, 15 fractional bits: |u| <= 1, as y = u * sqrt(n)
    y = u * weight' + bias'    exact, weight' = weight * sqrt(n) in INT16; one requantization

Source: arXiv:1607.06450.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contracts import Contract, Dyadic16, Pow2
from ..formats import INT16, IntFormat, Reals
from ..graph import Graph, Value
from ..observers import pow2_up
from ..ops import Add, Mul, Reduce, Requant, ShiftBy
from ..qtensor import QTensor, QType, Shape, quantize
from ..tables import Table
from .exact import check_whole, exact, narrowest, negated, number, shortened
from .fitted import NO_TABLES, Tables
from .rsqrt import rsqrt


@dataclass(frozen=True, kw_only=True)
class LayerNorm:
    """The widths; calling it adds the nodes.

    Args:
        width: bits of d and of u.
        mantissa: bits of the normalised variance, see `rsqrt`.
    """

    width: int = 16
    mantissa: int = 9

    def __post_init__(self) -> None:
        """Raise ValueError for widths that cannot be built."""
        check_whole("layernorm: width", self.width, 4, 16)
        check_whole("layernorm: mantissa", self.mantissa, 2, 16)

    def __call__(
        self,
        g: Graph,
        x: Value,
        out: QType,
        *,
        weight: Reals | None = None,
        bias: Reals | None = None,
        eps: float = 1e-5,
        contract: type[Contract] = Dyadic16,
        rounding: str = "half_up",
        tables: Tables = NO_TABLES,
        name: str = "layernorm",
    ) -> Value:
        """`x` normalised over its last axis, in type `out`.

        Args:
            g: the graph.
            x: integers, per tensor; INT16 keeps the outliers of a residual stream.
            out: integer format, scale and zero point of the result.
            weight: shape (n,); default ones.
            bias: shape (n,); default zeros.
            eps: added to the variance; must be > 0, else a constant row has no answer.
            contract: of the requantization.
            rounding: of the requantization and the shifts.
            tables: a fitted one of ``rsqrt``, in place of whole ones.
            name: of the result; inner values are called ``name.d``, ``name.v``, ``name.u`` ...
        """
        n = row_length("layernorm", x, eps)
        scaled = exact(g, Mul(), x, number(g, n, f"{name}.n"), name=f"{name}.scaled")
        total = exact(g, Reduce(kind="sum", axes=(len(x.type.shape) - 1,)), x, name=f"{name}.total")
        d = exact(g, Add(), scaled, negated(g, total, f"{name}.negative"), name=f"{name}.d")
        d = shortened(g, d, self.width, rounding, f"{name}.d.short")
        u = unit(g, d, n**3 * eps, self.width, self.mantissa, tables.get("rsqrt"), rounding, name)
        y = affine(g, u, weight, bias, name, power_of_two=contract is Pow2)
        return g.add(Requant.to(out, y.type, contract, rounding), y, name=name)


def row_length(what: str, x: Value, eps: float) -> int:
    """Elements of the last axis; ValueError where there is no such axis, or eps is not positive."""
    shape: Shape = x.type.shape
    if len(shape) < 2 or not isinstance(shape[-1], int):
        raise ValueError(f"{what}: {x.name!r} has shape {shape}; need (.., n)")
    if not (np.isfinite(eps) and eps > 0):
        raise ValueError(f"{what}: eps {eps!r} must be finite and > 0")
    return shape[-1]


def unit(
    g: Graph, d: Value, eps: float, width: int, mantissa: int, table: Table | None, rounding: str, name: str
) -> Value:
    """``d / sqrt(sum(d**2) + eps)`` over the last axis: at most 1, ``width - 1`` fractional bits."""
    squares = exact(g, Reduce(kind="sum_square", axes=(len(d.type.shape) - 1,)), d, name=f"{name}.squares")
    step = float(squares.type.lsb)
    offset = number(g, max(1, round(eps / step)), f"{name}.eps", step)
    v = exact(g, Add(), squares, offset, name=f"{name}.v")
    r, h = rsqrt(g, v, bits=mantissa, table=table, name=f"{name}.rsqrt")
    product = exact(g, Mul(), d, r, name=f"{name}.product")  # 16 fractional bits
    shift = ShiftBy(bits=17 - width, rounding=rounding, fmt=IntFormat(f"int{width}", width))
    return g.add(shift, product, h, name=f"{name}.u")


def affine(
    g: Graph, u: Value, weight: Reals | None, bias: Reals | None, name: str, *, power_of_two: bool = False
) -> Value:
    """``u * sqrt(n) * weight + bias``, exact, with the weight in INT16.

    Why the bias widens the weight's step too: within 2**29 steps it leaves the sum to 32 bits, which every contract
    takes, however small the weights are.
    """
    n = int(u.type.sample_shape[-1])
    for what, p in (("weight", weight), ("bias", bias)):
        if p is not None and p.shape != (n,):
            raise ValueError(f"{name!r}: {what} has shape {p.shape}, the last axis {n}")
    factor = np.sqrt(n) * (np.ones(1) if weight is None else np.asarray(weight, np.float64))
    scale = float(np.abs(factor).max()) / INT16.max_int
    if bias is not None:
        scale = max(scale, float(np.abs(bias).max()) / float(u.type.lsb) / 2**29)
    scale = scale or 1.0
    w = quantize(factor, INT16, scale=pow2_up(scale) if power_of_two else scale)
    y = exact(g, Mul(), u, g.constant(f"{name}.weight", w), name=f"{name}.gained")
    if bias is None:
        return y
    codes = np.rint(np.asarray(bias, np.float64) / y.type.lsb).astype(np.int64)
    fmt = narrowest(int(codes[np.abs(codes).argmax()]))
    start = QTensor(QType((n,), fmt, float(y.type.lsb)), codes.astype(fmt.dtype))
    return exact(g, Add(), y, g.constant(f"{name}.bias", start), name=f"{name}.biased")
