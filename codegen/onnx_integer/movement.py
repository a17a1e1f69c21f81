"""Codes that only move: reshape, transpose, slice, split, gather, pad; maxima; and codes that are limited."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from hwsim.contracts import Pow2
from hwsim.dialects.linear import requant
from hwsim.dialects.ort_functions import dequantized
from hwsim.formats import IntFormat
from hwsim.graph import Value
from hwsim.lowering.layout import NHWC
from hwsim.ops import Expand, Pad, Pool, Reduce, Reshape, Slice, Transpose
from hwsim.qtensor import encode

from ..onnx_model import Node
from .expression import Held
from .reading import LIMITS, Reading, Refused
from .windows import kernel_of, windows

Move = Callable[[Reading, Node, Held, str, int], Held]


def moved(r: Reading, node: Node, x: Held, name: str, k: int = 0) -> Held:
    """The k-th result of a movement of `x`, under `name`."""
    return MOVEMENT[node.op](r, node, x, name, k)


def narrowed(r: Reading, node: Node, x: Held) -> Held:
    """Clip of codes."""
    op = requant(x.value.type, Pow2(shift=(0,)), *code_limits(r, node))
    return r.held(r.graph.add(op, x.value, name=node.outs[0]), x.shape, x.layout)


def code_limits(r: Reading, node: Node) -> LIMITS:
    """Least and greatest code that a Clip of codes leaves."""
    low, high = (int(r.numbers(i).reshape(-1)[0]) if i else None for i in (*node.ins[1:], "", "")[:2])
    return low, high


def _same(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    if k:
        raise Refused(f"result {k} of {node.op} is not read")
    return x


def _ints(r: Reading, node: Node, at: int, attr: str) -> list[int] | None:
    """Integers of a constant input, or of an attribute of older opsets; None where there are none."""
    if at < len(node.ins) and node.ins[at]:
        return [int(i) for i in r.numbers(node.ins[at]).reshape(-1)]
    found = node.attrs.get(attr)
    return None if found is None else [int(i) for i in np.atleast_1d(found)]


def _axis(axis: int, rank: int) -> int:
    """An axis behind the batch, counted from the front, the batch among them."""
    if not -rank <= axis < rank or axis % rank == 0:
        raise Refused(f"axis {axis} of {rank}: must lie behind the batch")
    return axis % rank


def _reshaped(r: Reading, x: Held, shape: tuple[int, ...], name: str) -> Held:
    if prod(shape) != prod(x.shape):
        raise Refused(f"reshapes a sample of {x.shape} to {shape}; the batch must stay the first axis")
    v = r.plain(x)
    return r.held(r.graph.add(Reshape(shape=shape), v, name=name), shape)


def _reshape(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    target = _ints(r, node, 1, "shape") or []
    if target[:1] not in ([0], [-1], [r.model.batch]):
        raise Refused(f"reshapes a sample of {x.shape} to {target}; the batch must stay the first axis")
    shape = [x.shape[i - 1] if n == 0 and not node.attrs.get("allowzero") else n for i, n in enumerate(target) if i]
    if shape.count(-1) == 1:
        rest = prod(n for n in shape if n != -1)
        shape[shape.index(-1)] = prod(x.shape) // max(rest, 1)
    return _reshaped(r, x, tuple(shape), name)


def _flatten(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    if node.attrs.get("axis", 1) != 1:
        raise Refused(f"Flatten at axis {node.attrs['axis']}; only 1 keeps the batch")
    return _reshaped(r, x, (prod(x.shape),), name)


def _squeeze(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    rank, axes = len(x.shape) + 1, _ints(r, node, 1, "axes")
    if axes is None and r.model.batch == 1:
        raise Refused("squeezes all axes of size 1, the batch among them; name the axes")
    gone = [i for i, n in enumerate(x.shape, 1) if n == 1] if axes is None else [_axis(a, rank) for a in axes]
    return _reshaped(r, x, tuple(n for i, n in enumerate(x.shape, 1) if i not in gone), name)


def _unsqueeze(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    axes = _ints(r, node, 1, "axes") or []
    rank, rest = len(x.shape) + 1 + len(axes), iter(x.shape)
    new = [_axis(a, rank) for a in axes]
    return _reshaped(r, x, tuple(1 if i in new else next(rest) for i in range(1, rank)), name)


def _transpose(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    rank = len(x.shape) + 1
    perm = tuple(int(p) for p in node.attrs.get("perm", range(rank)[::-1]))
    if sorted(perm) != list(range(rank)) or perm[0]:
        raise Refused(f"transposes by {perm}; the batch must stay the first axis")
    y = r.graph.add(Transpose(perm=perm), r.plain(x), name=name)
    return r.held(y, y.type.sample_shape)


def _cut(r: Reading, x: Value, axis: int, start: int, stop: int, step: int, name: str) -> Value:
    return r.graph.add(Slice(axis=axis, start=start, stop=stop, step=step), x, name=name)


def _slice(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    starts, ends = _ints(r, node, 1, "starts") or [], _ints(r, node, 2, "ends") or []
    axes = _ints(r, node, 3, "axes") or list(range(len(starts)))
    steps = _ints(r, node, 4, "steps") or [1] * len(starts)
    v, rank = r.plain(x), len(x.shape) + 1
    for i, (start, end, axis, step) in enumerate(zip(starts, ends, axes, steps, strict=True)):
        at = _axis(axis, rank)
        if step < 1:
            raise Refused(f"slices backwards, step {step}")
        first, last, _ = slice(start, end, step).indices(v.type.sample_shape[at - 1])
        v = _cut(r, v, at, first, last, step, name if i == len(axes) - 1 else f"{name}.axis{at}")
    return r.held(v, v.type.sample_shape)


def _split(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    at = _axis(int(node.attrs.get("axis", 0)), len(x.shape) + 1)
    size, parts = x.shape[at - 1], len(node.outs)
    whole = -(-size // parts)
    sizes = _ints(r, node, 1, "split") or [min(whole, size - i * whole) for i in range(parts)]
    start = sum(sizes[:k])
    v = _cut(r, r.plain(x), at, start, start + sizes[k], 1, name)
    return r.held(v, v.type.sample_shape)


def _gather(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    """One constant index, or a run of them, along an axis."""
    at = _axis(int(node.attrs.get("axis", 0)), len(x.shape) + 1)
    index = r.numbers(node.ins[1]).astype(int)
    size = x.shape[at - 1]
    found = np.where(index < 0, index + size, index).reshape(-1)
    if index.ndim > 1 or not index.size or (np.diff(found) != 1).any() or found.min() < 0 or found.max() >= size:
        raise Refused(f"gathers {index.reshape(-1)[:8].tolist()} of {size}: only one index or a run of them is read")
    cut = _cut(r, r.plain(x), at, int(found[0]), int(found[-1]) + 1, 1, name if index.ndim else f"{name}.run")
    shape = tuple(n for i, n in enumerate(cut.type.sample_shape, 1) if index.ndim or i != at)
    return Held(cut, shape) if index.ndim else r.held(r.graph.add(Reshape(shape=shape), cut, name=name), shape)


def _pad(r: Reading, node: Node, x: Held, name: str, k: int, *, exact: bool = False) -> Held:
    """A constant border: code or real, as the node's input is; `exact` where nothing quantizes the real after it."""
    pads, rank = _ints(r, node, 1, "pads") or [], len(x.shape) + 1
    if len(node.ins) > 3 and node.ins[3] and len(pads) % 2 == 0:
        some, axes, pads = pads, _ints(r, node, 3, "axes") or [], [0] * 2 * rank
        for i, axis in enumerate(axes):
            pads[axis % rank], pads[rank + axis % rank] = some[i], some[len(axes) + i]
    if (
        node.attrs.get("mode", "constant") != "constant"
        or len(pads) != 2 * rank
        or min(pads) < 0
        or pads[0]
        or pads[rank]
    ):
        raise Refused(
            f"pads by {pads}, mode {node.attrs.get('mode', 'constant')}; a constant border behind the batch is read"
        )
    t, real = x.value.type, node.ins[0] not in r.codes
    value: Any = r.numbers(node.ins[2]).reshape(-1)[0] if len(node.ins) > 2 and node.ins[2] else 0
    code = int(encode(np.asarray(float(value)), t.reshaped(()))) if real else int(value)
    if real and exact and float(dequantized(t)[code - t.fmt.min_code]) != float(value):
        raise Refused(f"pads with {value}, which is no number of scale {t.scale!r}; quantize what was padded")
    op = Pad(before=tuple(pads[1:rank]), after=tuple(pads[rank + 1 :]), value=code)
    y = r.graph.add(op, r.plain(x), name=name)
    return r.held(y, y.type.sample_shape)


