"""What each torch operation becomes in the front graph: `OPS`, one small function an entry.

A function emits front nodes, lets a value pass under the name it has, or raises `Refused`. Windows are in
`torch_windows`, movement in `torch_movement`, attention in `torch_attention`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .frameworks import torch
from .torch_attention import (
    MASKS,
    addmm,
    attention,
    log_softmax,
    mask_added,
    masked_fill,
    matmul,
    refused_attention,
    softmax,
    where,
)
from .torch_calls import Call, Refused, result_of, settings, shape_of
from .torch_division import NORMS, div, floored, vector_norm
from .torch_masks import summed, times
from .torch_movement import cast, concat, cut, expand, item, repeat, reshape, same, select, several, stack, transpose
from .torch_windows import adaptive_avg_pool, avg_pool, conv, max_pool, mean

if TYPE_CHECKING:
    from .export import Export

SUPPORTED = (
    "use linear, conv1d / conv2d, batch norm, relu, relu6, hardswish, hardsigmoid, sigmoid, tanh, silu, gelu, + - *, "
    "@, softmax, log_softmax, scaled_dot_product_attention, nn.MultiheadAttention and encoder layers (batch_first), "
    "layer_norm, rms_norm, cat, max and average pools, mean, sum, flatten / reshape / transpose / slice / expand, "
    "embedding, dropout, or keep it outside the model"
)


def linear(e: Export, node: Call) -> None:
    """``x @ weight.T + bias`` on the last axis."""
    s = settings(node)
    x, weight, bias = s["input"], s["weight"], s["bias"]
    if len(shape_of(weight)) != 2:
        raise Refused(f"weight of shape ({', '.join(shape_of(weight))}); it must be (out, in)")
    ins = [e.value(x), e.param(node, "weight", weight)]
    e.emit(node, "linear", *ins, *([] if bias is None else [e.param(node, "bias", bias)]))


def batch_norm(e: Export, node: Call) -> None:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, channel by channel."""
    s = settings(node)
    channels = int(shape_of(s["running_mean"])[0])
    x, numbers = e.value(s["input"]), []
    for name, missing in (("weight", 1.0), ("bias", 0.0)):
        numbers.append(
            e.constant(node, name, np.full(channels, missing)) if s[name] is None else e.param(node, name, s[name])
        )
    numbers += [e.param(node, name, s[name]) for name in ("running_mean", "running_var")]
    e.emit(node, "batch_norm", x, *numbers, eps=s["eps"])


def layer_norm(e: Export, node: Call) -> None:
    """``(x - mean) / sqrt(variance + eps) * weight + bias`` over the last axes."""
    s = settings(node)
    normed(e, node, s["input"], "layer_norm", s["normalized_shape"], s["eps"])


def rms_norm(e: Export, node: Call) -> None:
    """``x / sqrt(mean(x ** 2) + eps) * weight`` over the last axes."""
    s = settings(node)
    eps = torch.finfo(result_of(node).dtype).eps if s["eps"] is None else s["eps"]
    normed(e, node, s["input"], "rms_norm", s["normalized_shape"], eps)


def normed(e: Export, node: Call, x: Call, op: str, sizes: list[int], eps: float) -> None:
    """Emit a norm; several axes are one in between."""
    s, value, size, ins = settings(node), e.value(x), math.prod(sizes), []
    for name in ("weight", "bias"):
        if s.get(name) is not None and len(sizes) == 1:
            ins.append(e.param(node, name, s[name]))
        elif s.get(name) is not None:
            ins.append(e.constant(node, name, e.stored(s[name]).reshape(-1), of=op))
        elif name == "weight" and s.get("bias") is not None:
            ins.append(e.constant(node, name, np.ones(size), of=op))
    if len(sizes) > 1:
        shape = e.sample_shape(node)
        value = e.emit(node, "reshape", value, shape=[*shape[: len(shape) - len(sizes)], size])
    y = e.emit(node, op, value, *ins, eps=eps)
    if len(sizes) > 1:
        e.emit(node, "reshape", y, shape=list(e.sample_shape(node)))


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
    if high is None and isinstance(low, int | float) and low > 0:
        floored(e, node, node.args[0], float(low))
        return
    if low != 0 or high not in (None, 6):
        raise Refused(
            f"limits {low} and {high}; only 0 and 6 (relu6), or 0 alone (relu; more in a divisor), are supported"
        )
    unary("relu" if high is None else "relu6", e, node)


def power(e: Export, node: Call) -> None:
    """``x ** 2`` as ``x * x``."""
    exponent = settings(node).get("exponent", 2)
    if exponent != 2:
        raise Refused(f"exponent {exponent}; only squares are supported. {NORMS}")
    x = e.value(node.args[0])
    e.emit(node, "mul", x, x)


def both(op: str, e: Export, node: Call) -> None:
    """Sum or product of two values, or of a value and a parameter or number, broadcasting."""
    a, b = node.args
    if node.kwargs.get("alpha", 1) != 1:
        raise Refused(f"alpha = {node.kwargs['alpha']}; scale the second tensor in the layer before it")
    a, b = (b, a) if a in e.two else (a, b)
    if op == "mul" and b in e.two and times(e, node, a, b):
        return
    if op == "mul" or not mask_added(e, node, a, b):
        a, b = (b, a) if e.is_constant(a) else (a, b)
        e.emit(node, op, e.value(a), e.operand(node, b))


