"""Shapes, cuts and order of axes of torch in the front graph; no number changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .frameworks import torch
from .torch_calls import (
    Call,
    Refused,
    axis_of,
    inner_size,
    is_bookkeeping,
    op_of,
    operands,
    rank_of,
    result_of,
    settings,
    shape_of,
)

if TYPE_CHECKING:
    from .export import Export


def same(e: Export, node: Call) -> None:
    """What changes no number: the value passes."""
    e.same(node, operands(node)[0])


def cast(e: Export, node: Call) -> None:
    """Between real dtypes: front graphs are float32 throughout."""
    x = operands(node)[0]
    if x in e.counts and result_of(node).dtype != torch.bool:
        same(e, node)
        return
    if x not in e.refused and not (result_of(x).is_floating_point() and result_of(node).is_floating_point()):
        raise Refused(f"to {result_of(node).dtype}; only real numbers are supported, convert outside the model")
    same(e, node)


def reshape(e: Export, node: Call) -> None:
    """Another shape for the same numbers in the same order, whatever it is called in torch."""
    x = operands(node)[0]
    if shape_of(x) == shape_of(node):
        same(e, node)
    else:
        e.emit(node, "reshape", e.value(x), shape=list(e.sample_shape(node)))


def transpose(e: Export, node: Call) -> None:
    """Two axes swapped, or all in a given order. What takes the batch off axis 0 waits in `Export.moved`.

    Why: ``q, k, v = qkv.permute(2, 0, 3, 1, 4)`` is how most attention is written; it takes the batch off axis 0 only
    until q, k and v are taken apart.
    """
    s = settings(node)
    x = s["self"]
    perm = list(range(rank_of(x)))
    if "dims" in s:
        perm = [axis_of(x, d) for d in s["dims"]]
    else:
        a, b = axis_of(x, s.get("dim0", 0)), axis_of(x, s.get("dim1", 1))
        perm[a], perm[b] = perm[b], perm[a]
    if x in e.moved:
        x, before = e.moved[x]
        perm = [before[axis] for axis in perm]
    if perm == sorted(perm):
        e.same(node, x)
    elif perm[0] != 0 and is_taken_apart(e, node):
        e.value(x)
        e.moved[node] = x, perm
    else:
        e.emit(node, "transpose", e.value(x), perm=perm)


def is_taken_apart(e: Export, node: Call) -> bool:
    """Whether all that reads `node` takes one of an axis, or puts the batch on axis 0 again."""
    users = [u for u in node.users if u.op == "output" or not is_bookkeeping(u)]
    return bool(users) and all(puts_back(e, node, u) for u in users)


def puts_back(e: Export, node: Call, user: Call) -> bool:
    """Whether one of the readers does."""
    if op_of(user) in ("transpose", "permute", "alias", "clone", "detach") or (
        op_of(user) in ("view", "_unsafe_view", "reshape") and shape_of(user) == shape_of(node)
    ):
        return shape_of(user)[:1] == (e.batch,) or is_taken_apart(e, user)
    return op_of(user) in ("select", "unbind")


def cut(e: Export, node: Call) -> None:
    """``x[.., start:stop:step, ..]``."""
    s = settings(node)
    x = s["self"]
    if shape_of(x) == shape_of(node):
        same(e, node)
        return
    axis = axis_of(x, s["dim"])
    start, stop, step = slice(s["start"], s["end"], s["step"]).indices(inner_size(x, axis))
    if start >= stop:
        raise Refused(f"[{start}:{stop}] leaves nothing")
    e.emit(node, "slice", e.value(x), axis=axis, start=start, stop=stop, step=step)


def select(e: Export, node: Call) -> None:
    """``x[.., index, ..]``: a slice of one, and its axis dropped."""
    s = settings(node)
    pick(e, node, s["self"], axis_of(s["self"], s["dim"]), int(s["index"]))


def pick(e: Export, node: Call, x: Call, axis: int, index: int) -> None:
    """Emit a slice of one, a reshape, and the order of axes that waited, for `node`."""
    index %= inner_size(x, axis)
    x, perm = e.moved.get(x, (x, list(range(rank_of(x)))))
    taken = perm[axis]
    perm = [a - (a > taken) for a in perm if a != taken]
    y = e.emit(node, "slice", e.value(x), axis=taken, start=index, stop=index + 1, step=1)
    y = e.emit(node, "reshape", y, shape=[int(size) for a, size in enumerate(shape_of(x)) if a not in (0, taken)])
    if perm != sorted(perm):
        e.emit(node, "transpose", y, perm=perm)


def expand(e: Export, node: Call) -> None:
    """Axes of size 1 repeated."""
    x = settings(node)["self"]
    if shape_of(x) == shape_of(node):
        same(e, node)
        return
    shape, y = list(e.sample_shape(node)), e.value(x)
    if rank_of(x) != rank_of(node):
        raise Refused(f"({', '.join(shape_of(x))}) has fewer axes than ({', '.join(shape_of(node))}); unsqueeze first")
    e.emit(node, "expand", y, shape=shape)


def repeat(e: Export, node: Call) -> None:
    """``repeat_interleave``: every entry of an axis `repeats` times, one after the other."""
    s = settings(node)
    x = s["self"]
    if s["dim"] is None:
        raise Refused("without an axis it flattens the batch; give dim")
    axis = axis_of(x, s["dim"])
    inner_size(x, axis)
    if shape_of(x) == shape_of(node):
        same(e, node)
    else:
        e.sample_shape(node)
        repeated(e, node, e.value(x), shape_of(x), axis, int(s["repeats"]))


def repeated(e: Export, node: Call, value: str, shape: tuple[str, ...], axis: int, times: int) -> str:
    """Emit `value`, of `shape`, with every entry of an axis `times` times: an axis behind it is expanded, merged."""
    before, size, after = list(map(int, shape[1:axis])), int(shape[axis]), list(map(int, shape[axis + 1 :]))
    y = e.emit(node, "reshape", value, shape=[*before, size, 1, *after])
    y = e.emit(node, "expand", y, shape=[*before, size, times, *after])
    return e.emit(node, "reshape", y, shape=[*before, size * times, *after])


def concat(e: Export, node: Call) -> None:
    """Values, and parameters for every sample, one after the other along an axis."""
    s = settings(node)
    xs = s["tensors"]
    axis = axis_of(node, s["dim"])
    inner_size(node, axis)
    e.emit(node, "concat", *(e.operand(node, x) if x in e.repeated else e.value(x) for x in xs), axis=axis)


def stack(e: Export, node: Call) -> None:
    """Values along a new axis: each reshaped, then concatenated."""
    s = settings(node)
    axis, shape = axis_of(node, s["dim"]), list(e.sample_shape(node))
    inner_size(node, axis)
    shape[axis - 1] = 1
    parts = [e.emit(node, "reshape", e.value(x), shape=shape) for x in s["tensors"]]
    e.emit(node, "concat", *parts, axis=axis)


def several(e: Export, node: Call) -> None:
    """chunk, split, unbind: checked here, emitted where a part is taken (`item`)."""
    s = settings(node)
    x = s["self"]
    inner_size(x, axis_of(x, s["dim"]))
    e.value(e.moved[x][0] if x in e.moved and op_of(node) == "unbind" else x)


def item(e: Export, node: Call) -> None:
    """One result of an operation with several."""
    source, i = node.args
    if source in e.refused:
        raise Refused
    name = op_of(source)
    if name in ("_native_batch_norm_legit_no_training", "native_layer_norm") and i == 0:
        e.same(node, source)
        return
    if name not in ("split", "split_with_sizes", "unbind"):
        return
    s = settings(source)
    x, axis = s["self"], axis_of(s["self"], s["dim"])
    if name == "unbind":
        pick(e, node, x, axis, i)
        return
    total = inner_size(x, axis)
    sizes = s.get("split_sizes") or [s["split_size"]] * -(-total // s["split_size"])
    start = sum(sizes[:i])
    if (start, sizes[i]) == (0, total):
        e.same(node, x)
    else:
        e.emit(node, "slice", e.value(x), axis=axis, start=start, stop=min(start + sizes[i], total), step=1)
