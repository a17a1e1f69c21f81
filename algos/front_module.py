"""A prepared model as a torch module: fake-quantized and differentiable in training, the integer definition in eval.

Which values carry a quantizer, and its format, first scale and zero point, is read off the lowered graph: a value that
a requant, table (whole or fitted), concat, select or gather makes, an input, and the weights of linear and convolution.
Nothing is decided twice. Where the recipe has fitted tables, training sees what they give, see `algos.fitted`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hwsim import Graph, lowering
from hwsim.formats import IntFormat
from hwsim.front import FrontGraph, Mark
from hwsim.lowering.equalization import LAYERS
from hwsim.lowering.movement import keeps_type
from hwsim.lowering.roles import MOVES, find_roles, shared_steps
from hwsim.lowering.simplify import simplify
from hwsim.ops import Concat, Gather, Lut, Pwl, Requant, Select
from hwsim.qtensor import QType

from . import torch_engine
from .fake_quantize import fake_quantize
from .fitted import Fitted
from .frameworks import nn, torch
from .torch_front import compute

if TYPE_CHECKING:
    from .prepare import Prepared

Tensor = torch.Tensor
MAKERS = (Requant, Lut, Pwl, Concat, Gather, Select)


class Quantizer(nn.Module):
    """A learned scale (one, or one a channel of axis 0) with a fixed zero point.

    Why its logarithm: steps are then relative and the scale stays positive; a power of two is a rounded logarithm.
    """

    def __init__(
        self, fmt: IntFormat, scale: Any, zero_point: int = 0, *, powers: bool = False, steps: tuple[int, ...] = ()
    ) -> None:
        """Start at `scale`, float or shape (channels,); `steps` are the only exponents of two, where there are any."""
        super().__init__()
        self.fmt, self.zero_point, self.powers, self.steps = fmt, zero_point, powers, steps
        self.first = torch.tensor(scale, dtype=torch.float64)
        self.log2_scale = nn.Parameter(torch.log2(self.first).float())

    def scale(self) -> Tensor:
        """The scale as it is applied; rounding to a power of two lets gradients pass straight through."""
        exponent = self.log2_scale
        return torch.exp2(exponent + (self.settled(exponent) - exponent).detach())

    def settled(self, exponent: Tensor) -> Tensor:
        """The nearest of `steps`, or whole where scales are powers of two."""
        if self.steps:
            return torch.full_like(exponent, min(self.steps, key=lambda n: abs(n - float(exponent.detach()))))
        return exponent.round() if self.powers else exponent

    def forward(self, x: Tensor) -> Tensor:
        """`x` on the grid of the format."""
        count = x[0].numel()  # numbers a sample, or a channel of a weight
        axis = 0 if self.log2_scale.ndim else -1
        factor = 1 / math.sqrt(count * self.fmt.max_int)
        return fake_quantize(x, self.scale(), self.zero_point, self.fmt.min_int, self.fmt.max_int, axis, factor)

    def mark(self) -> Mark:
        """What `hwsim.lowering` honours; a scale that nobody has moved is the first one to the last bit."""
        exponent = self.log2_scale.detach()
        moved = torch.exp2(self.settled(exponent).double())
        scale = torch.where(exponent == torch.log2(self.first).float(), self.first, moved).tolist()
        return Mark(tuple(scale) if isinstance(scale, list) else scale, self.zero_point)


class FrontModule(nn.Module):
    """See the module's first lines. Inputs are positional, in the front graph's order, or by name.

    In training a batch gives the front graph's outputs with every quantizer applied; gradients are LSQ's. In eval mode
    the same inputs are quantized, computed in integers by `algos.torch_engine`, and the codes dequantized to float32;
    `codes` are what `hwsim.simulate` gives, with equality.
    """

    def __init__(self, prepared: Prepared) -> None:
        """Take weights, ranges, recipe and marks of a calibrated model; it stays as it is.

        Raises:
            ValueError: not calibrated, nothing to lower, or formats that are no integers.
        """
        super().__init__()
        if not prepared.ranges:
            raise ValueError(f"model {prepared.front.name!r} has no ranges yet: call algos.calibrate(p, batches) first")
        self.recipe, self.ranges = prepared.recipe, prepared.ranges
        self.fitted = Fitted(self.recipe)
        self.base = simplify(prepared.front, prepared.recipe)
        self.roles = find_roles(self.base)
        self.parameter_names = list(self.base.params)
        self.weights = nn.ParameterList(torch.from_numpy(self.base.params[n].copy()) for n in self.parameter_names)
        self.graph: Graph | None = lowering.lower(self.base, self.ranges, self.recipe)
        made = quantized_values(self.base, self.graph)
        shared = weight_types(self.base, self.graph)
        self.quantized_names = [*made, *shared]
        self.quantizers = nn.ModuleList(self.quantizer(n, t) for n, t in {**made, **shared}.items())

    def quantizer(self, name: str, t: QType) -> Quantizer:
        """A quantizer that starts at a type of the graph."""
        if not isinstance(t.fmt, IntFormat):
            raise ValueError(f"{name!r}: {t.fmt.name} is no integer format; only those can be trained")
        zero = t.zero_point
        assert isinstance(zero, int)
        recipe = self.recipe.at(name)
        tables = self.roles.tables(name, recipe)
        steps = tuple(-n for n in shared_steps(tables))
        return Quantizer(t.fmt, t.scale, zero, powers=recipe.powers_of_two, steps=steps)

    def train(self, mode: bool = True) -> FrontModule:
        """Training or eval mode; going to eval lowers what training has made."""
        self.graph = None
        return super().train(mode)

    def forward(self, *args: Tensor, **named: Tensor) -> Any:
        """Outputs in order: one tensor, or a tuple where there are several."""
        inputs = {**dict(zip(self.base.inputs, args, strict=False)), **named}
        if set(inputs) != set(self.base.inputs) or len(args) + len(named) != len(inputs):
            raise ValueError(f"{len(args)} inputs and {sorted(named)} given; the model has {list(self.base.inputs)}")
        values = self.fake(inputs) if self.training else self.exact(inputs)
        return values[0] if len(values) == 1 else tuple(values)

    def fake(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Float arithmetic with quantizers on the edges."""
        quantizers = dict(zip(self.quantized_names, self.quantizers, strict=True))
        env = dict(zip(self.parameter_names, self.weights, strict=True))
        for name in env.keys() & quantizers.keys():
            env[name] = quantizers[name](env[name])
        for name, x in inputs.items():
            env[name] = quantizers[name](x) if name in quantizers else x
        grid = {name: name for name in inputs}
        for node in self.base.nodes:
            ins = [env[i] for i in node.ins]
            y = compute(node, *ins)
            if self.recipe.tables:
                source = quantizers.get(grid.get(node.ins[0], ""))
                y = self.fitted.through(node, y, ins, None if source is None else float(source.scale().detach()))
            env[node.out] = quantizers[node.out](y) if node.out in quantizers else y
            grid[node.out] = grid.get(node.ins[0], "") if node.op in MOVES else node.out
        return [env[name] for name in self.base.outputs]

    def exact(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Codes by the torch engine, dequantized to float32."""
        codes = self.codes(inputs)
        return [torch_engine.decode(codes[v.name], v.type).float() for v in self.lowered().outputs]

    def codes(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Codes of the graph's outputs, int64, from reals (integers for an embedding)."""
        graph = self.lowered()
        given = {v.name: torch_engine.encode(inputs[v.name].detach(), v.type) for v in graph.inputs}
        return torch_engine.run(graph, given)

    def lowered(self) -> Graph:
        """The integer graph of the present weights and scales."""
        if self.graph is None:
            self.graph = lowering.lower(self.front(), self.ranges, self.recipe)
        return self.graph

    def front(self) -> FrontGraph:
        """The present weights as a front graph, with the present scales as marks."""
        params = {
            n: w.detach().numpy().copy(order="C") for n, w in zip(self.parameter_names, self.weights, strict=True)
        }
        marks = {n: q.mark() for n, q in zip(self.quantized_names, self.quantizers, strict=True)}
        return replace(self.base, params=params, marks={**self.base.marks, **marks})


def quantized_values(front: FrontGraph, graph: Graph) -> dict[str, QType]:
    """Inputs of reals, and values of `front` whose codes a node of `graph` makes anew; those of 0 and 1 are none."""
    roles = find_roles(front)
    moved = {n.out for n in front.nodes if n.op in ("not", "masked") or keeps_type(front, roles, n)}
    known = {*front.inputs, *(n.out for n in front.nodes)} - moved
    made = {v.name: v.type for v in graph.inputs if v.name not in front.indices() | front.masks()}
    for node in graph.nodes:
        if isinstance(node.op, MAKERS) and node.outs[0].name in known:
            made[node.outs[0].name] = node.outs[0].type
    return made


def weight_types(front: FrontGraph, graph: Graph) -> dict[str, QType]:
    """Weights of linear and convolution by parameter name; a shared one has the type of its first layer."""
    types: dict[str, QType] = {}
    for node in front.nodes:
        if node.op in LAYERS:
            if f"{node.out}.scales" in graph.constants:
                raise ValueError(f"{node.out!r}: weights in blocks cannot be trained yet; train another format")
            types.setdefault(node.ins[1], graph.constants[f"{node.out}.weight"].type)
    return types
