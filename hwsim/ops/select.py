"""``y = a where condition != 0 else b``: element by element, broadcasting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import broadcast, same_grid


@dataclass(frozen=True, kw_only=True)
class Select:
    """Choice by a mask: `condition` is unsigned, `a` and `b` have one type."""

    name: ClassVar[str] = "select"

    def out_type(self, condition: QType, a: QType, b: QType) -> QType:
        """Broadcast shape, the common type."""
        if not isinstance(condition.fmt, IntFormat) or condition.fmt.signed:
            raise ValueError(f"select: condition is {condition.fmt.name}, must be an unsigned integer (UINT1, UINT8)")
        same_grid("select", a, b)
        return a.reshaped(broadcast("select", condition.shape, a.shape, b.shape))

    def reach(self, condition: Operand, a: Operand, b: Operand) -> Interval:
        """Either."""
        return a.reach.union(b.reach)

    def run(self, ins: tuple[QType, ...], condition: Codes, a: Codes, b: Codes) -> Codes:
        """The definition."""
        return np.where(condition != 0, a, b)
