"""Nearest-neighbour enlargement by whole factors: every entry repeated."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..onnx_model import Node
from .importer import Import, Refused

ROUND: dict[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda x: math.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: math.floor(x + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}
PLACE: dict[str, Callable[[int, int, int], float]] = {
    "half_pixel": lambda i, size, out: (i + 0.5) * size / out - 0.5,
    "half_pixel_symmetric": lambda i, size, out: (i + 0.5) * size / out - 0.5,
    "pytorch_half_pixel": lambda i, size, out: (i + 0.5) * size / out - 0.5 if out > 1 else 0.0,
    "asymmetric": lambda i, size, out: i * size / out,
    "align_corners": lambda i, size, out: i * (size - 1) / (out - 1) if out > 1 else 0.0,
}


def resize(e: Import, node: Node) -> None:
    """Axes by whole factors; the operator's own rule must take every entry equally often."""
    a, x = node.attrs, node.ins[0]
    if a.get("mode", "nearest") != "nearest":
        raise Refused(f"mode {a['mode']}; only nearest is supported")
    before, after = e.shape(x), e.shape(node.outs[0])
    place, rounded = (
        PLACE.get(a.get("coordinate_transformation_mode", "half_pixel")),
        a.get("nearest_mode", "round_prefer_floor"),
    )
    if place is None or any(out % size for size, out in zip(before, after, strict=True)):
        raise Refused(f"samples of shape {before} to {after}; only whole factors are supported, without a region")
    for size, out in zip(before, after, strict=True):
        chosen = [ROUND[rounded](place(i, size, out)) for i in range(out)]
        if np.clip(chosen, 0, size - 1).tolist() != [i * size // out for i in range(out)]:
            raise Refused("its nearest entries are not each repeated as often; use asymmetric with floor")
    if before == after:
        e.same(node, x)
        return
    between = [n for size in before for n in (size, 1)]
    full = [n for size, out in zip(before, after, strict=True) for n in (size, out // size)]
    y = e.emit(node, "reshape", e.value(x), part="apart", shape=between)
    y = e.emit(node, "expand", y, part="repeated", shape=full)
    e.emit(node, "reshape", y, shape=list(after))
