"""``y[.., n] = bias[n] + sum_k a[.., k] * (b[k, n] - zero_point_b)``, proven to fit its accumulator.

Operands may be computed both (attention): their leading sizes are equal then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType, Shape
from ..ranges import DotBound, Interval, Operand, dot_bound, zero_points
from .accumulation import accumulator_type, exact_float, worst_sum


@dataclass(frozen=True, kw_only=True)
class MatMul:
    """Matrix product, batched or with a weight matrix, plus an optional bias.

    a (..., k) with b (k, n), or a (..., m, k) with b (..., k, n) and equal leading sizes; bias (n,) in the
    accumulator's scale. `a` enters as its code: where `a` has a zero point, the bias must hold
    ``-zero_point_a * sum_k (b - zero_point_b)`` folded in (`hwsim.lowering` does it).

    Args:
        acc: format of accumulator and result.
        gain: what the result means: ``gain * a @ b``. A factor of its scale, no arithmetic (attention's 1 / sqrt(d)).
    """

    acc: IntFormat = INT32
    gain: float = 1.0
    name: ClassVar[str] = "matmul"

    def out_type(self, a: QType, b: QType, bias: QType | None = None) -> QType:
        """Shape (..., n) in the accumulator's format; scale is the product of the scales."""
        shape = self._shape(a, b)
        if not (np.isfinite(self.gain) and self.gain > 0):
            raise ValueError(f"matmul: gain {self.gain!r} must be finite and > 0")
        if self.gain != 1 and bias is not None:
            raise ValueError(f"matmul: gain {self.gain!r} with a bias; put it into the scale of the weights")
        out = accumulator_type("matmul", shape, self.acc, a, b, bias, channels=len(b.shape) - 1)
        scale = out.scale
        return replace(
            out, scale=tuple(s * self.gain for s in scale) if isinstance(scale, tuple) else scale * self.gain
        )

    def _shape(self, a: QType, b: QType) -> Shape:
        if len(a.shape) < 1 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"matmul: inner dimensions differ, {a.shape} @ {b.shape}")
        if len(b.shape) > 2 and (len(a.shape) != len(b.shape) or a.shape[:-2] != b.shape[:-2]):
            raise ValueError(f"matmul: leading dimensions differ, {a.shape} @ {b.shape}")
        if (len(b.shape) == 2 and b.batched) or (len(a.shape) == 1 and a.batched):
            raise ValueError(f"matmul: the batch cannot be contracted, {a.shape} @ {b.shape}")
        return (*a.shape[:-1], b.shape[-1])

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
        if k * product.magnitude + int(np.abs(start).max()) >= 1 << 62:
            raise ValueError(f"matmul: {k} products may reach {k * product.magnitude}, outside int64")
        lo, hi = k * min(product.lo, 0) + int(np.min(start)), k * max(product.hi, 0) + int(np.max(start))
        return DotBound(np.array([lo]), np.array([hi]))

    def reach(self, *ins: Operand) -> Interval:
        """Bound over all channels, partial sums and zero included."""
        return self.bound(*ins).interval.union(Interval(0, 0))

    def run(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """The definition."""
        a, b = ins[0].fmt.to_int(codes[0]), ins[1].fmt.to_int(codes[1]) - ins[1].along_axis(ins[1].zero_point)
        bias = codes[2].astype(np.int64) if len(codes) > 2 else np.int64(0)
        return np.asarray(a @ b + bias).astype(self.acc.dtype)

    def run_fast(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """Same bits through BLAS: every partial sum is an integer that the float type holds exactly."""
        ta, tb = ins[:2]
        dtype = exact_float(worst_sum(int(tb.shape[-2]), ta, tb))
        if dtype is None:
            return self.run(ins, *codes)
        a, b = (c if isinstance(t.fmt, IntFormat) else t.fmt.to_int(c) for t, c in zip(ins[:2], codes[:2], strict=True))
        b = b.astype(dtype) - tb.along_axis(tb.zero_point).astype(dtype)
        y = np.asarray(a.astype(dtype) @ b).astype(np.int64)
        return (y + codes[2] if len(codes) > 2 else y).astype(self.acc.dtype)
