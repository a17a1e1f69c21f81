"""What each torch operation becomes in the front graph: `OPS`, one small function an entry.

A function emits front nodes, lets a value pass under the name it has, or raises `Refused`. Windows are in
`torch_windows`, movement in `torch_movement`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .frameworks import torch
from .torch_calls import Call, Refused, result_of, settings, shape_of
from .torch_movement import cast, concat, cut, expand, item, reshape, same, select, several, stack, transpose
from .torch_windows import adaptive_avg_pool, avg_pool, conv, max_pool, mean

if TYPE_CHECKING:
    from .export import Export

SUPPORTED = (
    "use linear, conv1d / conv2d, batch norm, relu, relu6, hardswish, hardsigmoid, sigmoid, tanh, silu, gelu, + - *, "
    "cat, max and average pools, mean, flatten / reshape / transpose / slice / expand, embedding, dropout, "
    "or keep it outside the model"
)


def linear(e: Export, node: Call) -> None:
    """``x @ weight.T + bias`` on the last axis."""
    s = settings(node)
    x, weight, bias = s["input"], s["weight"], s["bias"]
    if len(shape_of(weight)) != 2:
        raise Refused(f"weight of shape ({', '.join(shape_of(weight))}); it must be (out, in)")
    e.emit(node, "linear", e.value(x), e.param(weight), *([] if bias is None else [e.param(bias)]))


def batch_norm(e: Export, node: Call) -> None:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, channel by channel."""
    s = settings(node)
    channels = int(shape_of(s["running_mean"])[0])
    x, numbers = e.value(s["input"]), []
    for name, missing in (("weight", 1.0), ("bias", 0.0)):
        numbers.append(e.constant(node, name, np.full(channels, missing)) if s[name] is None else e.param(s[name]))
    e.emit(node, "batch_norm", x, *numbers, e.param(s["running_mean"]), e.param(s["running_var"]), eps=s["eps"])


def unary(op: str, e: Export, node: Call) -> None:
    """A function of one value."""
    e.emit(node, op, e.value(node.args[0]))


def gelu(e: Export, node: Call) -> None:
    """Exact or by tanh."""
    e.emit(node, "gelu", e.value(node.args[0]), approximate=settings(node)["approximate"])


def clamp(e: Export, node: Call) -> None:
    """``min(max(x, 0), top)`` with top 6 or none."""
    s = settings(node)
    low, high = s.get("min_val", s.get("min")), s.get("max_val", s.get("max"))
    if low != 0 or high not in (None, 6):
        raise Refused(f"limits {low} and {high}; only 0 and 6 (relu6), or 0 alone (relu), are supported")
    unary("relu" if high is None else "relu6", e, node)


def both(op: str, e: Export, node: Call) -> None:
    """Sum or product of two values, or of a value and a parameter or number, broadcasting."""
    a, b = node.args
    if node.kwargs.get("alpha", 1) != 1:
        raise Refused(f"alpha = {node.kwargs['alpha']}; scale the second tensor in the layer before it")
    combine(e, node, op, operand(e, node, a), operand(e, node, b))


def sub(e: Export, node: Call) -> None:
    """``a - b`` as ``a + -1 * b``."""
    s = settings(node)
    if s["alpha"] != 1:
        raise Refused(f"alpha = {s['alpha']}; scale the second tensor in the layer before it")
    a, b = s["self"], s["other"]
    if "rsub" in str(node.target):
        a, b = b, a
    first = operand(e, node, a)
    if not isinstance(b, Call):
        combine(e, node, "add", first, e.constant(node, "number", np.asarray(-b)))
    elif b in e.params:
        combine(e, node, "add", first, e.constant(node, "negative", -e.stored(b)[1]))
    else:
        combine(e, node, "add", first, negated(e, node, b))


def neg(e: Export, node: Call) -> None:
    """``-x``."""
    negated(e, node, node.args[0])


def negated(e: Export, node: Call, x: Call) -> str:
    """Emit ``-1 * x``."""
    return e.emit(node, "mul", e.value(x), e.constant(node, "minus_one", np.asarray(-1.0)))


