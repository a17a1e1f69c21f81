"""What every pattern needs: the graph being built, where values are, their types, fusion of a following clamp."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..blockformats import BlockFormat, weight_format_named
from ..blocks.exact import Exact, exact, multipliable
from ..contracts import Contract, Dyadic16, contract_named, suited
from ..formats import UINT1, UINT8, UINT16, Format, IntFormat, Reals
from ..front import FrontGraph, FrontNode
from ..graph import Graph, Value
from ..observers import Range
from ..ops import Requant
from ..qtensor import BATCH, QType, Shape, encode
from ..recipe import Recipe
from .fusing import CLAMPS, fused_clamp, layer_names
from .layout import FLAT, NHWC, PLAIN, Lowered, to_nhwc, to_plain
from .roles import find_roles


class Lowering:
    """State of one lowering: `env` says where each front value is in `graph`."""

    def __init__(self, front: FrontGraph, ranges: Mapping[str, Range], recipe: Recipe) -> None:
        """Start a graph with the quantized inputs of `front`."""
        self.front, self.ranges, self.recipe = front, ranges, recipe
        self.shapes = front.shapes()
        self.roles = find_roles(front)
        self.graph = Graph(front.name, recipe=recipe.to_dict())
        self.env: dict[str, Lowered] = {}
        for name in front.inputs:
            self.env[name] = Lowered(self.graph.input(name, self._input_type(name)))

    def _input_type(self, name: str) -> QType:
        """Masks, and indices of an embedding, are unsigned integers of scale 1; everything else is calibrated."""
        if name in self.front.masks():
            return QType(self._shape(name), UINT1)
        tables = [self.front.params[n.ins[1]] for n in self.front.consumers(name) if n.op == "embedding"]
        if not tables:
            return self.type_of(name)
        return QType(self._shape(name), UINT8 if min(map(len, tables)) <= 256 else UINT16)

    def type_of(self, value: str) -> QType:
        """The quantized type of a front value (in its own layout): by its role, from its mark, else from its range."""
        r, mark, seen = self.settings(value), self.front.marks.get(value), self.ranges.get(value)
        return self.roles.type(value, self._shape(value), r, seen, mark)

    def _shape(self, value: str) -> Shape:
        return (BATCH, *self.shapes[value])

    def stored(self, name: str, node: FrontNode) -> Lowered:
        """Where input `name` of `node` is, in whatever layout; parameters are no values."""
        if name not in self.env:
            raise ValueError(f"{node.op} {node.out!r} {node.where}: {name!r} is a parameter where a value is expected")
        return self.env[name]

    def value(self, name: str, node: FrontNode) -> Value:
        """Input `name` of `node` in the front graph's layout."""
        return to_plain(self.graph, self.stored(name, node), self.shapes[name])

    def image(self, name: str, node: FrontNode) -> Value:
        """Input `name` of `node` as (N, H, W, C)."""
        x = self.stored(name, node)
        return x.value if x.layout == NHWC else to_nhwc(self.graph, to_plain(self.graph, x, self.shapes[name]))

    def settings(self, value: str) -> Recipe:
        """The recipe for one value."""
        return self.recipe.at(*layer_names(self.front, value))

    def param(self, node: FrontNode, i: int) -> Reals:
        """Parameter input `i` of `node`, float64."""
        if node.ins[i] not in self.front.params:
            place = f" at {node.where}" if node.where else ""
            raise ValueError(f"{node.op} {node.out!r}{place}: {node.ins[i]!r} is computed; it must be a parameter")
        return self.front.params[node.ins[i]].astype(np.float64)

    def absorb_clamp(self, node: FrontNode) -> tuple[str, str]:
        """The value to produce for `node`: its own, or that of the clamp fused into it; and which clamp."""
        clamp = fused_clamp(self.front, node)
        return (clamp.out, clamp.op) if clamp else (node.out, "")

    def requantize(
        self, x: Value, name: str, out: QType, *, contract: type[Contract] | None = None, clamp: str = ""
    ) -> Value:
        """`x` in type `out` under the recipe's contract (or the given one), clamped as a fused ReLU or ReLU6 says."""
        r = self.settings(name)
        if not isinstance(out.fmt, IntFormat):
            raise ValueError(
                f"{name!r}: activations in {out.fmt.name} are not supported; use an integer format, and "
                f"operands = {out.fmt.name!r} for what layers and products read"
            )
        assert isinstance(out.zero_point, int)  # activation types are per tensor
        lo = out.zero_point if clamp else None
        top = CLAMPS.get(clamp)
        hi = None if top is None else int(encode(np.asarray(top), out.reshaped(())))
        rule = contract or contract_named(r.contract)
        x = multipliable(self.graph, x, out, name) if rule is Dyadic16 else x
        return self.graph.add(Requant.to(out, x.type, rule, r.rounding, lo, hi), x, name=name)

    def exact(self, op: Exact, *ins: Value, name: str) -> Value:
        """`op` with the narrowest accumulator that its bound fits."""
        return exact(self.graph, op, *ins, name=name)

    def mean_contract(self, name: str, count: int) -> type[Contract]:
        """The recipe's contract for a mean of `count`."""
        return suited(contract_named(self.settings(name).contract), count)

    def weight_format(self, node: FrontNode) -> Format | BlockFormat:
        """Format of the node's weights."""
        return weight_format_named(self.settings(node.out).weights)

    def define(self, front_name: str, value: Value, layout: str = PLAIN, image: tuple[int, ...] = ()) -> None:
        """Record where a front value is."""
        self.env[front_name] = Lowered(value, layout, image)
        if layout != PLAIN and value.name == front_name:
            self.graph.recipe.setdefault("layouts", {})[front_name] = layout


__all__ = ["CLAMPS", "FLAT", "NHWC", "PLAIN", "Lowering"]
