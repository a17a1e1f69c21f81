"""``y = max`` or ``mean`` of the elements under a sliding window, channel by channel, NHWC: exact.

A mean is the exact sum on a grid finer by the number of elements; `requant` rounds it. Outside the image a mean takes
the zero-point code (real 0 counts), a maximum takes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import per_tensor
from .windows import Pair, Window

KINDS = ("max", "mean")


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Pooling of (N, H, W, C).

    Args:
        kind: ``max`` or ``mean``.
        kernel, stride: (vertical, horizontal); a kernel of the image's size is global pooling.
        padding: ((top, bottom), (left, right)), each less than the kernel.
        fmt: format of a mean's sum; a maximum keeps the input's.
    """

    kind: str
    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    fmt: IntFormat = INT32
    name: ClassVar[str] = "pool"

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown kind, or windows that may lie in the padding alone."""
        if self.kind not in KINDS:
            raise ValueError(f"pool: kind {self.kind!r} is unknown: use one of {', '.join(KINDS)}")
        if any(max(p) >= k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise ValueError(f"pool: padding {self.padding} must be less than kernel {self.kernel}")

    @cached_property
    def window(self) -> Window:
        """The sliding window."""
        return Window(self.kernel, self.stride, self.padding, (1, 1))

    @property
    def count(self) -> int:
        """Elements under one window."""
        return self.kernel[0] * self.kernel[1]

    def out_type(self, x: QType) -> QType:
        """Shape (N, OH, OW, C); a mean has a finer lsb and as many zero points."""
        self.window.check("pool", x)
        scale, zero = per_tensor("pool", x)
        shape = (*x.shape[:1], *self.window.out_size(x.sample_shape[:2]), x.shape[3])
        if self.kind == "max":
            if not isinstance(x.fmt, IntFormat):
                raise ValueError(f"pool: max of {x.fmt.name} codes is not supported; requantize to integers first")
            return QType(shape, x.fmt, scale, zero)
        return QType(shape, self.fmt, float(x.lsb) / self.count, zero * self.count)

    def reach(self, x: Operand) -> Interval:
        """A maximum stays inside the input; a sum reaches count times it, partial sums included."""
        if self.kind == "max":
            return x.reach
        both = x.reach.union(Interval(0, 0))
        zero = int(np.max(x.type.zero_point))
        both = both.union(Interval(zero, zero))
        return Interval(both.lo * self.count, both.hi * self.count)

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        t = ins[0]
        if self.kind == "max":
            return np.asarray(self.window.patches(self.window.padded(x, t.fmt.min_int)).max((3, 4)))
        zero = per_tensor("pool", t)[1]
        padded = self.window.padded(t.fmt.to_int(x), zero)
        return np.asarray(self.window.patches(padded).sum((3, 4))).astype(self.fmt.dtype)
