"""A plain float ONNX model -> front graph; a new operator is one entry in `OPS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.front import FrontGraph, FrontNode

from ..onnx_model import Model, Node
from ..unsupported import Unsupported, problem
from .biases import fold_biases
from .patterns import recognise

REALS = ("float", "float16", "bfloat16", "double")
Array = NDArray[Any]


class Refused(ValueError):  # noqa: N818
    """Why one node is not supported; empty where an earlier refusal is the reason."""


def front_graph(model: Model) -> FrontGraph:
    """The front graph of a float model.

    Values keep the names that they have in the file; what an operator needs besides is ``<name>.<part>``. A matrix
    product or convolution with a constant added behind it is one layer under the name of the sum.

    Args:
        model: as `codegen.onnx_model.load_model` makes it.

    Raises:
        Unsupported: every operator that has no place in the front graph, with position and reason.
        ValueError: what `FrontGraph.check` refuses.
    """
    return Import(model).run()


class Import:
    """State of one import.

    env: front names of values. masked: scores on their way to a softmax, with what to keep of them. turned: values
    whose batch is not axis 0 until one of that axis is taken, with the order of their axes. refused: without a name.
    """

    def __init__(self, model: Model) -> None:
        """Start a front graph without nodes."""
        self.model = model
        self.nodes = recognise(model)
        self.readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.ins):
                self.readers.setdefault(name, []).append(node)
        self.front = FrontGraph(model.name)
        self.env: dict[str, str] = {}
        self.masked: dict[str, tuple[str, Array]] = {}
        self.turned: dict[str, tuple[str, list[int]]] = {}
        self.refused: set[str] = set()
        self.problems: list[str] = []
        self.taken = {*model.inputs, *(o for n in self.nodes for o in n.outs)}

    def run(self) -> FrontGraph:
        """Every node in order; see `front_graph`."""
        from .operators import OPS

        for name in self.model.inputs:
            self.env[name] = name
            self.front.inputs[name] = self.model.sample_shape(name)
        for node in self.nodes:
            self.collect(node, OPS.get(node.op))
        for name in self.model.outputs:
            if name in self.env:
                self.front.outputs.append(self.env[name])
            elif name not in self.refused:
                reason = "a constant" if name in self.model.constants else "only a softmax or a Gather may read it"
                self.problems.append(problem(f"output {name!r}", reason))
        if self.problems:
            raise Unsupported(self.model.source, self.problems)
        front = fold_biases(self.front)
        front.check()
        return front

    def collect(self, node: Node, function: Callable[[Import, Node], None] | None) -> None:
        """One node; its reason if it is refused."""
        try:
            if function is None:  # told even where what it reads was refused already
                raise Refused("not supported; rewrite it with what front graphs have, or leave it outside the model")
            if self.refused.intersection(node.ins):
                raise Refused
            function(self, node)
        except ValueError as e:
            self.refused.update(node.outs)
            self.problems += [problem(node.where, str(e))] if str(e) else []

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.model.sample_shape(name)

    def rank(self, name: str) -> int:
        """Axes, the batch among them."""
        return len(self.model.shapes[name])

    def axis(self, name: str, axis: int) -> int:
        """An axis behind the batch, counted from the front."""
        rank = self.rank(name)
        if not -rank <= axis < rank:
            raise Refused(f"axis {axis} of a value with {rank} axes")
        if axis % rank == 0:
            raise Refused("works on axis 0, the batch; a sample must not see the others")
        return axis % rank

    def is_constant(self, name: str) -> bool:
        """Whether the value depends on no input."""
        return name in self.model.constants

    def numbers(self, node: Node, at: int, what: str) -> Array:
        """A constant input."""
        name = node.ins[at] if at < len(node.ins) else ""
        if name not in self.model.constants:
            raise Refused(f"its {what} is not a constant" if name else f"has no {what}")
        return self.model.constants[name]

    def has(self, node: Node, at: int) -> bool:
        """Whether an optional input is there."""
        return at < len(node.ins) and node.ins[at] != ""

    def value(self, name: str, *, integers: bool = False) -> str:
        """Front name of a value, a real one unless `integers`."""
        if name in self.masked:
            raise Refused(f"{name!r} is masked with minus infinity; only a softmax over the last axis may read it")
        if name in self.turned:
            raise Refused(f"{name!r} has not the batch as its first axis; only Gather of one entry may read it")
        if name in self.model.constants:
            raise Refused(f"{name!r} is a constant where a value is expected")
        dtype = self.model.dtypes.get(name, "float")
        if dtype not in REALS and not integers:
            raise Refused(f"{name!r} is {dtype}; only an embedding reads integers")
        self.shape(name)
        return self.env[name]

    def emit(self, node: Node, op: str, *ins: str, part: str = "", **attrs: Any) -> str:
        """Append a front node: the node's result, or with `part` something inside it; its name."""
        name = self.unique(f"{node.outs[0]}.{part}") if part else node.outs[0]
        if not part:
            self.shape(name)
            self.env[name] = name
        self.front.nodes.append(FrontNode(op, ins, name, attrs, node.where))
        return name

    def same(self, node: Node, source: str) -> None:
        """The node's result is `source` under another name."""
        known: Any
        for known in (self.env, self.masked, self.turned):
            if source in known:
                known[node.outs[0]] = known[source]

    def param(self, name: str, numbers: Any = None, *, suffix: str = "") -> str:
        """A parameter: a constant of the file as it is, or `numbers` made of it, called ``name.suffix``."""
        x = np.array(self.model.constants[name] if numbers is None else numbers, np.float32, order="C")
        called = f"{name}.{suffix}" if suffix else name
        if called in self.front.params and np.array_equal(self.front.params[called], x):
            return called
        called = self.unique(called)
        self.front.params[called] = x
        return called

    def per_sample(self, name: str, rank: int) -> Array:
        """A constant without batch axis, for a result of `rank` axes; the same for every sample."""
        x = self.model.constants[name]
        if x.size == 1:
            return x.reshape(())
        if x.ndim < rank:
            return x
        if x.ndim > rank or not (x == x[:1]).all():
            raise Refused(f"constant {name!r} of shape {x.shape} differs from sample to sample")
        return x[0]

    def operand(self, name: str, rank: int, change: Callable[[Array], Array] | None = None, suffix: str = "") -> str:
        """A value, or a constant for every sample, changed perhaps."""
        if not self.is_constant(name):
            return self.value(name)
        x = self.per_sample(name, rank)
        x = x if change is None else change(x)
        same = change is None and x.shape == self.model.constants[name].shape
        return self.param(name, x, suffix="" if same else suffix or "sample")

    def unique(self, name: str) -> str:
        """`name`, with the first free of ``.1``, ``.2`` ... where something has it."""
        names = (name if not i else f"{name}.{i}" for i in range(len(self.taken) + 1))
        free = next(n for n in names if n not in self.taken)
        self.taken.add(free)
        return free


def ints(numbers: Array | Sequence[int]) -> list[int]:
    """Plain integers of a constant or an attribute."""
    return [int(n) for n in np.asarray(numbers).reshape(-1)]
