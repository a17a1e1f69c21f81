"""Consecutive parts along an axis, each a result of its own: the inverse of `concat`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import Codes
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import inner_axis, per_tensor


@dataclass(frozen=True, kw_only=True)
class Split:
    """Split into several results.

    Args:
        axis: the axis that is cut, never the batch.
        sizes: size of each part.
    """

    axis: int
    sizes: tuple[int, ...]
    name: ClassVar[str] = "split"

    def out_type(self, x: QType) -> tuple[QType, ...]:
        """`x`'s type once a part."""
        per_tensor("split", x)
        inner_axis("split", x, self.axis)
        if sum(self.sizes) != x.shape[self.axis]:
            raise ValueError(f"split: sizes {self.sizes} do not add up to axis {self.axis} of {x.shape}")
        return tuple(x.reshaped((*x.shape[: self.axis], s, *x.shape[self.axis + 1 :])) for s in self.sizes)

    def reach(self, x: Operand) -> Interval:
        """Unchanged."""
        return x.reach

    def run(self, ins: tuple[QType, ...], x: Codes) -> tuple[Codes, ...]:
        """The definition."""
        return tuple(np.split(x, np.cumsum(self.sizes)[:-1], axis=self.axis))
