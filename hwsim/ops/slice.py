"""``x[.., start:stop:step, ..]`` along one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import Codes
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import inner_axis, per_tensor


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Every `step`-th element from `start` up to, not including, `stop`.

    Args:
        axis: the axis that is cut, never the batch.
        start, stop: 0 <= start < stop <= size.
        step: >= 1.
    """

    axis: int
    start: int
    stop: int
    step: int = 1
    name: ClassVar[str] = "slice"

    def out_type(self, x: QType) -> QType:
        """`x`'s type with the axis cut."""
        per_tensor("slice", x)
        inner_axis("slice", x, self.axis)
        if not (0 <= self.start < self.stop <= int(x.shape[self.axis]) and self.step >= 1):
            raise ValueError(
                f"slice: [{self.start}:{self.stop}:{self.step}] does not fit axis {self.axis} of {x.shape}"
            )
        size = len(range(self.start, self.stop, self.step))
        return x.reshaped((*x.shape[: self.axis], size, *x.shape[self.axis + 1 :]))

    def reach(self, x: Operand) -> Interval:
        """Unchanged."""
        return x.reach

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        return np.take(x, range(self.start, self.stop, self.step), axis=self.axis)
