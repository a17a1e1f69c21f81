"""A table as a torch module: forward what the hardware computes, backward the function that it stands for.

Source: arXiv:2403.19591 (fine-tuning): forward ``table(xq)``, gradient ``f'(xq)``, the input's step a learned power of
two (its gradient is LSQ's, `algos.fake_quantize`), rounded and kept among those that the table has breakpoints for.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hwsim.ops import Pwl
from hwsim.qtensor import QType
from hwsim.tables import Table

from ..fake_quantize import fake_quantize
from ..frameworks import nn, torch
from ..torch_engine import RUN, decode, encode
from .certificate import Fit

Tensor = torch.Tensor
F = nn.functional
TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hswish": F.hardswish,
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "sigmoid": torch.sigmoid,
    "hsigmoid": F.hardsigmoid,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "exp": torch.exp,
    "reciprocal": torch.reciprocal,
    "rsqrt": torch.rsqrt,
    "log": torch.log,
    "sin": torch.sin,
    "cos": torch.cos,
}
"""`FUNCTIONS` as torch differentiates them."""


class TableModule(nn.Module):
    """Reals to reals through the codes and integers of a table.

    The result is that of `Pwl.run`, dequantized; exact where the input's dtype holds the accumulator (float32: 24
    bits). Gradients reach x inside the format's range and are 0 where the function has none.
    """

    def __init__(
        self,
        table: Fit | Table,
        exponent: int,
        *,
        learned: bool = False,
        out: QType | None = None,
        fn: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Take a table.

        Args:
            table: such as `fit` gives.
            exponent: inputs are ``q * 2**-exponent``, one of the table's; with `learned` only at first.
            learned: make the step a parameter, `log2_step`.
            out: type of the result, its scale a power of two; without it nothing is rounded.
            fn: the function on tensors; by default the table's own by name.

        Raises:
            ValueError: an exponent or a function that is not there.
        """
        super().__init__()
        self.table = table.made if isinstance(table, Fit) else table
        if fn is None and self.table.function not in TORCH:
            raise ValueError(f"table of {self.table.function}: torch has no such function; give fn, on tensors")
        self.fn, self.out = fn or TORCH[self.table.function], out
        self.table.at(exponent, out)
        log2_step = torch.tensor(-float(exponent))
        if learned:
            self.log2_step = nn.Parameter(log2_step)
        else:
            self.register_buffer("log2_step", log2_step)

    @property
    def exponent(self) -> int:
        """The table's exponent that is nearest to the step."""
        return min(self.table.scales, key=lambda n: (abs(n + self.log2_step.item()), n))

    def forward(self, x: Tensor) -> Tensor:
        """``table(quantize(x))``."""
        n, fmt = self.exponent, self.table.fmt
        count = x[0].numel() if x.ndim else 1  # numbers a sample
        factor = 1 / math.sqrt(max(count, 1) * fmt.max_int)
        xq = fake_quantize(x, self.step(n, x), 0, fmt.min_int, fmt.max_int, -1, factor)
        with torch.no_grad():
            source, op = QType((), fmt, 2.0**-n), self.table.at(n, self.out)
            y = decode(RUN[Pwl](op, (source,), encode(xq, source)), op.out_type(source)).to(x.dtype)
        return y + slope(self.fn, xq) * (xq - xq.detach()) if xq.requires_grad else y

    def step(self, n: int, x: Tensor) -> Tensor:
        """``2**-n``; its gradient goes to `log2_step` as if nothing were rounded or clipped."""
        step = 2.0**-n
        moved = (self.log2_step - self.log2_step.detach()) * (step * math.log(2))  # 0, with a gradient
        return (step + moved).to(x.dtype)

    def extra_repr(self) -> str:
        """What torch prints."""
        return f"{self.table.function}, {self.table.fmt.name} at 2**-{self.exponent}"


def slope(fn: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``f'(x)``, 0 where it is not finite."""
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(fn(at).sum(), at)
    return torch.where(torch.isfinite(found), found, torch.zeros_like(found))
