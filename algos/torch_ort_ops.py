"""ONNX Runtime's float32 steps in torch: ``scaled_add``, ``float_divide``, ``float_pool``, each rounded once a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .frameworks import torch

if TYPE_CHECKING:
    from hwsim.ops import FloatDivide, FloatPool, ScaledAdd
    from hwsim.qtensor import QType

Tensor = torch.Tensor


def scaled_add(op: ScaledAdd, types: tuple[QType, ...], a: Tensor, b: Tensor) -> Any:
    """Two fused multiply-adds: float64 holds product and sum, float32 takes them. Half to even, saturation."""
    inner = (b.double() * op.scale_b + op.offset).float()
    total = (a.double() * op.scale_a + inner.double()).float()
    return torch.round(total).long().clamp(op.limits.lo, op.limits.hi)


def float_divide(op: FloatDivide, types: tuple[QType, ...], a: Tensor, b: Tensor) -> Any:
    """Product and quotient, half to even, zero point, saturation."""
    y = torch.round(a.float() * float(op.gain) / b.float()).long() + op.zero_point
    return y.clamp(op.fmt.min_int, op.fmt.max_int)


def float_pool(op: FloatPool, types: tuple[QType, ...], x: Tensor) -> Any:
    """One addition a tap: windows over the dequantized image, and over one of ones for what each counts."""
    t, (rows, columns) = types[0], op.padding
    border = (0, 0, *columns, *rows)
    reals = windows(op, torch.nn.functional.pad((x - t.zero_point).float() * torch.tensor(t.scale).float(), border))
    inside = torch.ones(1, *x.shape[1:3], 1)
    counted = windows(op, torch.nn.functional.pad(inside, border, value=float(op.include_pad)))
    total, count = torch.zeros(reals.shape[:-1]), counted.sum(-1)
    for tap in reals.unbind(-1):
        total = total + tap
    y = torch.round(total / count / torch.tensor(op.scale).float() + op.zero_point)
    return y.long().clamp(op.fmt.min_int, op.fmt.max_int)


def windows(op: FloatPool, x: Tensor) -> Tensor:
    """(n, oh, ow, c, taps), rows of the window outermost."""
    return x.unfold(1, op.kernel[0], op.stride[0]).unfold(2, op.kernel[1], op.stride[1]).flatten(-2)
