"""``y[n, i, j, o] = bias[o] + sum_{kh, kw, c} x[n, i', j', c] * (w[o, kh, kw, c] - zero_point_w)``, NHWC and OHWI.

``i' = i * stride - top + kh * dilation``; outside the image `x` is its zero-point code, so that padding means real 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Dot, DotBound, Inputs, Interval, Operand, dot_bound, format_interval
from ..rounding import Ints
from .accumulation import accumulator_reach, accumulator_type, exact_float, seen, worst_sum
from .datapath import PLAIN, Datapath
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
        datapath: what the accumulator does at its limits, and with the low bits of the products.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    groups: int = 1
    acc: IntFormat = INT32
    datapath: Datapath = PLAIN
    name: ClassVar[str] = "conv2d"

    @cached_property
    def window(self) -> Window:
        """The sliding window."""
        return Window(self.kernel, self.stride, self.padding, self.dilation)

    @property
    def pointwise(self) -> bool:
        """Whether every window is one pixel: a matrix product of the pixels as they lie."""
        return (self.kernel, self.stride, self.padding, self.groups) == ((1, 1), (1, 1), ((0, 0), (0, 0)), 1)

    def out_type(self, x: QType, w: QType, bias: QType | None = None) -> QType:
        """Shape (N, OH, OW, O) in the accumulator's format; scale is the product of the scales."""
        self.window.check("conv2d", x)
        c, groups = int(x.shape[3]), self.groups
        if w.batched or len(w.shape) != 4 or w.shape[1:3] != self.kernel:
            raise ValueError(f"conv2d: weights {w.shape} must be (O, {self.kernel[0]}, {self.kernel[1]}, C / groups)")
        if groups < 1 or c % groups or int(w.shape[0]) % groups or w.shape[3] != c // groups:
            raise ValueError(f"conv2d: {groups} groups of {c} channels do not suit weights {w.shape}")
        shape = (*x.shape[:1], *self.window.out_size(x.sample_shape[:2]), w.shape[0])
        return accumulator_type("conv2d", shape, self.acc, self.datapath, x, w, bias, channels=0)

    def bound(self, x: Operand, w: Operand, bias: Operand | None = None, *, any_order: bool = False) -> DotBound:
        """What exact sums can reach, step by step, from the actual weights, wherever the window stands."""
        dots, path = self.dots(x, w, bias), self.datapath
        inputs = [dot.x.with_zero() if any_order else dot.x for dot in dots]
        bounds = [dot_bound(d.weights, i, d.start, path.cut, path.tree) for d, i in zip(dots, inputs, strict=True)]
        return DotBound(np.min([b.lo for b in bounds], 0), np.max([b.hi for b in bounds], 0))

    def dots(self, x: Operand, w: Operand, bias: Operand | None = None) -> list[Dot]:
        """The kinds of dot products: windows that see the border (the zero point) in other taps."""
        if w.constant is None or (bias is not None and bias.constant is None):
            raise ValueError("conv2d: weights and bias must be constants")
        start = np.asarray(bias.constant.codes if bias and bias.constant else 0, np.int64)
        terms, zero = w.constant.to_int().reshape(int(w.type.shape[0]), -1).T, _zero(x.type)
        most = x.reach.lo <= zero <= x.reach.hi  # the border is an input as any other: who sees more reaches more
        rows, columns = (self._sights(axis, int(x.type.sample_shape[axis]), most) for axis in (0, 1))
        dots = []
        for (i, vertical), (j, horizontal) in product(rows, columns):
            inside = np.repeat(np.outer(vertical, horizontal), int(w.type.shape[3]))
            ends = (np.where(inside, end, zero) for end in x.reach)
            dots.append(Dot((i, j), terms, Inputs(*ends), start))
        return dots

    def _sights(self, axis: int, size: int, most: bool) -> list[tuple[int, Ints]]:
        """Along one axis, where windows stand that have different taps inside, and which; with `most` the largest."""
        at = np.arange(self.window.out_size((size, size))[axis])[:, None] * self.stride[axis] - self.padding[axis][0]
        taps = at + np.arange(self.kernel[axis]) * self.dilation[axis]
        masks, first = np.unique((taps >= 0) & (taps < size), axis=0, return_index=True)
        kept = [i for i, m in enumerate(masks) if not (most and any((o > m).any() and (o >= m).all() for o in masks))]
        return [(int(first[i]), masks[i]) for i in kept]

    def reach(self, *ins: Operand) -> Interval:
        """Bound over all channels, partial sums and zero included; at most what the accumulator can hold."""
        return accumulator_reach("conv2d", self.acc, self.datapath, self.bound, ins)

    def run(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """The definition."""
        return self._grouped(self.datapath.run, ins, codes).astype(self.acc.dtype)

    def run_fast(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """Same bits: plain sums where steps make no difference."""
        path = self.datapath
        if path.quick(worst_sum(1, *ins[:2]), self.acc) or (
            path != PLAIN and path.stepped(self.bound(*seen(ins, codes)).interval, self.acc)
        ):
            most = max(format_interval(t.fmt).magnitude for t in ins[:2])  # Why not bits: FP8's grid takes 18
            narrow = np.int16 if most < 1 << 14 else np.int64  # less zero points too
            return self._grouped(path.run_fast, ins, codes, narrow).astype(self.acc.dtype, copy=False)
        return path.limit(self._sum_fast(ins, *codes), self.acc).astype(self.acc.dtype)

    def _sum_fast(self, ins: tuple[QType, ...], *codes: Codes) -> Ints:
        """The plain sum: BLAS on patches, every partial sum an integer that the float type holds; depthwise by taps."""
        dtype = exact_float(worst_sum(prod(ins[1].sample_shape[1:]), *ins[:2]))
        if dtype is None:
            return self._grouped(PLAIN.run, ins, codes)
        if ins[1].shape[3] == 1 and ins[1].shape[0] == self.groups:
            x = self.window.padded(ins[0].fmt.to_int(codes[0]).astype(dtype), _zero(ins[0]))
            y = _depthwise(self.window.patches(x), weights(ins[1], codes[1]).astype(dtype))
        else:
            y = self._grouped(lambda a, b, start, acc: a @ b, ins, codes[:2], dtype)
        return np.asarray(y.astype(np.int64) + (codes[2] if len(codes) > 2 else 0))

    def _grouped(
        self,
        sums: Callable[[Any, Any, Ints, IntFormat], Any],
        ins: tuple[QType, ...],
        codes: tuple[Codes, ...],
        dtype: Any = np.int64,
    ) -> Codes:
        """`sums` of each group: its patches (windows, taps), its weights (taps, o / groups), the start, the format."""
        x = self.window.padded(ins[0].fmt.to_int(codes[0]).astype(dtype), _zero(ins[0]))
        patches, w = self.window.patches(x), weights(ins[1], codes[1]).astype(dtype)
        n, oh, ow = patches.shape[:3]
        cin, cout, parts = w.shape[3], w.shape[0] // self.groups, []
        bias = np.zeros(len(w), np.int64) if len(codes) < 3 else codes[2].astype(np.int64)
        for g in range(self.groups):
            rows, out = patches[..., g * cin : (g + 1) * cin].reshape(n * oh * ow, -1), slice(g * cout, (g + 1) * cout)
            parts.append(sums(rows, w[out].reshape(cout, -1).T, bias[out], self.acc))
        return np.concatenate(parts, axis=1).reshape(n, oh, ow, -1)


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
