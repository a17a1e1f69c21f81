"""Means, sums and maxima over axes."""

from __future__ import annotations

import math

from ..onnx_model import Node
from .importer import Import, Refused, ints


def axes_of(e: Import, node: Node) -> list[int]:
    """Axes behind the batch, in order, from the attribute or the input."""
    rank = e.rank(node.ins[0])
    given = ints(e.numbers(node, 1, "axes")) if e.has(node, 1) else ints(node.attrs.get("axes") or [])
    if not given and node.attrs.get("noop_with_empty_axes"):
        return []
    return sorted(e.axis(node.ins[0], a) for a in given or range(rank))


def mean(e: Import, node: Node) -> None:
    """Mean over axes."""
    reduce(e, node, "mean")


def total(e: Import, node: Node) -> None:
    """Sum over axes."""
    reduce(e, node, "sum")


def reduce(e: Import, node: Node, op: str) -> None:
    """Emit a reduction; a reshape after it where the file drops the axes."""
    axes, x = axes_of(e, node), e.value(node.ins[0])
    if not axes:
        e.same(node, node.ins[0])
    elif node.attrs.get("keepdims", 1):
        e.emit(node, op, x, axes=axes)
    else:
        y = e.emit(node, op, x, part="kept", axes=axes)
        e.emit(node, "reshape", y, shape=list(e.shape(node.outs[0])))


def maximum(e: Import, node: Node) -> None:
    """Maximum over neighbouring axes: a pool as high as they are, over (before, them, after)."""
    axes, x, shape = axes_of(e, node), e.value(node.ins[0]), e.shape(node.ins[0])
    if not axes:
        e.same(node, node.ins[0])
        return
    if axes != list(range(axes[0], axes[-1] + 1)):
        raise Refused(f"axes {axes} do not lie side by side; take one maximum after the other")
    parts = shape[: axes[0] - 1], shape[axes[0] - 1 : axes[-1]], shape[axes[-1] :]
    sizes = [math.prod(part) for part in parts]
    rows = e.emit(node, "reshape", x, part="rows", shape=sizes)
    window = {"kernel": [sizes[1], 1], "stride": [1, 1], "padding": [[0, 0], [0, 0]]}
    y = e.emit(node, "max_pool2d", rows, part="max", **window)
    e.emit(node, "reshape", y, shape=list(e.shape(node.outs[0])))
