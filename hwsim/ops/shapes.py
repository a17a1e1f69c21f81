"""Shape and scale rules that several ops share."""

from __future__ import annotations

from ..qtensor import BATCH, QType, Shape


def broadcast(op: str, *shapes: Shape) -> Shape:
    """Numpy's broadcast of shapes, where the batch axis meets itself, a 1, or nothing."""
    rank = max(len(s) for s in shapes)
    out: list[int | str] = []
    for axis in range(rank):
        sizes = {s[axis - rank + len(s)] for s in shapes if axis - rank + len(s) >= 0} - {1}
        if len(sizes) > 1 or (BATCH in sizes and axis > 0):
            raise ValueError(f"{op}: shapes {' and '.join(map(str, shapes))} do not broadcast")
        out.append(sizes.pop() if sizes else 1)
    return tuple(out)


def per_tensor(op: str, t: QType) -> tuple[float, int]:
    """Scale and zero point of a per-tensor type; ValueError for a per-channel one."""
    if isinstance(t.scale, tuple) or isinstance(t.zero_point, tuple):
        raise ValueError(f"{op}: a per-channel input of shape {t.shape} is not taken; requantize it per tensor first")
    return t.scale, t.zero_point


def same_grid(op: str, *types: QType) -> None:
    """ValueError unless all types are per tensor and name numbers alike (format, scale, zero point)."""
    for t in types:
        if per_tensor(op, t) != per_tensor(op, types[0]) or t.fmt != types[0].fmt:
            names = " and ".join(f"{t.fmt.name} scale {t.scale!r} zero_point {t.zero_point}" for t in types)
            raise ValueError(f"{op}: inputs differ: {names}; requantize them to one type first")


def inner_axis(op: str, t: QType, axis: int, rank: int | None = None) -> None:
    """ValueError unless `axis` is a non-negative axis of `t` other than the batch."""
    if not 0 <= axis < (len(t.shape) if rank is None else rank):
        raise ValueError(f"{op}: axis {axis} is outside shape {t.shape}")
    if axis == 0 and t.batched:
        raise ValueError(f"{op}: axis 0 of shape {t.shape} is the batch, which no op may touch")
