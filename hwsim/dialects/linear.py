"""Convolution and matrix product of every dialect: accumulator with folded zero points, then one requantization."""

from __future__ import annotations

import numpy as np

from ..blocks.exact import exact, narrowest
from ..contracts import Contract
from ..formats import IntFormat
from ..graph import Graph, Value
from ..ops import Conv2d, MatMul, Requant
from ..qtensor import QTensor, QType
from ..rounding import Ints


def linear(
    g: Graph,
    op: Conv2d | MatMul,
    x: Value,
    weight: QTensor,
    bias: Ints | None,
    out: QType,
    contract: Contract,
    *,
    lo: int | None = None,
    hi: int | None = None,
    name: str,
) -> Value:
    """``out = contract(bias + sum (x - zero_point_x) * (weight - zero_point_w))``, saturated at `lo` and `hi`.

    Args:
        g: where to add it.
        op: the product, NHWC where it is a convolution; its accumulator is widened as its bound demands.
        x: input, one zero point.
        weight: (O, KH, KW, C / groups) for a convolution, (K, N) for a product.
        bias: integers in steps of ``x.scale * weight.scale``, shape (channels,); None is zeros.
        out: type of the result (its shape is not looked at).
        contract: arithmetic and constants of the requantization, one for all or one a channel.
        lo: least code of a fused activation's clamp.
        hi: its greatest code.
        name: of the result; constants and the accumulator take it as prefix.
    """
    axis = 0 if isinstance(op, Conv2d) else 1
    rows = np.moveaxis(weight.to_int(), axis, -1).reshape(-1, weight.codes.shape[axis])
    start = np.zeros(rows.shape[1], np.int64) if bias is None else bias.astype(np.int64)
    start = start - int(np.max(x.type.zero_point)) * rows.sum(0)
    scale = np.asarray(weight.type.scale) * float(np.max(x.type.scale))
    fmt = max((narrowest(int(c)) for c in (start.min(), start.max(), 1 << 30)), key=lambda f: f.bits)
    steps, channels = (tuple(scale.tolist()), 0) if scale.ndim else (float(scale), None)
    kind = QType(start.shape, fmt, steps, axis=channels)
    constants = (
        g.constant(f"{name}.weight", weight),
        g.constant(f"{name}.bias", QTensor(kind, start.astype(fmt.dtype))),
    )
    acc = exact(g, op, x, *constants, name=f"{name}.acc")
    return g.add(requant(out, contract, lo, hi), acc, name=name)


def requant(out: QType, contract: Contract, lo: int | None = None, hi: int | None = None) -> Requant:
    """To the format, scale and zero point of `out` by a contract whose constants are known."""
    assert isinstance(out.fmt, IntFormat)
    assert isinstance(out.scale, float)
    assert isinstance(out.zero_point, int)
    return Requant(contract=contract, fmt=out.fmt, scale=out.scale, zero_point=out.zero_point, lo=lo, hi=hi)
