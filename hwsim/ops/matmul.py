"""``y[.., n] = bias[n] + sum_k a[.., k] * (b[k, n] - zero_point_b)``, proven to fit its accumulator or as it says.

Operands may be computed both (attention): their leading sizes are equal then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType, Shape
from ..ranges import Dot, DotBound, Inputs, Interval, Operand, dot_bound, zero_points
from ..rounding import Ints
from .accumulation import accumulator_reach, accumulator_type, exact_float, seen, worst_sum
from .datapath import PLAIN, Datapath


@dataclass(frozen=True, kw_only=True)
class MatMul:
    """Matrix product, batched or with a weight matrix, plus an optional bias.

    a (..., k) with b (k, n), or a (..., m, k) with b (..., k, n) and equal leading sizes; bias (n,) in the
    accumulator's scale. `a` enters as its code: where `a` has a zero point, the bias must hold
    ``-zero_point_a * sum_k (b - zero_point_b)`` folded in (`hwsim.lowering` does it). Where `a` has a step a channel of
    k, powers of two apart, element k enters shifted by its step: ``a[.., k] * (scale[k] / min scale)``.

    Args:
        acc: format of accumulator and result.
        gain: what the result means: ``gain * a @ b``. A factor of its scale, no arithmetic (attention's 1 / sqrt(d)).
        datapath: what the accumulator does at its limits, and with the low bits of the products.
    """

    acc: IntFormat = INT32
    gain: float = 1.0
    datapath: Datapath = PLAIN
    name: ClassVar[str] = "matmul"

    def out_type(self, a: QType, b: QType, bias: QType | None = None) -> QType:
        """Shape (..., n) in the accumulator's format; scale is the product of the scales."""
        shape = self._shape(a, b)
        if not (np.isfinite(self.gain) and self.gain > 0):
            raise ValueError(f"matmul: gain {self.gain!r} must be finite and > 0")
        if self.gain != 1 and bias is not None:
            raise ValueError(f"matmul: gain {self.gain!r} with a bias; put it into the scale of the weights")
        channels = len(b.shape) - 1
        out = accumulator_type("matmul", shape, self.acc, self.datapath, a, b, bias, channels=channels, rows=True)
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

    def bound(self, a: Operand, b: Operand, bias: Operand | None = None, *, any_order: bool = False) -> DotBound:
        """What exact sums can reach, step by step, from the actual weights where `b` is constant."""
        path = self.datapath
        if b.constant is not None and len(b.type.shape) == 2:
            x, w = _inputs(a, int(b.type.shape[0])), b.constant.narrow()
            x = x.with_zero() if any_order else x
            if bias is None or bias.constant is not None:
                return dot_bound(w, x, _codes(bias), path.cut, path.tree)
            least, most = (dot_bound(w, x, end, path.cut, path.tree) for end in _ends(bias))
            return DotBound(least.lo, most.hi)
        start = _ends(bias)
        k, zero = int(b.type.shape[-2]), zero_points(b.type)
        gain = int(a.type.gains.max())
        product = Interval(*(end * gain for end in a.reach)).times(Interval(b.reach.lo - zero.hi, b.reach.hi - zero.lo))
        if k * product.magnitude + int(np.abs(start).max()) >= 1 << 62:
            raise ValueError(f"matmul: {k} products may reach {k * product.magnitude}, outside int64")
        product = path.cut_ends(product)
        lo, hi = k * min(product.lo, 0) + int(np.min(start)), k * max(product.hi, 0) + int(np.max(start))
        return DotBound(np.array([lo]), np.array([hi]))

    def dots(self, a: Operand, b: Operand, bias: Operand | None = None) -> list[Dot]:
        """The one kind of dot product; ValueError unless all but `a` is constant."""
        if b.constant is None or len(b.type.shape) > 2 or (bias is not None and bias.constant is None):
            raise ValueError("matmul: weights (k, n) and bias must be constants")
        at = (0,) * (len(a.type.sample_shape) - 1)
        return [Dot(at, b.constant.to_int(), _inputs(a, int(b.type.shape[0])), _codes(bias))]

    def reach(self, *ins: Operand) -> Interval:
        """Bound over all channels, partial sums and zero included; at most what the accumulator can hold."""
        return accumulator_reach("matmul", self.acc, self.datapath, self.bound, ins)

    def run(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """The definition."""
        return self.datapath.run(*self._integers(ins, codes), self.acc).astype(self.acc.dtype)

    def run_fast(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """Same bits: one matrix product where steps make no difference."""
        path = self.datapath
        if path.quick(worst_sum(1, *ins[:2]), self.acc) or (
            path != PLAIN and path.stepped(self.bound(*seen(ins, codes)).interval, self.acc)
        ):
            return path.run_fast(*self._integers(ins, codes, narrow=True), self.acc).astype(self.acc.dtype, copy=False)
        return path.limit(self._sum_fast(ins, *codes), self.acc).astype(self.acc.dtype)

    def _integers(
        self, ins: tuple[QType, ...], codes: tuple[Codes, ...], *, narrow: bool = False
    ) -> tuple[Ints, Ints, Ints]:
        """`a`, `b` less its zero point, and what the accumulator starts at; with `narrow` codes that are these stay."""
        (ta, tb), (a, b) = ins[:2], codes[:2]
        if not (narrow and isinstance(ta.fmt, IntFormat) and ta.axis is None):
            a = ta.fmt.to_int(a) * ta.gains
        if not (narrow and isinstance(tb.fmt, IntFormat) and not np.any(tb.zero_point)):
            b = tb.fmt.to_int(b) - tb.along_axis(tb.zero_point)
        return a, b, np.asarray(codes[2] if len(codes) > 2 else 0, np.int64)

    def _sum_fast(self, ins: tuple[QType, ...], *codes: Codes) -> Ints:
        """The plain sum through BLAS: every partial sum is an integer that the float type holds exactly."""
        ta, tb = ins[:2]
        dtype = exact_float(worst_sum(int(tb.shape[-2]), ta, tb))
        if dtype is None:
            return PLAIN.run(*self._integers(ins, codes), self.acc)
        a, b = (c if isinstance(t.fmt, IntFormat) else t.fmt.to_int(c) for t, c in zip(ins[:2], codes[:2], strict=True))
        b = b.astype(dtype) - tb.along_axis(tb.zero_point).astype(dtype)
        left = a.astype(dtype)
        if ta.axis is not None:
            left *= ta.gains.astype(dtype)
        y = np.asarray(left @ b).astype(np.int64)
        return y + codes[2] if len(codes) > 2 else y


def _inputs(a: Operand, k: int) -> Inputs:
    """What each element of `a` can reach, shifted by its step."""
    lo, hi = Inputs.of(a.reach, k)
    return Inputs(lo * a.type.gains, hi * a.type.gains)


def _ends(bias: Operand | None) -> Ints:
    """Smallest and largest start."""
    return np.array(bias.reach if bias else (0, 0), np.int64)


def _codes(bias: Operand | None) -> Ints:
    """A constant start; 0 where there is none."""
    return np.asarray(bias.constant.codes if bias and bias.constant else 0, np.int64)
