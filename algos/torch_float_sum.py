"""Sums of blocks in float32 by torch: products with powers of two in float64, rounded to float32 once."""

from __future__ import annotations

import numpy as np

from hwsim.ops import BlockMatMul
from hwsim.qtensor import QType

from .frameworks import torch

Tensor = torch.Tensor
LOWEST = -512  # 2**62 times this is nothing in float32


def float32_sum(op: BlockMatMul, types: tuple[QType, ...], x: Tensor, exponent: Tensor) -> Tensor:
    """Codes of the accumulator from exact integers `x` (.., blocks, n) and the blocks' exponents."""
    grid = sum(t.fmt.lsb_exp for t in types[: 3 + op.left])
    powers = torch.from_numpy(np.ldexp(1.0, np.arange(LOWEST, 128)))
    at = (exponent.clamp(max=op.max_exp) + grid).clamp(min=LOWEST) - LOWEST
    terms = (x.to(torch.float32).double() * powers[at]).to(torch.float32)
    y = torch.zeros_like(terms[..., 0, :])
    for g in range(terms.shape[-2]):
        y = y + terms[..., g, :]
    units = torch.round(y.double() * 2.0 ** -(op.lsb_exp + grid)).clamp(-(2.0**62), 2.0**62).long()
    return units.clamp(op.acc.min_int, op.acc.max_int)
