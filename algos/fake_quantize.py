"""``y = s * (clamp(round(x / s) + z, low, high) - z)`` as one torch operation, ``hwsim::fake_quantize``.

Why a custom operation: a straight-through module dissolves into div, round and mul under torch.export, and what it
means is lost. Its gradient is LSQ's. Source: arXiv:1902.08153, eq. 1 to 3; rounding half to even, as `hwsim.quantize`.
"""

from __future__ import annotations

from typing import Any

from .frameworks import torch

Tensor = torch.Tensor


@torch.library.custom_op("hwsim::fake_quantize", mutates_args=())
def fake_quantize(
    x: Tensor, scale: Tensor, zero_point: int, low: int, high: int, axis: int, gradient_scale: float
) -> Tensor:
    """Nearest real that a code between `low` and `high` can name.

    Args:
        x: reals.
        scale: positive; shape (), or one a channel along `axis`.
        zero_point: code that means 0.
        low: smallest code.
        high: largest code.
        axis: of the channels; -1 for one scale.
        gradient_scale: factor of the scale's gradient, ``1 / sqrt(count * high)`` in the paper.
    """
    s = along(scale, x, axis)
    return (x / s).round_().clamp_(low - zero_point, high - zero_point).mul_(s)


@fake_quantize.register_fake
def _(x: Tensor, scale: Tensor, zero_point: int, low: int, high: int, axis: int, gradient_scale: float) -> Tensor:
    return torch.empty_like(x)


def remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    """Keep what `gradients` reads."""
    x, scale, zero_point, low, high, ctx.axis, ctx.gradient_scale = inputs
    ctx.save_for_backward(x, scale)
    ctx.limits = low - zero_point, high - zero_point


def gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """To x: straight through inside the range, 0 outside. To the scale: ``round(u) - u`` inside, the limit outside."""
    x, scale = ctx.saved_tensors
    units = x * along(1 / scale, x, ctx.axis)
    passed = torch.ops.aten.hardtanh_backward(gradient, units, *ctx.limits)  # Why: masks of bools are five times slower
    code = units.clamp(*ctx.limits).round_()
    to_scale = code.mul_(gradient).addcmul_(units, passed, value=-1)
    others = [a for a in range(x.ndim) if a != ctx.axis or scale.ndim == 0]
    total = to_scale.sum(others)
    return passed, total * ctx.gradient_scale, None, None, None, None, None


torch.library.register_autograd("hwsim::fake_quantize", gradients, setup_context=remember)


def along(scale: Tensor, x: Tensor, axis: int) -> Tensor:
    """`scale` shaped to broadcast against `x`."""
    return scale if scale.ndim == 0 else scale.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
