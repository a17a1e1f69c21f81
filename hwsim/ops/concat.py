"""Values of one type, one after the other along an axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import numpy as np

from ..formats import Codes
from ..qtensor import QType, Shape
from ..ranges import Interval, Operand
from .shapes import inner_axis, same_grid


@dataclass(frozen=True, kw_only=True)
class Concat:
    """Concatenation.

    Args:
        axis: the axis that grows, never the batch.
    """

    axis: int
    name: ClassVar[str] = "concat"

    def out_type(self, *xs: QType) -> QType:
        """The common type; sizes along the axis add up."""
        if not xs:
            raise ValueError("concat: no inputs")
        same_grid("concat", *xs)
        inner_axis("concat", xs[0], self.axis)
        if len({len(x.shape) for x in xs}) > 1 or len({self._others(x.shape) for x in xs}) > 1:
            raise ValueError(f"concat: shapes {', '.join(str(x.shape) for x in xs)} differ outside axis {self.axis}")
        total = sum(int(x.shape[self.axis]) for x in xs)
        return xs[0].reshaped(tuple(total if i == self.axis else d for i, d in enumerate(xs[0].shape)))

    def _others(self, shape: Shape) -> Shape:
        return tuple(d for i, d in enumerate(shape) if i != self.axis)

    def reach(self, *xs: Operand) -> Interval:
        """Any of them."""
        return reduce(Interval.union, (x.reach for x in xs))

    def run(self, ins: tuple[QType, ...], *xs: Codes) -> Codes:
        """The definition."""
        return np.concatenate(xs, axis=self.axis)
