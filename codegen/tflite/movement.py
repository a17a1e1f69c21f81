"""Converters of operators that only move codes; the batch stays the first axis."""

from __future__ import annotations

from collections.abc import Callable

from hwsim.graph import Value
from hwsim.ops import Concat, Pad, Reshape, Slice, Split, Transpose
from hwsim.ops.shapes import per_tensor, same_grid

from .context import Operator, Reading, whole


def _reshaped(r: Reading, op: Operator, x: Value, name: str) -> Value:
    """`x` in the shape of the operator's result."""
    return r.graph.add(Reshape(shape=r.type(op.outs[0]).sample_shape), x, name=name)


def _axis(value: int, rank: int) -> int:
    """A non-negative axis behind the batch."""
    axis = value + rank if value < 0 else value
    if axis == 0:
        raise ValueError("axis 0 is the batch, which no operator may touch; keep the batch first")
    return whole("axis", axis, 1, rank - 1)


def convert_reshape(r: Reading, op: Operator) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: one sample's codes under another shape."""
    before, after = r.tensor(op.ins[0]).shape, r.tensor(op.outs[0]).shape
    if before[:1] != after[:1]:
        raise ValueError(f"{before} to {after} moves the batch axis; keep the first size")
    r.define(op.outs[0], _reshaped(r, op, r.value(op.ins[0]), r.name(op.outs[0])))


def convert_transpose(r: Reading, op: Operator) -> None:
    """TRANSPOSE."""
    r.define(op.outs[0], r.graph.add(Transpose(perm=r.numbers(op.ins[1])), r.value(op.ins[0]), name=r.name(op.outs[0])))


def convert_pad(r: Reading, op: Operator) -> None:
    """PAD with real 0, PADV2 with a given code."""
    x, widths = r.value(op.ins[0]), r.constant(op.ins[1]).codes
    zero = per_tensor("pad", x.type)[1]
    if op.has(2):
        same_grid("pad", x.type, r.constant(op.ins[2]).type)
        (zero,) = r.numbers(op.ins[2])
    if widths.shape != (len(x.type.shape), 2) or widths[0].any() or widths.min() < 0:
        raise ValueError(f"paddings {widths.tolist()} must be two a axis, >= 0, and none of the batch")
    before, after = (tuple(int(p) for p in widths[1:, side]) for side in (0, 1))
    sizes = zip(before, x.type.sample_shape, after, strict=True)
    if tuple(b + n + a for b, n, a in sizes) != r.type(op.outs[0]).sample_shape:
        raise ValueError(f"paddings {widths.tolist()} of {x.type.shape} do not give {r.type(op.outs[0]).shape}")
    pad = Pad(before=before, after=after, value=zero)
    r.define(op.outs[0], r.graph.add(pad, x, name=r.name(op.outs[0])))


def convert_strided_slice(r: Reading, op: Operator) -> None:
    """STRIDED_SLICE with positive steps."""
    x, rank = r.value(op.ins[0]), len(r.value(op.ins[0]).type.shape)
    begins, ends, steps = (r.numbers(i) for i in op.ins[1:4])
    for mask in ("ellipsis_mask", "new_axis_mask"):
        if op.options[mask]:
            raise ValueError(f"{mask} {op.options[mask]} is not taken; reshape instead")
    if op.options["offset"] or {len(begins), len(ends), len(steps)} != {rank} or min(steps) < 1:
        raise ValueError(f"begin {begins}, end {ends}, steps {steps}: one a axis and steps >= 1 are needed, no offset")
    cuts = []
    for axis, size in enumerate(r.tensor(op.ins[0]).shape):
        begin = None if op.options["begin_mask"] >> axis & 1 else begins[axis]
        end = None if op.options["end_mask"] >> axis & 1 else ends[axis]
        if op.options["shrink_axis_mask"] >> axis & 1:
            begin = begins[axis] + (size if begins[axis] < 0 else 0)
            end = begin + 1
        start, stop, step = slice(begin, end, steps[axis]).indices(size)
        cuts.append((start, stop, step))
    _cut(r, op, x, cuts, op.options["shrink_axis_mask"])