def div(e: Export, node: Call) -> None:
    """``x / number`` as ``x * (1 / number)``."""
    x, by = node.args
    if isinstance(by, Call) and by not in e.params:
        raise Refused("division by a computed value is not supported")
    number = np.asarray(e.stored(by)[1] if isinstance(by, Call) else by, np.float64)
    if not number.all():
        raise Refused("division by 0")
    combine(e, node, "mul", e.value(x), e.constant(node, "reciprocal", 1 / number))


def operand(e: Export, node: Call, x: Any) -> str:
    """Name of a value, a parameter, or a number that becomes a parameter."""
    if not isinstance(x, Call):
        return e.constant(node, "number", np.asarray(x))
    return e.param(x) if x in e.params else e.value(x)


def combine(e: Export, node: Call, op: str, a: str, b: str) -> None:
    """Emit add or mul; the first of the two is a value."""
    if "" not in (a, b) and {a, b} <= set(e.front.params):
        raise Refused("it computes a parameter while the model runs; compute it once, in __init__")
    e.emit(node, op, *((b, a) if a in e.front.params else (a, b)))


def embedding(e: Export, node: Call) -> None:
    """Rows of a table by integer inputs."""
    s = settings(node)
    indices = s["indices"]
    if indices not in e.refused and result_of(indices).is_floating_point():
        raise Refused("its indices are reals; give integers")
    e.emit(node, "embedding", e.value(indices, integers=True), e.param(s["weight"]))


aten = torch.ops.aten
UNARY = ("relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "tanh", "silu")
OPS: dict[Any, Callable[[Export, Call], None]] = {
    **{getattr(aten, name).default: partial(unary, name) for name in UNARY},
    aten.gelu.default: gelu,
    **dict.fromkeys((aten.hardtanh.default, aten.clamp.default, aten.clamp_min.default), clamp),
    aten.linear.default: linear,
    **dict.fromkeys((aten.conv1d.default, aten.conv1d.padding, aten.conv2d.default, aten.conv2d.padding), conv),
    aten._native_batch_norm_legit_no_training.default: batch_norm,
    aten.add.Tensor: partial(both, "add"),
    aten.mul.Tensor: partial(both, "mul"),
    **dict.fromkeys((aten.sub.Tensor, aten.rsub.Scalar), sub),
    aten.neg.default: neg,
    aten.div.Tensor: div,
    aten.embedding.default: embedding,
    **dict.fromkeys((aten.max_pool1d.default, aten.max_pool2d.default), max_pool),
    **dict.fromkeys((aten.avg_pool1d.default, aten.avg_pool2d.default), avg_pool),
    **dict.fromkeys((aten.adaptive_avg_pool1d.default, aten.adaptive_avg_pool2d.default), adaptive_avg_pool),
    aten.mean.dim: mean,
    aten.cat.default: concat,
    aten.stack.default: stack,
    **dict.fromkeys((aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int), several),
    operator.getitem: item,
    **dict.fromkeys((aten.view.default, aten._unsafe_view.default, aten.reshape.default), reshape),
    **dict.fromkeys((aten.squeeze.dim, aten.squeeze.dims, aten.squeeze.default, aten.unsqueeze.default), reshape),
    **dict.fromkeys((aten.transpose.int, aten.permute.default, aten.t.default), transpose),
    aten.slice.Tensor: cut,
    aten.select.int: select,
    aten.expand.default: expand,
    **dict.fromkeys((aten.alias.default, aten.clone.default, aten.detach.default, aten.lift_fresh_copy.default), same),
    aten._to_copy.default: cast,
}
"""What each torch operation becomes."""

_LINEAR = "not supported; write a product with weights as nn.Linear or F.linear"
HINTS = {
    "aten.matmul.default": _LINEAR,
    "aten.mm.default": _LINEAR,
    "aten.addmm.default": _LINEAR,
    "aten.pad.default": "not supported; give the convolution its padding (zeros)",
    "aten.native_dropout.default": "it stays on in eval mode; use nn.Dropout, or F.dropout with training=self.training",
}
"""What to do about operations that have a usual way round."""
