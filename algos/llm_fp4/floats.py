"""Floats with a real-valued exponent bias b, as LLM-FP4 writes them, and what hwsim makes of them.

    Qmax  = 2**-b * (2 - 2**-m) * 2**(2**e - 1)        e exponent bits, m mantissa bits, no code reserved
    scale = 2**(bias of the format - b)                so that real = scale * value(code)

Source: arXiv:2310.16836, eq. 7 to 9 (bias, rounding), 14 and 15 (pre-shifted biases).
"""

from __future__ import annotations

import math

from hwsim.formats import FloatFormat
from hwsim.qtensor import MOST_GAIN

from ..frameworks import torch

Tensor = torch.Tensor
EXPONENTS = {torch.float32: (torch.int32, 0xFF << 23), torch.float64: (torch.int64, 0x7FF << 52)}


def bias_of(fmt: FloatFormat, most: Tensor) -> Tensor:
    """Bias whose largest number is `most`, eq. 7, float64; what is 0 everywhere counts as 1."""
    largest = math.ldexp(fmt.max_int, fmt.lsb_exp + fmt.bias)  # at b = 0
    return math.log2(largest) - torch.log2(torch.where(most > 0, most, 1.0).double())


def scale_of(fmt: FloatFormat, bias: Tensor) -> Tensor:
    """Real value of the format's 1.0."""
    return torch.exp2(fmt.bias - bias)


def preshifted(fmt: FloatFormat, biases: Tensor, rho: Tensor) -> Tensor:
    """Scale of each channel, eq. 15: of the bias `rho` plus the integer of 0 .. 2**e - 1 nearest to its own.

    Why not the scale of the sum: these are powers of two apart to the last bit.
    """
    shift = torch.round(biases - rho).clamp(0, min((1 << fmt.exp_bits) - 1, MOST_GAIN))
    return torch.ldexp(scale_of(fmt, rho).expand(biases.shape), -shift)


def quantized(x: Tensor, fmt: FloatFormat, scale: Tensor) -> Tensor:
    """`x` on the grid of `fmt`, eq. 8 and 9: half to even, saturated; `scale` broadcasts.

    Why the bits: a number without its mantissa is the power of two below it, four times faster than by frexp.
    """
    unit = scale.to(x.dtype) * 2.0**fmt.lsb_exp
    size = (x / unit).abs_().clamp_(max=float(fmt.max_int))
    container, exponent_bits = EXPONENTS[x.dtype]
    step = (size.view(container) & exponent_bits).view(x.dtype).mul_(2.0**-fmt.man_bits).clamp_(min=1.0)
    return size.div_(step).round_().mul_(step).copysign_(x).mul_(unit)
