"""Memory that is used again: a slice of samples finds what the one before it left, warm in the cache."""

from __future__ import annotations

import sys
from itertools import compress
from math import prod
from typing import Any

import numpy as np

from ..formats import Codes

SLACK = 64  # bytes after the last element
PAST = 16
"""Bytes after the last element that kernels may read: three of the tile, a vector of a depthwise product."""


def _references(owners: list[Codes]) -> list[int]:
    """How many references there are to each."""
    return [sys.getrefcount(owner) for owner in owners]


_FREE = _references([np.empty(1, np.uint8)])[0]
"""References to an array that nobody views. Why counted: what a loop and a call hold depends on the interpreter."""


class Buffers:
    """Arrays of one thread. Whatever no view of is left is free: numpy's views hold the array they look at."""

    def __init__(self) -> None:
        self._owners: list[Codes] = []

    def room(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Codes:
        """An array with bytes to spare at its end; its elements are any numbers."""
        size = prod(shape) * dtype.itemsize
        best: Codes | None = None
        free = [n == _FREE for n in _references(self._owners)]
        for owner in compress(self._owners, free):
            fits = size + SLACK <= owner.size <= 4 * (size + SLACK)
            if fits and (best is None or owner.size < best.size):
                best = owner
        if best is None:
            best = np.empty(size + SLACK, np.uint8)
            self._owners.append(best)
        return best[:size].view(dtype).reshape(shape)


def has_room(x: Codes) -> bool:
    """Whether `PAST` bytes after the last element may be read."""
    owner: Any = x
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    bounds = np.lib.array_utils.byte_bounds
    return bool(bounds(x)[1] + PAST <= bounds(owner)[1])
