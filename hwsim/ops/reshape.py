"""The same codes in the same row-major order under another shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..formats import Codes
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import per_tensor


@dataclass(frozen=True, kw_only=True)
class Reshape:
    """New sizes, without the batch axis, which stays outermost.

    Args:
        shape: sizes of one sample.
    """

    shape: tuple[int, ...]
    name: ClassVar[str] = "reshape"

    def out_type(self, x: QType) -> QType:
        """`x`'s type under the new shape."""
        per_tensor("reshape", x)
        out = x.reshaped((*x.shape[: x.batched], *self.shape))
        if out.elements != x.elements:
            raise ValueError(f"reshape: {x.sample_shape} has {x.elements} elements, {self.shape} has {out.elements}")
        return out

    def reach(self, x: Operand) -> Interval:
        """Unchanged."""
        return x.reach

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        return x.reshape((*x.shape[: ins[0].batched], *self.shape))
