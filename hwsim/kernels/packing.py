"""Weights in the order in which the tile reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .products import PANEL


def packed(matrices: NDArray[np.int8], columns: int) -> tuple[NDArray[Any], int]:
    """Panels of `columns` and the steps of 4 bytes that each matrix takes.

    Args:
        matrices: int8, shape (segments, k, n).
        columns: n and zero columns up to a multiple of 16.
    """
    segments, k, n = matrices.shape
    steps = (k + 3) // 4
    whole = np.zeros((segments, 4 * steps, columns), np.int8)
    whole[:, :k, :n] = matrices
    code, at = np.empty(whole.size, np.int8), 0
    j = 0
    while j < columns:
        wide = next(p for p in (PANEL, PANEL // 2, PANEL // 4) if columns - j >= p)
        part = whole[:, :, j : j + wide].reshape(segments * steps, 4, wide).transpose(0, 2, 1)
        code[at : at + part.size] = part.reshape(-1)
        at, j = at + part.size, j + wide
    return code, steps
