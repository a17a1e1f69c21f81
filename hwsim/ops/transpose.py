"""``y[i[perm[0]], i[perm[1]], ..] = x[i[0], i[1], ..]``: axes in another order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..formats import Codes
from ..qtensor import QType
from ..ranges import Interval, Operand
from .shapes import per_tensor


@dataclass(frozen=True, kw_only=True)
class Transpose:
    """Permutation of all axes; a batch axis stays first.

    Args:
        perm: output axis i is input axis ``perm[i]``.
    """

    perm: tuple[int, ...]
    name: ClassVar[str] = "transpose"

    def out_type(self, x: QType) -> QType:
        """`x`'s type with its sizes permuted."""
        per_tensor("transpose", x)
        if sorted(self.perm) != list(range(len(x.shape))):
            raise ValueError(f"transpose: perm {self.perm} is no permutation of the axes of {x.shape}")
        if x.batched and self.perm[0] != 0:
            raise ValueError(f"transpose: perm {self.perm} moves the batch axis of {x.shape}")
        return x.reshaped(tuple(x.shape[p] for p in self.perm))

    def reach(self, x: Operand) -> Interval:
        """Unchanged."""
        return x.reach

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        return np.transpose(x, self.perm)
