"""``y = (a - zero_point_a) * (b - zero_point_b)``: exact, element by element, broadcasting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import broadcast, per_tensor


@dataclass(frozen=True, kw_only=True)
class Mul:
    """Product of two values; scales multiply.

    Args:
        fmt: format of the result; overflow is refused, not modelled.
    """

    fmt: IntFormat = INT32
    name: ClassVar[str] = "mul"

    def out_type(self, a: QType, b: QType) -> QType:
        """Broadcast shape; the result's lsb is the product of the lsbs."""
        per_tensor("mul", a), per_tensor("mul", b)
        return QType(broadcast("mul", a.shape, b.shape), self.fmt, float(a.lsb * b.lsb))

    def reach(self, a: Operand, b: Operand) -> Interval:
        """Products of members."""
        (_, za), (_, zb) = per_tensor("mul", a.type), per_tensor("mul", b.type)
        return a.reach.shifted(-za).times(b.reach.shifted(-zb))

    def run(self, ins: tuple[QType, ...], a: Codes, b: Codes) -> Codes:
        """The definition."""
        x, y = (t.fmt.to_int(c) - np.asarray(t.zero_point) for t, c in zip(ins, (a, b), strict=True))
        return np.asarray(x * y).astype(self.fmt.dtype)
