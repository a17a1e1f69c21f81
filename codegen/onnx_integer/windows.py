"""Strides, padding and dilation of convolutions and pools; a 1-D window is one row of a 2-D one."""

from __future__ import annotations

from ..onnx_model import Node
from .reading import Refused

Pair = tuple[int, int]


def windows(node: Node, kernel: Pair, size: tuple[int, ...]) -> tuple[Pair, tuple[Pair, Pair], Pair]:
    """Stride, padding ((top, bottom), (left, right)) and dilation, from attributes and ``auto_pad``."""
    strides, dilations = (_pair(node, key) for key in ("strides", "dilations"))
    auto = node.attrs.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        sides = []
        for n, k, s, d in zip(size, kernel, strides, dilations, strict=True):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            less, more = total // 2, total - total // 2
            sides.append((less, more) if auto == "SAME_UPPER" else (more, less))
        return strides, (sides[0], sides[1]), dilations
    pads = [int(p) for p in node.attrs.get("pads", ())] if auto == "NOTSET" else []
    if not pads:
        return strides, ((0, 0), (0, 0)), dilations
    if len(pads) == 2:
        pads = [0, pads[0], 0, pads[1]]
    if len(pads) != 4 or min(pads) < 0:
        raise Refused(f"pads {pads} must be 2 or 4 numbers >= 0")
    return strides, ((pads[0], pads[2]), (pads[1], pads[3])), dilations


def kernel_of(node: Node) -> Pair:
    """The window's size."""
    return _pair(node, "kernel_shape")


def _pair(node: Node, key: str) -> Pair:
    sizes = [int(s) for s in node.attrs.get(key, ())]
    if not sizes:
        return (1, 1)
    if len(sizes) == 1:
        return (1, sizes[0])
    if len(sizes) != 2:
        raise Refused(f"{key} {sizes}: only windows of 1 and 2 dimensions are read")
    return (sizes[0], sizes[1])