def convert_slice(r: Reading, op: Operator) -> None:
    """SLICE: a size of -1 is all the rest."""
    x, begins, sizes = r.value(op.ins[0]), r.numbers(op.ins[1]), r.numbers(op.ins[2])
    shape = r.tensor(op.ins[0]).shape
    if not len(begins) == len(sizes) == len(shape):
        raise ValueError(f"begin {begins} and size {sizes} must have one number a axis of {shape}")
    ends = [n if s == -1 else b + s for b, s, n in zip(begins, sizes, shape, strict=True)]
    _cut(r, op, x, [(b, e, 1) for b, e in zip(begins, ends, strict=True)], 0)


def _cut(r: Reading, op: Operator, x: Value, cuts: list[tuple[int, int, int]], shrink: int) -> None:
    """One `Slice` for each axis that loses something, the last under the result's name."""
    shape, name = r.tensor(op.ins[0]).shape, r.name(op.outs[0])
    wanted = [a for a, n in enumerate(shape) if cuts[a] != (0, n, 1)]
    if 0 in wanted or shrink & 1:
        raise ValueError(f"cut {cuts[0]} of the batch, which no operator may touch; keep the batch first")
    last = None if shrink or not wanted else wanted[-1]
    for axis in wanted:
        start, stop, step = cuts[axis]
        part = name if axis == last else f"{name}.axis{axis}"
        x = r.graph.add(Slice(axis=axis, start=start, stop=stop, step=step), x, name=part)
    r.define(op.outs[0], x if last is not None else _reshaped(r, op, x, name))


def convert_split(r: Reading, op: Operator) -> None:
    """SPLIT (axis, x), SPLIT_V (x, sizes, axis): consecutive parts."""
    axis_at, x_at = (0, 1) if op.kind == "SPLIT" else (2, 0)
    x, (axis,) = r.value(op.ins[x_at]), r.numbers(op.ins[axis_at])
    axis = _axis(axis, len(x.type.shape))
    sizes = tuple(int(r.type(i).shape[axis]) for i in op.outs)
    if len(sizes) == 1:
        r.define(op.outs[0], _reshaped(r, op, x, r.name(op.outs[0])))
        return
    parts = r.graph.add_all(Split(axis=axis, sizes=sizes), x, names=[r.name(i) for i in op.outs])
    for i, v in zip(op.outs, parts, strict=True):
        r.define(i, v)


def convert_unpack(r: Reading, op: Operator) -> None:
    """UNPACK: each index of an axis as a result without it."""
    x = r.value(op.ins[0])
    axis = _axis(op.options["axis"], len(x.type.shape))
    for k, i in enumerate(op.outs):
        part = r.graph.add(Slice(axis=axis, start=k, stop=k + 1), x, name=f"{r.name(i)}.part")
        r.define(i, r.graph.add(Reshape(shape=r.type(i).sample_shape), part, name=r.name(i)))


def convert_pack(r: Reading, op: Operator) -> None:
    """PACK: values of one type along a new axis."""
    out, name = r.type(op.outs[0]), r.name(op.outs[0])
    axis = _axis(op.options["axis"], len(out.shape))
    thin = (*out.sample_shape[: axis - 1], 1, *out.sample_shape[axis:])
    parts = [r.graph.add(Reshape(shape=thin), r.value(i), name=f"{name}.part{k}") for k, i in enumerate(op.ins)]
    r.define(op.outs[0], r.graph.add(Concat(axis=axis), *parts, name=name))


def convert_concat(r: Reading, op: Operator) -> None:
    """CONCATENATION of values of one scale; others are the nonlinear family's."""
    if op.options["fused_activation_function"] != "NONE":
        raise ValueError("a fused activation is not taken; fuse it with the layers before it")
    values = [r.value(i) for i in op.ins]
    axis = _axis(op.options["axis"], len(r.type(op.outs[0]).shape))
    r.define(op.outs[0], r.graph.add(Concat(axis=axis), *values, name=r.name(op.outs[0])))


MOVEMENT: dict[str, Callable[[Reading, Operator], None]] = {
    "RESHAPE": convert_reshape,
    "SQUEEZE": convert_reshape,
    "EXPAND_DIMS": convert_reshape,
    "TRANSPOSE": convert_transpose,
    "PAD": convert_pad,
    "PADV2": convert_pad,
    "STRIDED_SLICE": convert_strided_slice,
    "SLICE": convert_slice,
    "SPLIT": convert_split,
    "SPLIT_V": convert_split,
    "UNPACK": convert_unpack,
    "PACK": convert_pack,
    "CONCATENATION": convert_concat,
}