def _expand(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    target = _ints(r, node, 1, "shape") or []
    if len(target) != len(x.shape) + 1 or target[0] not in (1, r.model.batch):
        raise Refused(f"expands {x.shape} to {target}; ranks must be equal, and the batch stays what it is")
    shape = tuple(max(a, b) for a, b in zip(x.shape, target[1:], strict=True))
    return r.held(r.graph.add(Expand(shape=shape), r.plain(x), name=name), shape)


def _max_pool(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    """The largest code of each window, channels-last."""
    kernel, image = kernel_of(node), r.image(x)
    stride, padding, dilation = windows(node, kernel, image.type.sample_shape[:2])
    if dilation != (1, 1) or node.attrs.get("ceil_mode") or k:
        raise Refused("MaxPool with dilation, ceil_mode or indices is not read")
    y = r.graph.add(Pool(kind="max", kernel=kernel, stride=stride, padding=padding), image, name=name)
    height, width, channels = y.type.sample_shape
    return r.held(y, (channels, width) if len(x.shape) == 2 else (channels, height, width), NHWC)


def _global_max(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    axes, fmt = tuple(range(2, len(x.shape) + 1)), x.value.type.fmt
    assert isinstance(fmt, IntFormat)
    y = r.graph.add(Reduce(kind="max", axes=axes, fmt=fmt), r.plain(x), name=name)
    return r.held(y, y.type.sample_shape)


def unquantized(r: Reading, node: Node, x: Held, name: str, k: int) -> Held:
    """A movement of reals whose results nothing quantizes: a border must be a number of their grid."""
    if node.op == "Pad":
        return _pad(r, node, x, name, k, exact=True)
    return moved(r, node, x, name, k)


MOVEMENT: dict[str, Move] = {
    **{"Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze},
    **{"Transpose": _transpose, "Slice": _slice, "Split": _split, "Gather": _gather, "Pad": _pad, "Expand": _expand},
    **{"MaxPool": _max_pool, "GlobalMaxPool": _global_max, "Identity": _same, "Dropout": _same},
}
