"""``y = a + b``: exact, element by element, broadcasting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import broadcast, per_tensor


@dataclass(frozen=True, kw_only=True)
class Add:
    """Sum of two values of one lsb; zero points add up, as the codes do. Both may be per channel, alike.

    Args:
        fmt: format of the result; overflow is refused, not modelled.
    """

    fmt: IntFormat = INT32
    name: ClassVar[str] = "add"

    def out_type(self, a: QType, b: QType) -> QType:
        """Broadcast shape, the common lsb."""
        if isinstance(a.scale, tuple) and isinstance(b.scale, tuple):
            return self._per_channel(a, b)
        (_, za), (_, zb) = per_tensor("add", a), per_tensor("add", b)
        if a.lsb != b.lsb:
            raise ValueError(f"add: lsb {float(a.lsb)!r} and {float(b.lsb)!r} differ; requantize to one scale first")
        return QType(broadcast("add", a.shape, b.shape), self.fmt, float(a.lsb), za + zb)

    def _per_channel(self, a: QType, b: QType) -> QType:
        """Accumulators and their biases: every channel has its own lsb."""
        shape = broadcast("add", a.shape, b.shape)
        last = all(t.axis == len(t.shape) - 1 for t in (a, b))
        if a.lsb.tolist() != b.lsb.tolist() or not last or np.any(a.zero_point) or np.any(b.zero_point):
            raise ValueError(
                f"add: per-channel inputs of shapes {a.shape} and {b.shape} must share the scales of their last axis, "
                "with zero_point 0"
            )
        return QType(shape, self.fmt, a.scale if a.fmt.lsb_exp == 0 else tuple(a.lsb.tolist()), axis=len(shape) - 1)

    def reach(self, a: Operand, b: Operand) -> Interval:
        """Sums of members."""
        return Interval(a.reach.lo + b.reach.lo, a.reach.hi + b.reach.hi)

    def run(self, ins: tuple[QType, ...], a: Codes, b: Codes) -> Codes:
        """The definition."""
        return np.asarray(ins[0].fmt.to_int(a) + ins[1].fmt.to_int(b)).astype(self.fmt.dtype)
