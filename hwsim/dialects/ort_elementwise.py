"""ONNX Runtime's QLinearAdd and QLinearMul, which a DequantizeLinear, Add or Mul, QuantizeLinear becomes as well.

Everything is float32, with a, b, s the operands' codes and scales, z zero points:

    QLinearAdd   r = s_a / s_y, q = s_b / s_y, c = z_y - fma(z_a, r, z_b * q);  y = half_even(fma(a, r, fma(b, q, c)))
    QLinearMul   y = half_even(float32((a - z_a) * (b - z_b)) * (s_a * s_b / s_y) + z_y), product rounded, sum rounded

These are the bits of a processor that fuses multiply and add (x86-64 with FMA3, arm64); on others ONNX Runtime rounds
products of QLinearAdd as well.
Measured against ONNX Runtime 1.32, all pairs of codes: tests/hwsim/dialects/test_ort_elementwise.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..contracts import OnnxFloat
from ..formats import INT8, INT32, UINT8, IntFormat
from ..ops import Mul, ScaledAdd
from ..ops.scaled_add import fused
from ..ops.shapes import per_tensor
from .linear import requant

if TYPE_CHECKING:
    from ..graph import Graph, Value
    from ..qtensor import QType

FORMATS = (INT8, UINT8)


def add(g: Graph, a: Value, b: Value, out: QType, *, lo: int | None = None, hi: int | None = None, name: str) -> Value:
    """``a + b``.

    Args:
        g: where to add it.
        a: operand, one scale.
        b: the other, broadcasting.
        out: type of the result (its shape is not looked at).
        lo: least code of a fused activation's clamp.
        hi: its greatest code.
        name: of the result.
    """
    fmt = checked("add", name, a.type, b.type, out)
    (scale_a, zero_a), (scale_b, zero_b), (scale, zero) = (per_tensor("add", t) for t in (a.type, b.type, out))
    ratios = [np.float32(s) / np.float32(scale) for s in (scale_a, scale_b)]
    both = fused(np.array(zero_a), float(ratios[0]), np.float32(zero_b) * ratios[1])
    op = ScaledAdd(
        scale_a=float(ratios[0]),
        scale_b=float(ratios[1]),
        offset=float(np.float32(zero) - both),
        fmt=fmt,
        scale=scale,
        zero_point=zero,
        lo=lo,
        hi=hi,
    )
    return g.add(op, a, b, name=name)


def mul(g: Graph, a: Value, b: Value, out: QType, *, lo: int | None = None, hi: int | None = None, name: str) -> Value:
    """``a * b``: the exact product of both less their zero points, requantized once; arguments as `add`."""
    checked("mul", name, a.type, b.type, out)
    (scale_a, _), (scale_b, _), (scale, zero) = (per_tensor("mul", t) for t in (a.type, b.type, out))
    product = g.add(Mul(fmt=INT32), a, b, name=f"{name}.product")
    factor = np.float32(scale_a) * np.float32(scale_b) / np.float32(scale)
    return g.add(requant(out, OnnxFloat(scale=(float(factor),), origin=zero), lo, hi), product, name=name)


def checked(op: str, name: str, *types: QType) -> IntFormat:
    """The one format of all types; ValueError where they differ or ONNX Runtime has no kernel for it."""
    fmt = types[-1].fmt
    if fmt not in FORMATS or any(t.fmt != fmt for t in types):
        names = ", ".join(t.fmt.name for t in types)
        raise ValueError(f"{op} {name!r}: {names}; ONNX Runtime takes one format, all INT8 or all UINT8")
    assert isinstance(fmt, IntFormat)
    return fmt
