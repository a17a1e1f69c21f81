"""Shapes, cuts and order of axes; no number changes."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from ..onnx_model import Node
from .importer import Import, Refused, ints
from .layers import lookup


def reshape(e: Import, node: Node) -> None:
    """Another shape for the same numbers in the same order, whatever the operator is called."""
    x = node.ins[0]
    if e.shape(x) == e.shape(node.outs[0]):
        e.same(node, x)
    else:
        integers = e.model.dtypes.get(x, "float") not in ("float", "float16", "bfloat16", "double")
        e.emit(node, "reshape", e.value(x, integers=integers), shape=list(e.shape(node.outs[0])))


def transpose(e: Import, node: Node) -> None:
    """Axes in another order. What takes the batch off axis 0 waits in `Import.turned` for a Gather to undo it."""
    x = node.ins[0]
    perm = ints(node.attrs.get("perm") or range(e.rank(x))[::-1])
    if x in e.turned:
        x, before = e.turned[x]
        perm = [before[axis] for axis in perm]
    if perm[0] != 0:
        e.value(x)
        e.turned[node.outs[0]] = x, perm
    elif perm == sorted(perm):
        e.same(node, x)
    else:
        e.emit(node, "transpose", e.value(x), perm=perm)


def concat(e: Import, node: Node) -> None:
    """Values, and constants for every sample, one after the other along an axis."""
    rank = e.rank(node.outs[0])
    axis = e.axis(node.outs[0], node.attrs["axis"])
    parts = []
    for name in node.ins:
        if not e.is_constant(name):
            parts.append(e.value(name))
            continue
        x = e.model.constants[name]
        if x.ndim != rank or not (x == x[:1]).all():
            raise Refused(f"constant {name!r} of shape {x.shape} differs from sample to sample")
        parts.append(e.param(name, x[0], suffix="sample"))
    e.emit(node, "concat", *parts, axis=axis)


def cut(e: Import, node: Node) -> None:
    """``x[.., start:stop:step, ..]``, one axis after the other; what takes all of an axis does nothing."""
    x = node.ins[0]
    starts, ends = (ints(e.numbers(node, at, what)) for at, what in ((1, "starts"), (2, "ends")))
    axes = ints(e.numbers(node, 3, "axes")) if e.has(node, 3) else list(range(len(starts)))
    steps = ints(e.numbers(node, 4, "steps")) if e.has(node, 4) else [1] * len(starts)
    shape, cuts = (e.model.batch, *e.shape(x)), []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis %= len(shape)
        if step < 1:
            raise Refused(f"step {step} along axis {axis}; only steps forward are supported")
        start, stop, _ = slice(start, end, step).indices(shape[axis])
        if (start, step) == (0, 1) and stop == shape[axis]:
            continue
        cuts.append((e.axis(x, axis), start, stop, step))
    taken(e, node, e.value(x) if cuts else "", cuts)


def taken(e: Import, node: Node, value: str, cuts: list[tuple[int, int, int, int]]) -> None:
    """Emit slices, the last of which is the node's result."""
    for at, (axis, start, stop, step) in enumerate(cuts):
        if start >= stop:
            raise Refused(f"[{start}:{stop}] along axis {axis} leaves nothing")
        part = "" if at == len(cuts) - 1 else f"cut{at}"
        value = e.emit(node, "slice", value, part=part, axis=axis, start=start, stop=stop, step=step)
    if not cuts:
        e.same(node, node.ins[0])


def split(e: Import, node: Node) -> None:
    """A slice for each result."""
    x, axis = node.ins[0], e.axis(node.ins[0], node.attrs.get("axis", 0))
    value = e.value(x)
    sizes = [e.shape(o)[axis - 1] for o in node.outs]
    for name, stop, size in zip(node.outs, accumulate(sizes), sizes, strict=True):
        one = Node(op=node.op, ins=node.ins, outs=(name,), where=node.where)
        e.emit(one, "slice", value, axis=axis, start=stop - size, stop=stop, step=1)


