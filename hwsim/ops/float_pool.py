"""``y = saturate(half_even(sum / count / scale + zero_point))``, all in float32: ONNX Runtime's QLinearAveragePool.

``sum = float32(sum + float32(float32(x - zero_point_x) * scale_x))`` from 0 over the window, rows outermost. Every
product, sum and quotient rounds to float32, half to even. With one type on both sides sums of an even count are often
halfway between two codes, where these roundings decide: the exact mean (`Pool`, then `Requant`) has other bits there.

Source: IEEE 754-2019, 4.3.1; measured in tests/hwsim/dialects/test_ort_pool.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..formats import INT8, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import per_tensor
from .windows import Pair, Window

SMALLEST, LARGEST = 2.0**-60, 2.0**60  # scales, and sums in either of them: far from what float32 cannot hold


@dataclass(frozen=True, kw_only=True)
class FloatPool:
    """Mean of (N, H, W, C) under a sliding window, channel by channel.

    Args:
        kernel, stride: (vertical, horizontal).
        padding: ((top, bottom), (left, right)), each less than the kernel.
        include_pad: whether `count` has what lies outside the image, which is 0.
        fmt, scale, zero_point: type of the result.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    include_pad: bool = False
    fmt: IntFormat = INT8
    scale: float
    zero_point: int = 0
    name: ClassVar[str] = "float_pool"

    def __post_init__(self) -> None:
        """Raise ValueError for windows that may lie in the padding alone."""
        if any(max(p) >= k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise ValueError(f"float_pool: padding {self.padding} must be less than kernel {self.kernel}")

    @cached_property
    def window(self) -> Window:
        """The sliding window."""
        return Window(self.kernel, self.stride, self.padding, (1, 1))

    def out_type(self, x: QType) -> QType:
        """Shape (N, OH, OW, C) in the result's type."""
        self.window.check("float_pool", x)
        if not isinstance(x.fmt, IntFormat) or x.fmt.bits > 16:
            raise ValueError(f"float_pool: input of {x.fmt.name}; takes integers of up to 16 bits")
        shape = (*x.shape[:1], *self.window.out_size(x.sample_shape[:2]), x.shape[3])
        out = QType(shape, self.fmt, self.scale, self.zero_point)
        scale, step = (per_tensor("float_pool", t)[0] for t in (x, out))
        most = self.kernel[0] * self.kernel[1] * 2.0 ** (x.fmt.bits + 1) * scale
        if not (min(scale, step) >= SMALLEST and max(most, most / step, step) <= LARGEST):
            raise ValueError(f"float_pool: scale {scale!r} to {step!r} leaves {SMALLEST:.3g}..{LARGEST:.3g}; rescale")
        return out

    def reach(self, x: Operand) -> Interval:
        """Rounding keeps order, so images of the least and the greatest code give the ends."""
        size = (1, *x.type.sample_shape[:2], 1)
        ends = [self.run((x.type,), np.full(size, end)) for end in x.reach]
        return Interval(int(ends[0].min()), int(ends[1].max()))

    def counts(self, size: Pair) -> NDArray[np.float32]:
        """How many numbers every window of an image has, shape (OH, OW)."""
        inside = self.window.padded(np.ones((1, *size, 1), np.int64), int(self.include_pad))
        return np.asarray(self.window.patches(inside).sum((3, 4))[0, :, :, 0], np.float32)

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        scale, zero = per_tensor("float_pool", ins[0])
        reals = (x.astype(np.int64) - zero).astype(np.float32) * np.float32(scale)
        patches = self.window.patches(self.window.padded(reals, 0))
        total = np.zeros((*patches.shape[:3], patches.shape[5]), np.float32)
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                total = total + patches[:, :, :, i, j]
        mean = total / self.counts(x.shape[1:3])[:, :, None]
        y = np.rint(mean / np.float32(self.scale) + np.float32(self.zero_point)).astype(np.int64)
        return np.asarray(np.clip(y, self.fmt.min_int, self.fmt.max_int).astype(self.fmt.dtype))
