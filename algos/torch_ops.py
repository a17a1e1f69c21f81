"""What each torch operation becomes in the front graph: `OPS`, one small function an entry.

A function emits a front node, lets a value pass under the name it has, or raises `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .frameworks import torch

if TYPE_CHECKING:
    from .export import Export

Call = torch.fx.Node
SUPPORTED = "use linear, relu, add, reshape (flatten, view), dropout, or keep it outside the model"
CONSTANTS = "put it into the weight or bias of a linear layer"


class Refused(Exception):  # noqa: N818  no error by itself: `Export` collects them into one ValueError
    """Why one node cannot be exported, and what to do; no reason where that follows from another, told already."""


def shape_of(node: Call) -> tuple[str, ...]:
    """Sizes as text: comparing symbolic sizes as numbers would tie them to the example's."""
    return tuple(map(str, node.meta["val"].shape))


def operands(node: Call) -> tuple[Any, ...]:
    """Positional arguments: nodes for tensors, plain values for the rest."""
    return node.args


def linear(e: Export, node: Call) -> None:
    """``x @ weight.T + bias`` on the last axis."""
    x, weight, bias = (*operands(node), None)[:3]
    if len(shape_of(weight)) != 2:
        raise Refused(f"weight of shape ({', '.join(shape_of(weight))}); it must be (out, in)")
    e.emit(node, "linear", e.value(x), e.param(weight), *([] if bias is None else [e.param(bias)]))


def relu(e: Export, node: Call) -> None:
    """``max(x, 0)``."""
    e.emit(node, "relu", e.value(operands(node)[0]))


def add(e: Export, node: Call) -> None:
    """``a + b`` of two values of one shape."""
    a, b = operands(node)
    if node.kwargs.get("alpha", 1) != 1:
        raise Refused(f"alpha = {node.kwargs['alpha']}; scale the second tensor in the layer before it")
    ins = e.value(a), e.value(b)
    if shape_of(a) != shape_of(b):
        shapes = " + ".join(f"({', '.join(shape_of(x))})" for x in (a, b))
        raise Refused(f"{shapes}: the two tensors must have one shape; broadcasting is not supported")
    e.emit(node, "add", *ins)


def reshape(e: Export, node: Call) -> None:
    """Another shape for the same numbers in the same order, whatever it is called in torch."""
    x = operands(node)[0]
    if shape_of(x) == shape_of(node):
        same(e, node)
    else:
        e.emit(node, "reshape", e.value(x), shape=list(e.sample_shape(node)))


def same(e: Export, node: Call) -> None:
    """What changes no number: the value passes."""
    e.same(node, operands(node)[0])


def cast(e: Export, node: Call) -> None:
    """Between real dtypes: front graphs are float32 throughout."""
    x = operands(node)[0]
    if x not in e.refused and not (x.meta["val"].is_floating_point() and node.meta["val"].is_floating_point()):
        raise Refused(f"to {node.meta['val'].dtype}; only real numbers are supported, convert outside the model")
    same(e, node)


aten = torch.ops.aten
OPS: dict[Any, Callable[[Export, Call], None]] = {
    aten.linear.default: linear,
    aten.relu.default: relu,
    aten.add.Tensor: add,
    aten.view.default: reshape,
    aten._unsafe_view.default: reshape,
    aten.reshape.default: reshape,
    aten.squeeze.dim: reshape,
    aten.squeeze.dims: reshape,
    aten.unsqueeze.default: reshape,
    aten.alias.default: same,
    aten.clone.default: same,
    aten.detach.default: same,
    aten.lift_fresh_copy.default: same,
    aten._to_copy.default: cast,
}
"""What each torch operation becomes."""

_LINEAR = "not supported; write a product with weights as nn.Linear or F.linear"
HINTS = {
    "aten.matmul.default": _LINEAR,
    "aten.mm.default": _LINEAR,
    "aten.addmm.default": _LINEAR,
    "aten._native_batch_norm_legit_no_training.default": "not supported; fold it into the layer before it",
    "aten.native_dropout.default": "it stays on in eval mode; use nn.Dropout, or F.dropout with training=self.training",
}
"""What to do about operations that have a usual way round."""
