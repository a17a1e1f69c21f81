"""``scaled_add`` in torch: float64 holds product and sum, float32 takes them, rounded once a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwsim.ops import ScaledAdd

from .frameworks import torch

if TYPE_CHECKING:
    from hwsim.qtensor import QType

Tensor = torch.Tensor


def scaled_add(op: ScaledAdd, types: tuple[QType, ...], a: Tensor, b: Tensor) -> Any:
    """Two fused multiply-adds, half to even, saturation."""
    inner = (b.double() * op.scale_b + op.offset).float()
    total = (a.double() * op.scale_a + inner.double()).float()
    return torch.round(total).long().clamp(op.limits.lo, op.limits.hi)
