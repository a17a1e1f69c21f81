"""Axes of size 1 repeated to a larger size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import Codes
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import broadcast, per_tensor


@dataclass(frozen=True, kw_only=True)
class Expand:
    """Broadcast to given sizes, without the batch axis, which stays.

    Args:
        shape: sizes of one sample, as many as `x` has.
    """

    shape: tuple[int, ...]
    name: ClassVar[str] = "expand"

    def out_type(self, x: QType) -> QType:
        """`x`'s type with its sizes of 1 grown."""
        per_tensor("expand", x)
        out = (*x.shape[: x.batched], *self.shape)
        if len(out) != len(x.shape) or broadcast("expand", x.shape, out) != out:
            raise ValueError(f"expand: {x.sample_shape} does not expand to {self.shape}")
        return x.reshaped(out)

    def reach(self, x: Operand) -> Interval:
        """Unchanged."""
        return x.reach

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        return np.broadcast_to(x, (*x.shape[: ins[0].batched], *self.shape))