def gather(e: Import, node: Node) -> None:
    """Rows of a table by a value, or one entry or evenly spaced entries of a value by a constant."""
    x, indices = node.ins
    if e.is_constant(x):
        axis = node.attrs.get("axis", 0)
        if axis != 0 or e.model.constants[x].ndim != 2:
            raise Refused(f"axis {axis} of a table of {e.model.constants[x].ndim} axes; rows of a matrix are supported")
        lookup(e, node, indices, x)
        return
    at = e.numbers(node, 1, "indices (of a value)")
    if at.ndim == 0:
        pick(e, node, int(at))
        return
    axis = e.axis(x, node.attrs.get("axis", 0))
    size = e.shape(x)[axis - 1]
    places = np.where(at < 0, at + size, at).reshape(-1)
    step = int(places[1] - places[0]) if places.size > 1 else 1
    if at.ndim != 1 or not at.size or step < 1 or (np.diff(places) != step).any():
        raise Refused("its indices are not evenly spaced; take slices")
    taken(e, node, e.value(x), [(axis, int(places[0]), int(places[-1]) + 1, step)])


def pick(e: Import, node: Node, index: int) -> None:
    """One entry of an axis, which goes: a slice, a reshape, and the order of axes that waited."""
    x, perm = e.turned.get(node.ins[0], (node.ins[0], list(range(e.rank(node.ins[0])))))
    axis = perm[node.attrs.get("axis", 0) % len(perm)]
    size = e.shape(x)[e.axis(x, axis) - 1]
    index %= size
    left = [n for a, n in enumerate(e.shape(x), 1) if a != axis]
    order = [a - (a > axis) for a in perm if a != axis]
    moved = order != sorted(order)
    y = e.emit(node, "slice", e.value(x), part="cut", axis=axis, start=index, stop=index + 1, step=1)
    y = e.emit(node, "reshape", y, part="picked" if moved else "", shape=left)
    if moved:
        e.emit(node, "transpose", y, perm=order)


def expand(e: Import, node: Node) -> None:
    """Axes of size 1 repeated."""
    x, shape = node.ins[0], e.shape(node.outs[0])
    if e.shape(x) == shape:
        e.same(node, x)
    elif e.rank(x) != e.rank(node.outs[0]):
        raise Refused(f"samples of shape {e.shape(x)} to {shape}; unsqueeze to as many axes")
    else:
        e.emit(node, "expand", e.value(x), shape=list(shape))


def pad(e: Import, node: Node) -> None:
    """Constants before and after a value, axis by axis."""
    if (mode := node.attrs.get("mode", "constant")) != "constant":
        raise Refused(f"mode {mode}; only constant padding is supported")
    x, rank = node.ins[0], e.rank(node.ins[0])
    pads = ints(e.numbers(node, 1, "pads"))
    fill = float(e.numbers(node, 2, "value").reshape(())) if e.has(node, 2) else 0.0
    axes = [a % rank for a in ints(e.numbers(node, 3, "axes"))] if e.has(node, 3) else list(range(rank))
    wanted = [(a, b, c) for a, b, c in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True) if b or c]
    if any(b < 0 or c < 0 for _, b, c in wanted) or not np.isfinite(fill):
        raise Refused(f"pads {pads} with {fill}; use Slice to cut, and finite numbers")
    if not wanted:
        e.same(node, x)
        return
    value, shape = e.value(x), list(e.shape(x))
    for at, (axis, before, after) in enumerate(wanted):
        behind = e.axis(x, axis) - 1
        frames = []
        for side, size in (("before", before), ("after", after)):
            frame = np.full([*shape[:behind], size, *shape[behind + 1 :]], fill)
            frames.append([e.param(node.outs[0], frame, suffix=f"{side}{at}")] if size else [])
        shape[behind] += before + after
        part = "" if at == len(wanted) - 1 else f"pad{at}"
        value = e.emit(node, "concat", *frames[0], value, *frames[1], part=part, axis=axis)
