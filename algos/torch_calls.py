"""What every exporter of a torch operation needs: its arguments by name, sizes as text, and a way to refuse it."""

from __future__ import annotations

from typing import Any

from .frameworks import torch

Call = torch.fx.Node


class Refused(Exception):  # noqa: N818  no error by itself: `Export` collects them into one ValueError
    """Why one node cannot be exported, and what to do; no reason where that follows from another, told already."""


def result_of(node: Call) -> Any:
    """What torch.export says `node` gives; the first where it gives several."""
    val = node.meta["val"]
    return val[0] if isinstance(val, tuple | list) else val


def shape_of(node: Call) -> tuple[str, ...]:
    """Sizes as text: comparing symbolic sizes as numbers would tie them to the example's."""
    return tuple(map(str, result_of(node).shape))


def settings(node: Call) -> dict[str, Any]:
    """All arguments by the name that torch's schema gives them, defaults included."""
    names = [a.name for a in node.target._schema.arguments]
    defaults = {a.name: a.default_value for a in node.target._schema.arguments}
    return {**defaults, **dict(zip(names, node.args, strict=False)), **node.kwargs}


def operands(node: Call) -> tuple[Any, ...]:
    """Positional arguments: nodes for tensors, plain values for the rest."""
    return node.args


def op_of(node: Call) -> str:
    """The operation without namespace and overload: ``softmax``, and for one of several results what made them."""
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target).split(".")[1]
    return op_of(node.args[0]) if node.args and isinstance(node.args[0], Call) else "?"


def is_bookkeeping(node: Call) -> bool:
    """Whether `node` computes no tensor: sizes, shape assertions."""
    val = node.meta.get("val")
    return val is None or isinstance(val, torch.SymInt | torch.SymFloat | torch.SymBool | int | float)


def rank_of(x: Any) -> int:
    """Number of axes of a tensor, the batch included; Refused for what is no tensor."""
    if not isinstance(x, Call):
        raise Refused(f"{x!r} is a constant where a value is expected")
    return len(shape_of(x))


def axis_of(x: Call, axis: int) -> int:
    """`axis`, counted from the front."""
    return int(axis) % max(rank_of(x), 1)


def inner_size(x: Call, axis: int) -> int:
    """Size of an axis of `x` that is not the batch."""
    size = shape_of(x)[axis]
    if not size.isdigit():
        raise Refused(f"axis {axis} is the batch; an operation may not touch it")
    return int(size)
