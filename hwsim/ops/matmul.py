"""``y[.., n] = bias[n] + sum_k a[.., k] * (b[k, n] - zero_point_b)``, proven to fit its accumulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType, Shape
from ..ranges import DotBound, Interval, Operand, dot_bound, zero_points


@dataclass(frozen=True, kw_only=True)
class MatMul:
    """Matrix product, batched or with a weight matrix, plus an optional bias.

    a (..., k) with b (k, n), or a (..., m, k) with b (..., k, n) and equal leading sizes; bias (n,) in the
    accumulator's scale. `a` enters as its code: where `a` has a zero point, the bias must hold
    ``-zero_point_a * sum_k (b - zero_point_b)`` folded in (`hwsim.lowering` does it).

    Args:
        acc: format of accumulator and result.
    """

    acc: IntFormat = INT32
    name: ClassVar[str] = "matmul"

    def out_type(self, a: QType, b: QType, bias: QType | None = None) -> QType:
        """Shape (..., n) in the accumulator's format; scale is the product of the scales."""
        shape = self._shape(a, b)
        if isinstance(a.scale, tuple) or isinstance(a.zero_point, tuple):
            raise ValueError(
                f"matmul: per-channel first operand of shape {a.shape}; only the second may be per channel"
            )
        if b.axis is not None and b.axis != len(b.shape) - 1:
            raise ValueError(f"matmul: second operand is per channel along axis {b.axis}, must be its last")
        if a.zero_point and bias is None:
            raise ValueError(
                f"matmul: zero_point {a.zero_point} of the first operand needs a bias that it is folded into"
            )
        product = np.ldexp(a.scale * np.asarray(b.scale), a.fmt.lsb_exp + b.fmt.lsb_exp)
        scale = float(product) if product.ndim == 0 else tuple(product.tolist())
        out = QType(shape, self.acc, scale, axis=len(shape) - 1 if product.ndim else None)
        if bias is not None:
            self._check_bias(out, bias)
        return out

    def _shape(self, a: QType, b: QType) -> Shape:
        if len(a.shape) < 1 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"matmul: inner dimensions differ, {a.shape} @ {b.shape}")
        if len(b.shape) > 2 and (len(a.shape) != len(b.shape) or a.shape[:-2] != b.shape[:-2]):
            raise ValueError(f"matmul: leading dimensions differ, {a.shape} @ {b.shape}")
        if (len(b.shape) == 2 and b.batched) or (len(a.shape) == 1 and a.batched):
            raise ValueError(f"matmul: the batch cannot be contracted, {a.shape} @ {b.shape}")
        return (*a.shape[:-1], b.shape[-1])

    @staticmethod
    def _check_bias(out: QType, bias: QType) -> None:
        if bias.shape != out.shape[-1:] or not isinstance(bias.fmt, IntFormat) or np.any(bias.zero_point):
            raise ValueError(
                f"matmul: bias {bias.shape} {bias.fmt.name} must be {out.shape[-1:]} integers, zero_point 0"
            )
        if not np.allclose(bias.lsb, out.lsb, rtol=1e-12, atol=0):
            raise ValueError("matmul: the bias's scale is not the accumulator's (scale_a * scale_b)")

    def bound(self, a: Operand, b: Operand, bias: Operand | None = None) -> DotBound:
        """What the accumulator can reach, from the actual weights where `b` is constant."""
        start: Any = np.int64(0)
        if bias is not None:
            start = np.asarray(bias.constant.codes if bias.constant else bias.reach, np.int64)
        if b.constant is not None and len(b.type.shape) == 2:
            if bias is not None and bias.constant is None:
                bounds = [dot_bound(b.constant.to_int(), a.reach, s) for s in start]
                return DotBound(bounds[0].lo, bounds[1].hi)
            return dot_bound(b.constant.to_int(), a.reach, start)
        k, zero = int(b.type.shape[-2]), zero_points(b.type)
        product = a.reach.times(Interval(b.reach.lo - zero.hi, b.reach.hi - zero.lo))
        lo, hi = k * min(product.lo, 0) + int(np.min(start)), k * max(product.hi, 0) + int(np.max(start))
        return DotBound(np.array([lo]), np.array([hi]))

    def reach(self, *ins: Operand) -> Interval:
        """Bound over all channels, partial sums and zero included."""
        return self.bound(*ins).interval.union(Interval(0, 0))

    @staticmethod
    def worst(a: QType, b: QType) -> int:
        """``k * max|a| * max|b - zero_point_b|`` by the formats: a float type that holds it sums exactly."""
        zero = zero_points(b)
        wide_b = Interval(b.fmt.min_int - zero.hi, b.fmt.max_int - zero.lo).magnitude
        return int(b.shape[-2]) * Interval(a.fmt.min_int, a.fmt.max_int).magnitude * wide_b

    def run(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """The definition."""
        a, b = ins[0].fmt.to_int(codes[0]), ins[1].fmt.to_int(codes[1]) - ins[1].along_axis(ins[1].zero_point)
        bias = codes[2].astype(np.int64) if len(codes) > 2 else np.int64(0)
        return np.asarray(a @ b + bias).astype(self.acc.dtype)

    def run_fast(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """Same bits through BLAS: every partial sum is an integer that the float type holds exactly."""
        ta, tb = ins[:2]
        worst = self.worst(ta, tb)
        if worst >= 1 << 53:
            return self.run(ins, *codes)
        dtype = np.float32 if worst < 1 << 24 else np.float64
        a, b = (c if isinstance(t.fmt, IntFormat) else t.fmt.to_int(c) for t, c in zip(ins[:2], codes[:2], strict=True))
        b = b.astype(dtype) - tb.along_axis(tb.zero_point).astype(dtype)
        y = np.asarray(a.astype(dtype) @ b).astype(np.int64)
        return (y + codes[2] if len(codes) > 2 else y).astype(self.acc.dtype)
