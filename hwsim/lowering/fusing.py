"""Which clamp runs inside the layer before it."""

from __future__ import annotations

from ..front import FrontGraph, FrontNode

CLAMPS: dict[str, float | None] = {"relu": None, "relu6": 6.0}  # operation -> upper end; the lower end is 0
HOSTS = ("linear", "conv1d", "conv2d", "add", "mul", "mean", "avg_pool1d", "avg_pool2d")


def fused_clamp(front: FrontGraph, node: FrontNode) -> FrontNode | None:
    """The ReLU or ReLU6 that alone reads `node`, where `node` can clamp its own result."""
    readers = front.consumers(node.out)
    alone = len(readers) == 1 and readers[0].op in CLAMPS and node.out not in front.outputs
    return readers[0] if alone and node.op in HOSTS else None


def layer_names(front: FrontGraph, value: str) -> tuple[str, ...]:
    """The names that a value's settings go by: its own, and that of the layer it is fused into or that is fused."""
    maker = next((n for n in front.nodes if n.out == value), None)
    if maker is None:
        return (value,)
    clamp = fused_clamp(front, maker)
    if clamp:
        return value, clamp.out
    host = next((n for n in front.nodes if maker.op in CLAMPS and n.out == maker.ins[0]), None)
    return (host.out, value) if host and fused_clamp(front, host) is maker else (value,)
