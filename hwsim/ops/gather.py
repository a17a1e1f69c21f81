"""``y = x[.., min(index, size - 1), ..]`` along one axis: embedding look-up, re-ordering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import inner_axis, per_tensor


@dataclass(frozen=True, kw_only=True)
class Gather:
    """Entries of `x` by computed or constant indices (unsigned integers, scale 1).

    Why saturate: the index is data; hardware and C must stay inside the table whatever arrives.

    Args:
        axis: the axis of `x` that is indexed. With a batched index, `x` is a table without batch and axis is 0.
    """

    axis: int
    name: ClassVar[str] = "gather"

    def out_type(self, x: QType, index: QType) -> QType:
        """Sizes of `index` in place of the axis."""
        per_tensor("gather", x)
        inner_axis("gather", x, self.axis)
        if not isinstance(index.fmt, IntFormat) or index.fmt.signed or index.zero_point != 0:
            raise ValueError(f"gather: index is {index.fmt.name}, must be an unsigned integer with zero_point 0")
        if index.batched and (x.batched or self.axis != 0):
            raise ValueError(f"gather: a batched index needs a table and axis 0, got {x.shape} and axis {self.axis}")
        return x.reshaped((*x.shape[: self.axis], *index.shape, *x.shape[self.axis + 1 :]))

    def reach(self, x: Operand, index: Operand) -> Interval:
        """Unchanged."""
        return x.reach

    def run(self, ins: tuple[QType, ...], x: Codes, index: Codes) -> Codes:
        """The definition."""
        return np.take(x, np.minimum(index.astype(np.int64), x.shape[self.axis] - 1), axis=self.axis)
