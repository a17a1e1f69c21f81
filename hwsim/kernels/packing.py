"""Weights in the order in which the tile reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pages import give_back
from .products import PANEL


@dataclass(frozen=True, eq=False)
class Packed:
    """Weights that are packed when they are needed.

    Args:
        matrices: integers in -128..127, shape (segments, k, n).
        columns: n and zero columns up to a multiple of 16.
    """

    matrices: NDArray[Any]
    columns: int

    @property
    def steps(self) -> int:
        """Steps of 4 bytes that each matrix takes."""
        return (self.matrices.shape[1] + 3) // 4

    def made(self) -> NDArray[np.int8]:
        """Panels of columns; the weights' own pages are given back."""
        segments, k, n = self.matrices.shape
        whole = np.zeros((segments, 4 * self.steps, self.columns), np.int8)
        whole[:, :k, :n] = self.matrices
        code, at = np.empty(whole.size, np.int8), 0
        j = 0
        while j < self.columns:
            wide = next(p for p in (PANEL, PANEL // 2, PANEL // 4) if self.columns - j >= p)
            part = whole[:, :, j : j + wide].reshape(segments * self.steps, 4, wide).transpose(0, 2, 1)
            code[at : at + part.size] = part.reshape(-1)
            at, j = at + part.size, j + wide
        give_back(self.matrices)
        return code
