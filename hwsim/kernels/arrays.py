"""What a program knows of arrays outside its registers: where each row begins, found from shape and strides.

Arrays are views of any strides whose rows are contiguous; whoever reads rows as groups of four bytes needs three bytes
after the last one, which `Buffers.room` leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from ..formats import Codes
from ..ops.windows import Window
from ..rounding import Ints
from . import machine
from .actions import Actions
from .buffers import Buffers, has_room


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
class Whole:
    """Each sample as one row, its elements in order."""

    value: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """Rows of a value that the program makes."""

    value: str


Kind = Rows | Windows | Seconds | Whole | Result


def reads_in_place(kind: Kind) -> bool:
    """Whether contiguous memory of any owner will do."""
    return isinstance(kind, Rows) and not kind.bytes_past


@dataclass(frozen=True, eq=False)
class Located:
    """An array with what a program asks of it."""

    array: Codes
    offsets: Ints
    k_step: int = 0
    n_step: int = 0
    dense: bool = False

    def number(self, what: str) -> int:
        """The address, or the step, that `what` names."""
        if what == "base":
            return self.array.ctypes.data
        return self.offsets.ctypes.data if what == "offsets" else int(getattr(self, what))


def located(kind: Kind, array: Codes, samples: int, buffers: Buffers, actions: Actions) -> Located:
    """Where rows of `array` begin: of a copy, made by `actions`, where they are not contiguous or end without room."""
    if isinstance(kind, Windows):
        return _windows(kind, array, buffers, actions)
    if isinstance(kind, Seconds):
        k_step, n_step = array.strides[-2:]
        return Located(array, _table(array.shape[:-2], array.strides[:-2]), k_step, n_step)
    if isinstance(kind, Whole):
        array = _solid(array, buffers, actions)
        array = array if has_room(array) else copied(array, buffers, actions)
        return Located(array, _table(array.shape[:1], array.strides[:1]))
    if isinstance(kind, Result):
        return Located(array, _table(array.shape[:-1], array.strides[:-1]))
    if array.shape[-1] > 1 and array.strides[-1] != array.itemsize:
        array = copied(array, buffers, actions)
    if kind.bytes_past and not has_room(array):
        array = copied(array, buffers, actions)
    sizes = (samples, *kind.lead)
    given, steps = array.shape[:-1], array.strides[:-1]
    dense = array.flags.c_contiguous and given == sizes
    missing = len(sizes) - len(given)
    steps = (0,) * missing + tuple(s if n > 1 else 0 for s, n in zip(steps, given, strict=True))
    return Located(array, _table(sizes, steps), dense=dense)


def _windows(kind: Windows, x: Codes, buffers: Buffers, actions: Actions) -> Located:
    window = kind.window
    (top, bottom), (left, right) = window.padding
    if top or bottom or left or right:
        x = _solid(x, buffers, actions)
        n, h, w, c = x.shape
        padded = buffers.room((n, h + top + bottom, w + left + right, c), x.dtype)
        edges = (top, bottom, c * left, c * right)
        actions.once(machine.PAD, padded.ctypes.data, x.ctypes.data, n, h, w * c, *edges, kind.border)
        x = padded
    elif not (x.flags.c_contiguous and has_room(x)):
        x = copied(x, buffers, actions)
    n, h, w, _ = x.shape
    high, wide = ((size - window.span(i)) // window.stride[i] + 1 for i, size in enumerate((h, w)))
    steps = (x.strides[0], x.strides[1] * window.stride[0], x.strides[2] * window.stride[1])
    return Located(x, _table((n, high, wide), steps))


def _solid(x: Codes, buffers: Buffers, actions: Actions) -> Codes:
    """`x` with its elements in order, one after the other."""
    return x if x.flags.c_contiguous else copied(x, buffers, actions)


def copied(x: Codes, buffers: Buffers, actions: Actions) -> Codes:
    """`x` in other memory, with its elements in order, by `actions`."""
    y = buffers.room(x.shape, x.dtype)
    if x.itemsize == 1 and x.ndim <= 4:
        axes = _axes(x, y)
        fields = (field for column in zip(*axes, strict=True) for field in column)
        actions.once(machine.REARRANGE, y.ctypes.data, x.ctypes.data, *fields)
    else:
        actions.call(partial(np.copyto, y, x))
    return y


def _axes(x: Codes, y: Codes) -> list[tuple[int, int, int]]:
    """(size, step of `y`, step of `x`) of four axes in the order to go through them; neighbours that can be are one.

    That is the order of `x`, but the axis along which `y` is dense is the last but one: with the last one a matrix.
    Why that of `x`: reading along is worth more than writing along, which numpy prefers.
    """
    order = sorted((axis for axis in range(x.ndim) if x.shape[axis] > 1), key=lambda axis: -abs(x.strides[axis]))
    axes: list[tuple[int, int, int]] = []
    for axis in order:
        n, there, here = x.shape[axis], y.strides[axis], x.strides[axis]
        if axes and axes[-1][1:] == (n * there, n * here):
            n *= axes.pop()[0]
        axes.append((n, there, here))
    axes[:-1] = sorted(axes[:-1], key=lambda axis: axis[1] == 1)
    return [(1, 0, 0)] * (4 - len(axes)) + axes


@lru_cache(maxsize=4096)
def _table(sizes: tuple[int, ...], steps: tuple[int, ...]) -> Ints:
    """``sum(index * step)`` of every index, in order."""
    table = np.zeros((), np.int64)
    for n, step in zip(sizes, steps, strict=True):
        table = table[..., None] + np.arange(n) * step
    return np.ascontiguousarray(table.reshape(-1))
