"""Where a lowered value keeps its channels.

Sources are channels-first (N, C, H, W) or (N, C, L); conv2d and pool want (N, H, W, C). Nothing is transposed until
somebody reads a layout that is not there, so runs of such layers carry no transposes at all.

    PLAIN    as in the front graph
    NHWC     channels last; a 3-D front value counts as one row, (N, 1, L, C)
    FLAT     the NHWC codes of (N, C, H, W) as one row of numbers, where the front has (N, C * H * W)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..front_ops import Floats
from ..graph import Graph, Value
from ..ops import Reshape, Transpose

PLAIN, NHWC, FLAT = "plain", "nhwc", "flat"


class Lowered(NamedTuple):
    """A value of the graph, its layout, for FLAT the sizes (C, H, W) that were flattened, and its codes in blocks."""

    value: Value
    layout: str = PLAIN
    image: tuple[int, ...] = ()
    blocks: tuple[Value, ...] = ()  # codes and exponents


def as_stored(x: Floats, graph: Graph, v: Value) -> Floats | None:
    """A front value laid out as `v`, its integer twin, is; None where the two cannot be compared element by element."""
    layout = graph.recipe.get("layouts", {}).get(v.name, PLAIN)
    if layout == NHWC:
        x = np.moveaxis(x, 1, -1).reshape(len(x), *v.type.sample_shape)
    return x if layout != FLAT and x.shape[1:] == v.type.sample_shape else None


def nhwc_axis(axis: int, rank: int) -> int:
    """Axis of the NHWC form that front axis `axis` of a value with `rank` axes becomes."""
    return {0: 0, 1: 3, rank - 1: 2}.get(axis, 1)


def to_nhwc(g: Graph, v: Value) -> Value:
    """Channels-first (N, C, H, W) or (N, C, L) -> (N, H, W, C)."""
    channels, *size = v.type.sample_shape
    last = moved(g, v, (0, *range(2, len(v.type.shape)), 1))
    return last if len(size) == 2 else reshaped(g, last, (1, *size, channels))


def to_plain(g: Graph, x: Lowered, shape: tuple[int, ...]) -> Value:
    """The value in the front graph's layout; `shape` is the front's shape of one sample."""
    if x.layout == PLAIN:
        return x.value
    channels, *size = x.image or shape
    image = reshaped(g, x.value, (*size, channels))
    return reshaped(g, moved(g, image, (0, len(size) + 1, *range(1, len(size) + 1))), shape)


def moved(g: Graph, v: Value, perm: tuple[int, ...]) -> Value:
    """A transpose, or a reshape where only axes of size 1 change places."""
    if perm == tuple(range(len(perm))):
        return v
    shape = tuple(v.type.shape[p] for p in perm)
    if [p for p in perm if v.type.shape[p] != 1] == sorted(p for p in perm if v.type.shape[p] != 1):
        return reshaped(g, v, tuple(int(d) for d in shape[v.type.batched :]))
    return g.add(Transpose(perm=perm), v)


def reshaped(g: Graph, v: Value, shape: tuple[int, ...], name: str = "") -> Value:
    """A reshape, unless there is nothing to do."""
    if v.type.sample_shape == shape and not name:
        return v
    return g.add(Reshape(shape=shape), v, name=name)
