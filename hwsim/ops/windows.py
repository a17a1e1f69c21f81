"""Windows that slide over an NHWC image: sizes, padding and patches, shared by `conv2d` and `pool`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..formats import Codes
from ..qtensor import QType, Shape

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Kernel, stride, padding ((top, bottom), (left, right)) and dilation of one sliding window."""

    kernel: Pair
    stride: Pair
    padding: tuple[Pair, Pair]
    dilation: Pair

    def check(self, op: str, x: QType) -> None:
        """ValueError unless `x` is (N, H, W, C) and every output has at least one window."""
        if len(x.shape) != 4 or not x.batched:
            raise ValueError(f"{op}: input {x.shape} must be (N, H, W, C)")
        numbers = (*self.kernel, *self.stride, *self.dilation)
        if min(numbers) < 1 or min(min(p) for p in self.padding) < 0:
            raise ValueError(f"{op}: {self} needs sizes >= 1 and padding >= 0")
        if min(self.out_size(x.sample_shape[:2])) < 1:
            raise ValueError(f"{op}: kernel {self.kernel} is over {x.sample_shape[:2]} with padding {self.padding}")

    def span(self, axis: int) -> int:
        """Input elements from the first to the last that one window touches."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def out_size(self, size: Shape) -> Pair:
        """Windows along height and width."""
        h, w = ((int(size[i]) + sum(self.padding[i]) - self.span(i)) // self.stride[i] + 1 for i in (0, 1))
        return h, w

    def padded(self, x: Codes, code: int) -> Codes:
        """`x`, shape (n, h, w, c), with a border of `code`."""
        return np.pad(x, ((0, 0), *self.padding, (0, 0)), constant_values=code)

    def patches(self, x: Codes) -> Codes:
        """A view of padded `x`, shape (n, oh, ow, kh, kw, c)."""
        view = np.lib.stride_tricks.sliding_window_view(x, (self.span(0), self.span(1)), axis=(1, 2))
        strided = view[:, :: self.stride[0], :: self.stride[1], :, :: self.dilation[0], :: self.dilation[1]]
        return np.moveaxis(strided, 3, -1)
