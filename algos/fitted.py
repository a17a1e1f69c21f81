"""Fitted tables in the training loop: forward what the tables give, backward the function they stand for.

Source: arXiv:2403.19591, section 3.3. Softmax and norms are those of `hwsim.blocks`, in floats but for the tables: what
they round on the way (the shortened d, u) is left to the lowered graph, which is what is measured. Log-softmax and
quotients train through the functions themselves.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from hwsim import Recipe
from hwsim.blocks.fitted import mantissa_bits
from hwsim.formats import UINT16
from hwsim.front import FrontNode
from hwsim.front_ops import UNARY
from hwsim.lowering.roles import function_of
from hwsim.qtensor import QType
from hwsim.tables import Table

from .frameworks import torch
from .torch_front import left_out

Tensor = torch.Tensor
FRACTION = QType((), UINT16, 2.0**-16)  # of reciprocals and roots of a mantissa


class Values:
    """What a table gives for every code of its format at one step, as a tensor to look up in."""

    def __init__(self, table: Table, n: int, out: QType | None = None) -> None:
        """Run the op over all codes."""
        source, op = QType((), table.fmt, 2.0**-n), table.at(n, out)
        codes = np.arange(table.fmt.min_int, table.fmt.max_int + 1)
        y = op.run((source,), codes.astype(table.fmt.dtype)).astype(np.float64)
        self.first, self.values = table.fmt.min_int, torch.from_numpy((y - op.zero_point) * op.scale).float()

    def __call__(self, codes: Tensor) -> Tensor:
        """Of whole numbers."""
        return self.values[(codes - self.first).long().clamp_(0, len(self.values) - 1)]


class Fitted:
    """The tables of a recipe, ready for training."""

    def __init__(self, recipe: Recipe) -> None:
        """Nothing is run before it is needed."""
        self.recipe = recipe
        self.values = cache(lambda name, n, out=None: Values(recipe.tables[name], n, out))

    def through(self, node: FrontNode, exact: Tensor, ins: list[Tensor], step: float | None) -> Tensor:
        """`exact` with the value that tables give for it, where the recipe has them; its gradient stays.

        Args:
            node: of the front graph.
            exact: its result.
            ins: its inputs.
            step: of the first of them, where it is on a grid.
        """
        with torch.no_grad():
            y = self.value(node, [x.detach() for x in ins], step)
        return exact if y is None else exact + (y - exact).detach()

    def value(self, node: FrontNode, ins: list[Tensor], step: float | None) -> Tensor | None:
        """What the tables give; None where the node has none."""
        tables = self.recipe.tables
        if node.op in UNARY and function_of(node) in tables and step is not None:
            return self.values(function_of(node), -round(math.log2(step)))(torch.round(ins[0] / step))
        if node.op == "softmax" and tables.keys() & {"exp", "reciprocal"}:
            return self.softmax(node, ins)
        if node.op in ("layer_norm", "rms_norm") and "rsqrt" in tables and step is not None:
            return self.norm(node, ins, step)
        return None

    def softmax(self, node: FrontNode, ins: list[Tensor]) -> Tensor:
        """See `hwsim.blocks.softmax`."""
        block, gone = self.recipe.at(node.out).softmax, left_out(*ins[1:])
        x = ins[0] if gone is None else ins[0].masked_fill(gone, torch.finfo(ins[0].dtype).min)
        z = torch.floor((x - x.amax(-1, keepdim=True)) / block.z_step + 0.5)
        if "exp" in self.recipe.tables:
            one = QType((), UINT16, 2.0**-block.fraction)
            lookup = self.values("exp", -round(math.log2(block.z_step)), one)
            e = lookup(z.clamp(min=lookup.first))
        else:
            e = torch.exp(z * block.z_step)
        e = e if gone is None else e.masked_fill(gone, 0)
        total = e.sum(-1, keepdim=True)
        if "reciprocal" not in self.recipe.tables:
            return e / total.clamp(min=torch.finfo(e.dtype).tiny)
        m, k = torch.frexp(total)
        return e * torch.ldexp(
            self.of_mantissa("reciprocal", torch.floor(torch.ldexp(m, self.bits("reciprocal")))), 1 - k
        )

    def norm(self, node: FrontNode, ins: list[Tensor], step: float) -> Tensor:
        """See `hwsim.blocks.layernorm`."""
        x, weight, bias = ins[0].double() / step, *[*ins[1:], None, None][:2]
        n, eps = x.shape[-1], node.attrs["eps"]
        layer = node.op == "layer_norm"
        d = n * (x - x.mean(-1, keepdim=True)) if layer else x
        v = d.square().sum(-1, keepdim=True) + (n**3 if layer else n) * eps / step**2
        m, k = torch.frexp(v)
        odd = (k - 1) % 2
        argument = torch.ldexp(torch.floor(torch.ldexp(m, self.bits("rsqrt"))), odd)
        r = torch.ldexp(self.of_mantissa("rsqrt", argument).double(), -((k - 1 - odd) // 2))
        y = (d * r * math.sqrt(n)).float()
        y = y if weight is None else y * weight
        return y if bias is None else y + bias

    def bits(self, name: str) -> Any:
        """Of the mantissa that a table takes, as a tensor for ldexp."""
        return torch.tensor(mantissa_bits(self.recipe.tables[name]))

    def of_mantissa(self, name: str, codes: Tensor) -> Tensor:
        """A table of a normalised mantissa."""
        return self.values(name, mantissa_bits(self.recipe.tables[name]) - 1, FRACTION)(codes)
