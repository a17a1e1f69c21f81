"""What torch computes for each operation of the front graph, differentiable: the twin of `hwsim.front_ops`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from hwsim.front import FrontGraph, FrontNode

from .frameworks import nn, torch

Tensor = torch.Tensor
F = nn.functional


def compute(node: FrontNode, *ins: Tensor) -> Tensor:
    """One operation on values (batch first) and parameters."""
    return TORCH[node.op](node.attrs, *ins)


def framed(x: Tensor, padding: list[list[int]], fill: float) -> tuple[Tensor, int | tuple[int, ...]]:
    """`x` with its border where that is uneven, else the padding for torch to do."""
    if all(before == after for before, after in padding) and fill == 0:
        return x, tuple(before for before, _ in padding)
    flat = [n for pair in reversed(padding) for n in pair]
    return F.pad(x, flat, value=fill), 0


def conv(attrs: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """conv1d or conv2d."""
    x, padding = framed(x, attrs["padding"], 0.0)
    function = F.conv1d if weight.ndim == 3 else F.conv2d
    return function(x, weight, bias, attrs["stride"], padding, attrs["dilation"], attrs["groups"])


def batch_norm(attrs: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """With stored statistics."""
    return F.batch_norm(x, mean.detach(), var.detach(), weight, bias, training=False, eps=attrs["eps"])


def max_pool(attrs: dict[str, Any], x: Tensor) -> Tensor:
    """Maximum; what lies outside never wins."""
    x, _ = framed(x, attrs["padding"], -torch.inf)
    return (F.max_pool1d if x.ndim == 3 else F.max_pool2d)(x, attrs["kernel"], attrs["stride"])


def avg_pool(attrs: dict[str, Any], x: Tensor) -> Tensor:
    """Mean; what lies outside counts as 0."""
    x, padding = framed(x, attrs["padding"], 0.0)
    return (F.avg_pool1d if x.ndim == 3 else F.avg_pool2d)(x, attrs["kernel"], attrs["stride"], padding)


def cut(attrs: dict[str, Any], x: Tensor) -> Tensor:
    """``x[.., start:stop:step, ..]``."""
    return x[(slice(None),) * attrs["axis"] + (slice(attrs["start"], attrs["stop"], attrs["step"]),)]


def matmul(attrs: dict[str, Any], a: Tensor, b: Tensor) -> Tensor:
    """``gain * a @ b``."""
    return attrs.get("gain", 1.0) * torch.matmul(a, b)


def softmax(attrs: dict[str, Any], x: Tensor, *masks: Tensor) -> Tensor:
    """Over the last axis; what a mask leaves out gets 0, even where nothing is left."""
    gone = left_out(*masks)
    if gone is None:
        return torch.softmax(x, -1)
    least = torch.finfo(x.dtype).min  # Why not minus infinity: an empty row would be NaN, its gradient too
    return torch.softmax(x.masked_fill(gone, least), -1).masked_fill(gone, 0)


def left_out(*masks: Tensor) -> Tensor | None:
    """Where any mask is 0; None without masks."""
    return functools.reduce(torch.logical_or, (mask == 0 for mask in masks)) if masks else None


def layer_norm(attrs: dict[str, Any], x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Over the last axis."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, attrs["eps"])


def rms_norm(attrs: dict[str, Any], x: Tensor, weight: Tensor | None = None) -> Tensor:
    """Over the last axis."""
    return F.rms_norm(x, x.shape[-1:], weight, attrs["eps"])


def concat(attrs: dict[str, Any], *xs: Tensor) -> Tensor:
    """Along an axis; a parameter, which has one axis less, for every sample."""
    first = max(xs, key=lambda x: x.ndim)
    return torch.cat([x if x.ndim == first.ndim else x.expand(len(first), *x.shape) for x in xs], attrs["axis"])


TORCH: dict[str, Callable[..., Tensor]] = {
    "linear": lambda attrs, *ins: F.linear(*ins),
    "matmul": matmul,
    "softmax": softmax,
    "log_softmax": lambda attrs, x: torch.log_softmax(x, -1),
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    **dict.fromkeys(("conv1d", "conv2d"), conv),
    "batch_norm": batch_norm,
    "relu": lambda attrs, x: F.relu(x),
    "relu6": lambda attrs, x: F.relu6(x),
    "hardswish": lambda attrs, x: F.hardswish(x),
    "hardsigmoid": lambda attrs, x: F.hardsigmoid(x),
    "sigmoid": lambda attrs, x: torch.sigmoid(x),
    "tanh": lambda attrs, x: torch.tanh(x),
    "silu": lambda attrs, x: F.silu(x),
    "gelu": lambda attrs, x: F.gelu(x, **attrs),
    "add": lambda attrs, a, b: a + b,
    "mul": lambda attrs, a, b: a * b,
    **dict.fromkeys(("max_pool1d", "max_pool2d"), max_pool),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), avg_pool),
    "mean": lambda attrs, x: x.mean(attrs["axes"], keepdim=True),
    "sum": lambda attrs, x: x.sum(attrs["axes"], keepdim=True),
    "div": lambda attrs, a, b: a / b.clamp(min=attrs.get("least", 0.0)),
    "mask": lambda attrs, x: x.float(),
    "not": lambda attrs, keep: 1 - keep,
    "masked": lambda attrs, x, keep: x.masked_fill(keep == 0, 0.0),
    "concat": concat,
    "reshape": lambda attrs, x: x.reshape(x.shape[0], *attrs["shape"]),
    "transpose": lambda attrs, x: x.permute(attrs["perm"]),
    "slice": cut,
    "expand": lambda attrs, x: x.expand(x.shape[0], *attrs["shape"]),
    "embedding": lambda attrs, indices, table: F.embedding(indices.long(), table),
    "identity": lambda attrs, x, gain=None: x if gain is None else x * gain,
}


class FloatModule(nn.Module):
    """A front graph in float32, not trained; inputs by position. Much faster than `FrontGraph.evaluate`."""

    def __init__(self, front: FrontGraph) -> None:
        """Copy the parameters."""
        super().__init__()
        self.front = front
        self.numbers = {name: torch.from_numpy(p.copy()) for name, p in front.params.items()}

    def forward(self, *inputs: Tensor) -> Any:
        """Outputs in order: one tensor, or a tuple where there are several."""
        env = self.numbers | dict(zip(self.front.inputs, inputs, strict=True))
        for node in self.front.nodes:
            env[node.out] = compute(node, *(env[i] for i in node.ins))
        values = tuple(env[name] for name in self.front.outputs)
        return values[0] if len(values) == 1 else values
