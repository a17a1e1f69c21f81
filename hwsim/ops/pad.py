"""A border of one code around each axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import Codes
from ..qtensor import QTensor, QType
from ..ranges import Interval, Operand, tensor_interval
from .shapes import per_tensor


@dataclass(frozen=True, kw_only=True)
class Pad:
    """Constant padding.

    Args:
        before, after: how many to add at each end of each axis of one sample.
        value: the code to add; the zero point means real 0.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int = 0
    name: ClassVar[str] = "pad"

    def out_type(self, x: QType) -> QType:
        """`x`'s type, grown."""
        per_tensor("pad", x)
        if not len(self.before) == len(self.after) == len(x.sample_shape):
            raise ValueError(f"pad: {self.before} and {self.after} for {len(x.sample_shape)} axes of {x.shape}")
        if min((*self.before, *self.after), default=0) < 0:
            raise ValueError(f"pad: {self.before} and {self.after} must not be negative")
        self._border(x)
        sizes = zip(self.before, x.sample_shape, self.after, strict=True)
        return x.reshaped((*x.shape[: x.batched], *(b + d + a for b, d, a in sizes)))

    def _border(self, x: QType) -> QTensor:
        if not x.fmt.min_code <= self.value <= x.fmt.max_code:
            raise ValueError(f"pad: value {self.value} is no code of {x.fmt.name}")
        return QTensor(x.reshaped(()), np.asarray(self.value, x.fmt.dtype))

    def reach(self, x: Operand) -> Interval:
        """The input or the border."""
        return x.reach.union(tensor_interval(self._border(x.type)))

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        width = [(0, 0)] * ins[0].batched + list(zip(self.before, self.after, strict=True))
        return np.pad(x, width, constant_values=self.value) if width else x
