"""What a program knows of arrays outside its registers: where each row begins, found from shape and strides.

Arrays are views of any strides whose rows are contiguous; whoever reads rows as groups of four bytes needs three bytes
after the last one, which `room` leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..formats import Codes
from ..ops.windows import Window
from ..rounding import Ints

SLACK = 64


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a value, once for each row of `lead`: sizes before the last axis, less the batch."""

    value: str
    lead: tuple[int, ...]
    bytes_past: bool = False


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Where each window of a padded NHWC image begins."""

    value: str
    window: Window
    border: int


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Matrices (k, n), one a group of rows."""

    value: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """Rows of a value that the program makes."""

    value: str


Kind = Rows | Windows | Seconds | Result


@dataclass(frozen=True, eq=False)
class Located:
    """An array with what a program asks of it."""

    array: Codes
    offsets: Ints
    k_step: int = 0
    n_step: int = 0

    def number(self, what: str) -> int:
        """The address, or the step, that `what` names."""
        if what == "base":
            return self.array.ctypes.data
        return self.offsets.ctypes.data if what == "offsets" else int(getattr(self, what))


def room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Codes:
    """An array with bytes to spare at its end."""
    size = prod(shape) * dtype.itemsize
    return np.empty(size + SLACK, np.uint8)[:size].view(dtype).reshape(shape)


def located(kind: Kind, array: Codes, samples: int) -> Located:
    """Where the rows of `array` begin; a copy where they are not contiguous or end without room."""
    if isinstance(kind, Windows):
        return _windows(kind, array)
    if isinstance(kind, Seconds):
        return Located(array, _table(array.shape[:-2], array.strides[:-2]), *array.strides[-2:])
    if isinstance(kind, Result):
        return Located(array, _table(array.shape[:-1], array.strides[:-1]))
    if array.shape[-1] > 1 and array.strides[-1] != array.itemsize:
        array = _copied(array)
    if kind.bytes_past and not _has_room(array):
        array = _copied(array)
    sizes = (samples, *kind.lead)
    given, steps = array.shape[:-1], array.strides[:-1]
    missing = len(sizes) - len(given)
    steps = (0,) * missing + tuple(s if n > 1 else 0 for s, n in zip(steps, given, strict=True))
    return Located(array, _table(sizes, steps))


def _windows(kind: Windows, x: Codes) -> Located:
    window = kind.window
    (top, bottom), (left, right) = window.padding
    if top or bottom or left or right:
        n, h, w, c = x.shape
        padded = room((n, h + top + bottom, w + left + right, c), x.dtype)
        padded[:, :top], padded[:, top + h :] = kind.border, kind.border
        padded[:, :, :left], padded[:, :, left + w :] = kind.border, kind.border
        padded[:, top : top + h, left : left + w] = x
        x = padded
    elif not (x.flags.c_contiguous and _has_room(x)):
        x = _copied(x)
    n, h, w, _ = x.shape
    high, wide = ((size - window.span(i)) // window.stride[i] + 1 for i, size in enumerate((h, w)))
    steps = (x.strides[0], x.strides[1] * window.stride[0], x.strides[2] * window.stride[1])
    return Located(x, _table((n, high, wide), steps))


def _copied(x: Codes) -> Codes:
    y = room(x.shape, x.dtype)
    y[...] = x
    return y


def _has_room(x: Codes) -> bool:
    """Whether three bytes after the last element may be read."""
    owner: Any = x
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    bounds = np.lib.array_utils.byte_bounds
    return bool(bounds(x)[1] + 3 <= bounds(owner)[1])


@lru_cache(maxsize=4096)
def _table(sizes: tuple[int, ...], steps: tuple[int, ...]) -> Ints:
    """``sum(index * step)`` of every index, in order."""
    table = np.zeros((), np.int64)
    for n, step in zip(sizes, steps, strict=True):
        table = table[..., None] + np.arange(n) * step
    return np.ascontiguousarray(table.reshape(-1))
