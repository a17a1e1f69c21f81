"""``y = sum | mean | sum_square | max | min`` of ``x`` over axes: exact.

A mean is the sum on a grid finer by the count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from ..formats import INT32, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import inner_axis, per_tensor

KINDS: dict[str, Callable[..., Any]] = {
    **{"sum": np.sum, "mean": np.sum, "max": np.max, "min": np.min},
    "sum_square": lambda x, **axes: np.sum(x * x, **axes),
}


@dataclass(frozen=True, kw_only=True)
class Reduce:
    """Reduction over axes, which stay as size 1.

    Args:
        kind: ``sum``, ``mean``, ``sum_square`` (of a value with zero point 0), ``max`` or ``min``.
        axes: axes to reduce, never the batch.
        fmt: format of the result; overflow is refused, not modelled.
    """

    kind: str
    axes: tuple[int, ...]
    fmt: IntFormat = INT32
    name: ClassVar[str] = "reduce"

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown kind or repeated axes."""
        if self.kind not in KINDS:
            raise ValueError(f"reduce: kind {self.kind!r} is unknown: use one of {', '.join(KINDS)}")
        if not self.axes or len(set(self.axes)) != len(self.axes):
            raise ValueError(f"reduce: axes {self.axes} must be one or more, each once")

    def count(self, x: QType) -> int:
        """How many elements go into one result."""
        return prod(int(x.shape[a]) for a in self.axes)

    def out_type(self, x: QType) -> QType:
        """`x`'s shape with the axes at size 1; a sum's zero point counts once an element."""
        _, zero = per_tensor("reduce", x)
        for a in self.axes:
            inner_axis("reduce", x, a)
        shape = tuple(1 if i in self.axes else d for i, d in enumerate(x.shape))
        summed = self.kind in ("sum", "mean")
        if self.kind == "sum_square" and zero:
            raise ValueError(f"reduce: zero_point {zero} of the input would be squared with it; requantize instead")
        unit = float(x.lsb)
        scale = {"mean": unit / self.count(x), "sum_square": unit * unit}.get(self.kind, unit)
        return QType(shape, self.fmt, scale, zero * self.count(x) if summed else zero)

    def reach(self, x: Operand) -> Interval:
        """A sum reaches count times the input, partial sums included; max and min stay inside it."""
        if self.kind in ("max", "min"):
            return x.reach
        n = self.count(x.type)
        if self.kind == "sum_square":
            return Interval(0, n * x.reach.magnitude**2)
        return Interval(n * min(x.reach.lo, 0), n * max(x.reach.hi, 0))

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        return np.asarray(KINDS[self.kind](ins[0].fmt.to_int(x), axis=self.axes, keepdims=True)).astype(self.fmt.dtype)
