"""``y[n, i, j, o] = bias[o] + sum_{kh, kw, c} x[n, i', j', c] * (w[o, kh, kw, c] - zero_point_w)``, NHWC and OHWI.

``i' = i * stride - top + kh * dilation``; outside the image `x` is its zero-point code, so that padding means real 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType
from ..ranges import DotBound, Interval, Operand, dot_bound
from ..rounding import Ints
from .accumulation import accumulator_type, exact_float, worst_sum
from .windows import Pair, Window


@dataclass(frozen=True, kw_only=True)
class Conv2d:
    """Convolution of (N, H, W, C) with constant weights (O, KH, KW, C / groups), plus an optional bias (O,).

    The input enters as its code: where it has a zero point, the bias must hold
    ``-zero_point_x * sum (w - zero_point_w)`` folded in (`hwsim.lowering` does it).

    Args:
        kernel: (KH, KW).
        stride, dilation: (vertical, horizontal).
        padding: ((top, bottom), (left, right)).
        groups: channel groups; ``groups == C`` is a depthwise convolution.
        acc: format of accumulator and result.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    groups: int = 1
    acc: IntFormat = INT32
    name: ClassVar[str] = "conv2d"

    @cached_property
    def window(self) -> Window:
        """The sliding window."""
        return Window(self.kernel, self.stride, self.padding, self.dilation)

    def out_type(self, x: QType, w: QType, bias: QType | None = None) -> QType:
        """Shape (N, OH, OW, O) in the accumulator's format; scale is the product of the scales."""
        self.window.check("conv2d", x)
        c, groups = int(x.shape[3]), self.groups
        if w.batched or len(w.shape) != 4 or w.shape[1:3] != self.kernel:
            raise ValueError(f"conv2d: weights {w.shape} must be (O, {self.kernel[0]}, {self.kernel[1]}, C / groups)")
        if groups < 1 or c % groups or int(w.shape[0]) % groups or w.shape[3] != c // groups:
            raise ValueError(f"conv2d: {groups} groups of {c} channels do not suit weights {w.shape}")
        shape = (*x.shape[:1], *self.window.out_size(x.sample_shape[:2]), w.shape[0])
        return accumulator_type("conv2d", shape, self.acc, x, w, bias, channels=0)

    def bound(self, x: Operand, w: Operand, bias: Operand | None = None) -> DotBound:
        """What the accumulator can reach, from the actual weights."""
        if w.constant is None or (bias is not None and bias.constant is None):
            raise ValueError("conv2d: weights and bias must be constants")
        start: Any = np.int64(0) if bias is None or bias.constant is None else bias.constant.codes.astype(np.int64)
        taken = x.reach.union(Interval(_zero(x.type), _zero(x.type)))  # padding brings the zero point in
        return dot_bound(w.constant.to_int().reshape(int(w.type.shape[0]), -1).T, taken, start)

    def reach(self, *ins: Operand) -> Interval:
        """Bound over all channels, partial sums and zero included."""
        return self.bound(*ins).interval.union(Interval(0, 0))

    def run(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """The definition."""
        x = self.window.padded(ins[0].fmt.to_int(codes[0]), _zero(ins[0]))
        y = self._grouped(self.window.patches(x), weights(ins[1], codes[1]), np.dtype(np.int64))
        return np.asarray(y + (codes[2] if len(codes) > 2 else 0)).astype(self.acc.dtype)

    def run_fast(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """Same bits: BLAS on patches, every partial sum an integer that the float type holds; depthwise tap by tap."""
        dtype = exact_float(worst_sum(prod(ins[1].sample_shape[1:]), *ins[:2]))
        if dtype is None:
            return self.run(ins, *codes)
        x = self.window.padded(ins[0].fmt.to_int(codes[0]).astype(dtype), _zero(ins[0]))
        w, patches = weights(ins[1], codes[1]).astype(dtype), self.window.patches(x)
        depthwise = w.shape[3] == 1 and w.shape[0] == self.groups
        y = _depthwise(patches, w) if depthwise else self._grouped(patches, w, dtype)
        return np.asarray(y.astype(np.int64) + (codes[2] if len(codes) > 2 else 0)).astype(self.acc.dtype)

    def _grouped(self, patches: Codes, w: Codes, dtype: np.dtype[Any]) -> Codes:
        """Patches (n, oh, ow, kh, kw, c) times weights (o, kh, kw, c / groups), group by group."""
        n, oh, ow = patches.shape[:3]
        cin, cout, parts = w.shape[3], w.shape[0] // self.groups, []
        for g in range(self.groups):
            rows = patches[..., g * cin : (g + 1) * cin].reshape(n * oh * ow, -1)
            parts.append(rows @ w[g * cout : (g + 1) * cout].reshape(cout, -1).T)
        return np.concatenate(parts, axis=1, dtype=dtype).reshape(n, oh, ow, -1)


def weights(t: QType, codes: Codes) -> Ints:
    """Integers of weights less their zero points."""
    return np.asarray(t.fmt.to_int(codes) - t.along_axis(t.zero_point), np.int64)


def _depthwise(patches: Codes, w: Codes) -> Codes:
    y = np.zeros((*patches.shape[:3], w.shape[0]), patches.dtype)
    for i in range(w.shape[1]):
        for j in range(w.shape[2]):
            y += patches[:, :, :, i, j] * w[:, i, j, 0]
    return y


def _zero(x: QType) -> int:
    """The code that means 0, on the grid."""
    assert isinstance(x.zero_point, int)
    return x.zero_point
