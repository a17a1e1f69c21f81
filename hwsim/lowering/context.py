"""What every pattern needs: the graph being built, the types of its values, fusion of a following ReLU."""

from __future__ import annotations

from collections.abc import Mapping

from ..contracts import Contract, contract_named
from ..formats import IntFormat, format_named
from ..front import FrontGraph, FrontNode
from ..graph import Graph, Value
from ..observers import Range, activation_type
from ..ops import Requant
from ..qtensor import BATCH, QType
from ..recipe import Recipe


class Lowering:
    """State of one lowering: `env` maps front values to values of `graph`."""

    def __init__(self, front: FrontGraph, ranges: Mapping[str, Range], recipe: Recipe) -> None:
        """Start a graph with the quantized inputs of `front`."""
        self.front, self.ranges, self.recipe = front, ranges, recipe
        self.shapes = front.shapes()
        self.graph = Graph(front.name, recipe=recipe.to_dict())
        self.env: dict[str, Value] = {}
        for name in front.inputs:
            self.env[name] = self.graph.input(name, self.type_of(name))

    def type_of(self, value: str) -> QType:
        """The quantized type of a front value, from its range and recipe."""
        r = self.recipe.at(value)
        if value not in self.ranges:
            raise ValueError(f"value {value!r} has no calibration range")
        return activation_type(
            (BATCH, *self.shapes[value]),
            format_named(r.activations),
            self.ranges[value],
            symmetric=r.symmetric,
            power_of_two=self.power_of_two(r),
        )

    @staticmethod
    def power_of_two(r: Recipe) -> bool:
        """Whether scales must be powers of two."""
        return r.power_of_two or r.contract == "pow2"

    def value(self, name: str, node: FrontNode) -> Value:
        """The lowered input `name` of `node`; parameters are no values."""
        if name not in self.env:
            raise ValueError(f"{node.op} {node.out!r} {node.where}: {name!r} is a parameter where a value is expected")
        return self.env[name]

    def absorb_relu(self, node: FrontNode) -> tuple[str, bool]:
        """The value to produce for `node`: its own, or that of a ReLU that alone reads it."""
        readers = self.front.consumers(node.out)
        if len(readers) == 1 and readers[0].op == "relu" and node.out not in self.front.outputs:
            return readers[0].out, True
        return node.out, False

    def requantize(
        self, x: Value, name: str, out: QType, *, contract: type[Contract] | None = None, relu: bool = False
    ) -> Value:
        """`x` in type `out` under the recipe's contract (or the given one), clamped at real 0 for a fused ReLU."""
        r = self.recipe.at(name)
        if not isinstance(out.fmt, IntFormat):
            raise ValueError(
                f"{name!r}: activations in {out.fmt.name} are not supported by this lowering; use an integer format"
            )
        assert isinstance(out.zero_point, int)  # activation types are per tensor
        op = Requant.to(
            out, x.type, contract or contract_named(r.contract), r.rounding, out.zero_point if relu else None
        )
        return self.graph.add(op, x, name=name)

    def define(self, front_name: str, value: Value) -> None:
        """Record the lowered twin of a front value."""
        self.env[front_name] = value
