"""What every pattern needs: the graph being built, where values are, their types, fusion of a following clamp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..contracts import Contract, Dyadic16, Pow2, contract_named
from ..formats import INT32, INT48, INT64, UINT8, UINT16, Format, IntFormat, Reals, format_named
from ..front import FrontGraph, FrontNode
from ..graph import Graph, Value
from ..observers import Range, activation_type
from ..ops import Add, Conv2d, MatMul, Mul, Pool, Reduce, Requant
from ..qtensor import BATCH, QType, Shape, encode
from ..ranges import Operand, format_interval
from ..recipe import Recipe
from .fusing import CLAMPS, fused_clamp, layer_names
from .layout import FLAT, NHWC, PLAIN, Lowered, to_nhwc, to_plain

Exact = MatMul | Conv2d | Add | Mul | Pool | Reduce  # ops that refuse to overflow


class Lowering:
    """State of one lowering: `env` says where each front value is in `graph`."""

    def __init__(self, front: FrontGraph, ranges: Mapping[str, Range], recipe: Recipe) -> None:
        """Start a graph with the quantized inputs of `front`."""
        self.front, self.ranges, self.recipe = front, ranges, recipe
        self.shapes = front.shapes()
        self.graph = Graph(front.name, recipe=recipe.to_dict())
        self.env: dict[str, Lowered] = {}
        for name in front.inputs:
            self.env[name] = Lowered(self.graph.input(name, self._input_type(name)))

    def _input_type(self, name: str) -> QType:
        """Indices of an embedding are unsigned integers of scale 1; everything else is calibrated."""
        tables = [self.front.params[n.ins[1]] for n in self.front.consumers(name) if n.op == "embedding"]
        if not tables:
            return self.type_of(name)
        return QType(self._shape(name), UINT8 if min(map(len, tables)) <= 256 else UINT16)

    def type_of(self, value: str) -> QType:
        """The quantized type of a front value (in its own layout): its mark, else from its range and recipe."""
        r, shape = self.settings(value), self._shape(value)
        fmt = format_named(r.activations)
        if mark := self.front.marks.get(value):
            return QType(shape, fmt, mark.scale, mark.zero_point)
        if value not in self.ranges:
            raise ValueError(f"value {value!r} has no calibration range")
        seen = self.ranges[value]
        return activation_type(shape, fmt, seen, symmetric=r.symmetric, power_of_two=r.powers_of_two)

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
            raise ValueError(f"{name!r}: activations in {out.fmt.name} are not supported; use an integer format")
        assert isinstance(out.zero_point, int)  # activation types are per tensor
        lo = out.zero_point if clamp else None
        top = CLAMPS.get(clamp)
        hi = None if top is None else int(encode(np.asarray(top), out.reshaped(())))
        op = Requant.to(out, x.type, contract or contract_named(r.contract), r.rounding, lo)
        return self.graph.add(replace(op, hi=hi), x, name=name)

    def exact(self, op: Exact, *ins: Value, name: str) -> Value:
        """`op` with the narrowest accumulator of INT32, INT48, INT64 that its bound fits."""
        g = self.graph
        reach = op.reach(*(Operand(v.type, g.reach[v.name], g.constants.get(v.name)) for v in ins))
        fmt = next((f for f in (INT32, INT48) if reach.inside(format_interval(f))), INT64)
        wide = replace(op, acc=fmt) if isinstance(op, MatMul | Conv2d) else replace(op, fmt=fmt)
        return g.add(wide, *ins, name=name)

    def mean_contract(self, name: str, count: int) -> type[Contract]:
        """The recipe's contract; a shift alone cannot divide by 9, so under ``pow2`` such a mean takes ``dyadic16``."""
        wanted = contract_named(self.settings(name).contract)
        return Dyadic16 if wanted is Pow2 and count & (count - 1) else wanted

    def weight_format(self, node: FrontNode) -> Format:
        """Format of the node's weights."""
        return format_named(self.settings(node.out).weights)

    def define(self, front_name: str, value: Value, layout: str = PLAIN, image: tuple[int, ...] = ()) -> None:
        """Record where a front value is."""
        self.env[front_name] = Lowered(value, layout, image)
        if layout != PLAIN and value.name == front_name:
            self.graph.recipe.setdefault("layouts", {})[front_name] = layout


__all__ = ["CLAMPS", "FLAT", "NHWC", "PLAIN", "Lowering"]
