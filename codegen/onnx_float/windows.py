"""Convolutions and pools; channels second, as ONNX has them."""

from __future__ import annotations

from ..onnx_model import Node
from .importer import Import, Refused, ints


def conv(e: Import, node: Node) -> None:
    """conv1d or conv2d."""
    weight = e.numbers(node, 1, "weight")
    rank = checked_rank(e, node)
    kernel, stride, dilation = list(weight.shape[2:]), spread(node, "strides", rank), spread(node, "dilations", rank)
    ins = [e.value(node.ins[0]), e.param(node.ins[1])]
    if e.has(node, 2):
        e.numbers(node, 2, "bias")
        ins.append(e.param(node.ins[2]))
    padding = around(e, node, kernel, stride, dilation)
    e.emit(
        node, f"conv{rank}d", *ins, stride=stride, padding=padding, dilation=dilation, groups=node.attrs.get("group", 1)
    )


def checked_rank(e: Import, node: Node) -> int:
    """1 or 2 axes of space."""
    rank = e.rank(node.ins[0]) - 2
    if rank not in (1, 2):
        raise Refused(f"{rank} axes of space; 1 and 2 are supported")
    return rank


def spread(node: Node, name: str, rank: int) -> list[int]:
    """An attribute with one number an axis, 1 where the file leaves it out."""
    return ints(node.attrs[name]) if node.attrs.get(name) else [1] * rank


def around(e: Import, node: Node, kernel: list[int], stride: list[int], dilation: list[int]) -> list[list[int]]:
    """[before, after] for each axis, from ``pads`` or ``auto_pad``."""
    how, rank = node.attrs.get("auto_pad", "NOTSET"), len(kernel)
    if how == "VALID":
        return [[0, 0]] * rank
    if how == "NOTSET":
        pads = ints(node.attrs.get("pads") or [0] * 2 * rank)
        return [[pads[i], pads[i + rank]] for i in range(rank)]
    found = []
    for size, k, s, d in zip(e.shape(node.ins[0])[1:], kernel, stride, dilation, strict=True):
        whole = max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
        less = whole // 2
        found.append([less, whole - less] if how == "SAME_UPPER" else [whole - less, less])
    return found


def pool(e: Import, node: Node, op: str) -> None:
    """Either kind; ``ceil_mode`` only where it changes nothing."""
    rank, kernel = checked_rank(e, node), ints(node.attrs["kernel_shape"])
    stride, dilation = spread(node, "strides", rank), spread(node, "dilations", rank)
    if any(d != 1 for d in dilation):
        raise Refused(f"dilations {dilation}; pools with gaps are not supported")
    padding = around(e, node, kernel, stride, dilation)
    sizes = zip(e.shape(node.ins[0])[1:], kernel, stride, padding, strict=True)
    outs = [(size + sum(p) - k) // s + 1 for size, k, s, p in sizes]
    if tuple(outs) != e.shape(node.outs[0])[1:]:
        raise Refused("ceil_mode lets windows hang over the edge; use pads")
    e.emit(node, f"{op}{rank}d", e.value(node.ins[0]), kernel=kernel, stride=stride, padding=padding)


def max_pool(e: Import, node: Node) -> None:
    """Maximum under a window."""
    if len(node.outs) > 1 and node.outs[1] in e.readers:
        raise Refused("somebody reads its indices; only the maxima are supported")
    pool(e, node, "max_pool")


def avg_pool(e: Import, node: Node) -> None:
    """Mean under a window; what lies outside counts as 0."""
    padded = any(ints(node.attrs.get("pads") or [0])) or node.attrs.get("auto_pad", "NOTSET").startswith("SAME")
    if padded and not node.attrs.get("count_include_pad", 0):
        raise Refused("count_include_pad = 0 with padding gives every border its own divisor; use 1")
    pool(e, node, "avg_pool")


def global_max_pool(e: Import, node: Node) -> None:
    """A window as large as the image."""
    rank = checked_rank(e, node)
    kernel = list(e.shape(node.ins[0])[1:])
    e.emit(node, f"max_pool{rank}d", e.value(node.ins[0]), kernel=kernel, stride=[1] * rank, padding=[[0, 0]] * rank)


def global_avg_pool(e: Import, node: Node) -> None:
    """Mean over space."""
    e.emit(node, "mean", e.value(node.ins[0]), axes=list(range(2, e.rank(node.ins[0]))))