def sub(e: Export, node: Call) -> None:
    """``a - b`` as ``a + -1 * b``."""
    s = settings(node)
    if s["alpha"] != 1:
        raise Refused(f"alpha = {s['alpha']}; scale the second tensor in the layer before it")
    a, b = s["self"], s["other"]
    if "rsub" in str(node.target):
        a, b = b, a
    if e.is_constant(a):
        y = negated(e, node, b)
        e.emit(node, "add", y, e.operand(node, a))
    elif not e.is_constant(b):
        first = e.value(a)
        e.emit(node, "add", first, negated(e, node, b))
    elif not isinstance(b, Call):
        e.emit(node, "add", e.value(a), e.constant(node, "number", np.asarray(-b)))
    elif not mask_added(e, node, a, b, -1):
        numbers = e.repeated[b][0] if b in e.repeated else e.numbers[b]
        e.emit(node, "add", e.value(a), e.constant(node, "negative", -numbers.float()))


def neg(e: Export, node: Call) -> None:
    """``-x``."""
    negated(e, node, node.args[0])


def negated(e: Export, node: Call, x: Call) -> str:
    """Emit ``-1 * x``."""
    return e.emit(node, "mul", e.value(x), e.constant(node, "minus_one", np.asarray(-1.0)))


def embedding(e: Export, node: Call) -> None:
    """Rows of a table by integer inputs."""
    s = settings(node)
    indices = s["indices"]
    if indices not in e.refused and result_of(indices).is_floating_point():
        raise Refused("its indices are reals; give integers")
    if indices in e.two:
        raise Refused(f"{indices.name!r} is a mask, of 0 and 1; an embedding reads integers that are no mask")
    e.emit(node, "embedding", e.value(indices, integers=True), e.param(node, "weight", s["weight"]))


aten = torch.ops.aten
UNARY = ("relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "tanh", "silu")
OPS: dict[Any, Callable[[Export, Call], None]] = {
    **{getattr(aten, name).default: partial(unary, name) for name in UNARY},
    aten.gelu.default: gelu,
    **dict.fromkeys((aten.hardtanh.default, aten.clamp.default, aten.clamp_min.default), clamp),
    aten.linear.default: linear,
    **dict.fromkeys((aten.matmul.default, aten.bmm.default, aten.mm.default), matmul),
    aten.addmm.default: addmm,
    **dict.fromkeys((aten.softmax.int, aten._softmax.default), softmax),
    **dict.fromkeys((aten.log_softmax.int, aten._log_softmax.default), log_softmax),
    **dict.fromkeys((aten.masked_fill.Scalar, aten.masked_fill.Tensor), masked_fill),
    **dict.fromkeys((aten.where.self, aten.where.ScalarOther, aten.where.ScalarSelf), where),
    aten.scaled_dot_product_attention.default: attention,
    torch.ops.hwsim.multihead_attention.default: refused_attention,
    **dict.fromkeys((aten.layer_norm.default, aten.native_layer_norm.default), layer_norm),
    aten.rms_norm.default: rms_norm,
    **dict.fromkeys((aten.pow.Tensor_Scalar, aten.square.default), power),
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
    **dict.fromkeys((aten.sum.dim_IntList, aten.sum.default), summed),
    aten.linalg_vector_norm.default: vector_norm,
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
    aten.repeat_interleave.self_int: repeat,
    **dict.fromkeys((aten.alias.default, aten.clone.default, aten.detach.default, aten.lift_fresh_copy.default), same),
    aten._to_copy.default: cast,
}
"""What each torch operation becomes."""

_NORM = f"not supported. {NORMS}"
_RECURRENT = "not supported; a hardware graph has no loops: use attention or convolutions"
_MASK = f"a mask that depends on inputs is not supported: {MASKS}"
HINTS = {
    "aten.pad.default": "not supported; give the convolution its padding (zeros)",
    "aten.native_dropout.default": "it stays on in eval mode; use nn.Dropout, or F.dropout with training=self.training",
    "aten.repeat.default": "not supported; use expand, or cat, on values",
    "aten.einsum.default": "not supported; use @, transpose and *",
    "aten.baddbmm.default": "not supported; use @ and +",
    **dict.fromkeys((f"aten.{op}.input" for op in ("lstm", "gru", "rnn_tanh", "rnn_relu")), _RECURRENT),
    **dict.fromkeys((f"aten.{op}.default" for op in ("rsqrt", "sqrt", "reciprocal")), _NORM),
    **dict.fromkeys((f"aten.{op}.default" for op in ("group_norm", "instance_norm", "native_group_norm")), _NORM),
    **dict.fromkeys(("aten.var.correction", "aten.var_mean.correction", "aten.var.dim", "aten.var_mean.dim"), _NORM),
    **{f"aten.{op}.{kind}": _MASK for op in ("eq", "ne", "lt", "le", "gt", "ge") for kind in ("Scalar", "Tensor")},
    **dict.fromkeys((f"aten.{op}.default" for op in ("logical_not", "bitwise_not", "logical_and")), _MASK),
}
"""What to do about operations that have a usual way round."""
