"""The integer graph: SSA, ordered, integer semantics only. Every engine is a reading of it.

Invariant: each node's inputs exist before it, its output types are what its op says, and every result provably fits
its format (`reach` keeps the proof); `Graph.add` is the only way in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from .formats import Codes
from .qtensor import QTensor, QType, check_codes
from .ranges import Interval, Operand, format_interval, tensor_interval


class Op(Protocol):
    """One datapath primitive: a frozen dataclass. `run` is the definition every engine must match bit for bit.

    An op may add ``run_fast`` (numba or BLAS, same bits, same arguments).
    """

    name: ClassVar[str]

    # Why properties: ops take one, two or three inputs by name; a protocol method would demand *args of each.
    @property
    def out_type(self) -> Callable[..., QType | tuple[QType, ...]]:
        """Types of the results for types of the inputs; ValueError, with the values, where they do not fit."""
        ...

    @property
    def reach(self) -> Callable[..., Interval | tuple[Interval, ...]]:
        """What all results, or each, can reach for Operands; ValueError where exact arithmetic would overflow."""
        ...

    @property
    def run(self) -> Callable[..., Codes | tuple[Codes, ...]]:
        """Codes of the results for (input types, *codes); batched values have the batch as first axis."""
        ...


@dataclass(frozen=True)
class Value:
    """One tensor of the graph: any non-empty name, unique in its graph, and its type."""

    name: str
    type: QType

    def __repr__(self) -> str:
        """Name, format and shape."""
        return f"Value({self.name!r}, {self.type.fmt.name}, {self.type.shape})"


@dataclass(frozen=True)
class Node:
    """One application of an op."""

    op: Op
    ins: tuple[Value, ...]
    outs: tuple[Value, ...]

    def __repr__(self) -> str:
        """What goes in and what comes out; `op` tells the rest."""
        ins, outs = (", ".join(repr(v.name) for v in values) for values in (self.ins, self.outs))
        return f"Node({self.op.name}: {ins} -> {outs})"


@dataclass(frozen=True, eq=False)
class State:
    """What a graph keeps from one step of a sequence to the next: an output that comes back as an input.

    Args:
        output: name of the output that holds the next step's state.
        initial: codes of the first step, one sample.
    """

    output: str
    initial: Codes


@dataclass
class Graph:
    """Inputs, constants, nodes in order, outputs; `recipe` records how it was made (plain JSON data).

    `states` names, by input, the pairs that carry a sequence's memory; engines see plain inputs and outputs.
    """

    name: str = "model"
    recipe: dict[str, Any] = field(default_factory=dict)
    inputs: list[Value] = field(default_factory=list, init=False)
    constants: dict[str, QTensor] = field(default_factory=dict, init=False)
    nodes: list[Node] = field(default_factory=list, init=False)
    outputs: list[Value] = field(default_factory=list, init=False)
    states: dict[str, State] = field(default_factory=dict, init=False)
    reach: dict[str, Interval] = field(default_factory=dict, init=False, repr=False)
    known: dict[str, Value] = field(default_factory=dict, init=False, repr=False)

    def __repr__(self) -> str:
        """One line, whatever its size."""
        ins, outs = (", ".join(map(repr, values)) for values in (self.inputs, self.outputs))
        what = f"{len(self.nodes)} nodes, {len(self.constants)} constants"
        return f"Graph({self.name!r}: {what}, inputs [{ins}], outputs [{outs}])"

    def _repr_html_(self) -> str:
        from .reports.graph_html import graph_html

        return graph_html(self)

    def input(self, name: str, type: QType) -> Value:
        """A new input; all its format's codes may arrive."""
        v = self._define(name, type, format_interval(type.fmt))
        self.inputs.append(v)
        return v

    def constant(self, name: str, tensor: QTensor) -> Value:
        """A new constant."""
        if tensor.type.batched:
            raise ValueError(f"constant {name!r}: shape {tensor.type.shape} has a batch axis")
        v = self._define(name, tensor.type, tensor_interval(tensor))
        self.constants[name] = tensor
        return v

    def add(self, op: Op, *ins: Value, name: str = "") -> Value:
        """Apply an op with one result."""
        outs = self.add_all(op, *ins, names=(name,) if name else ())
        if len(outs) != 1:
            raise ValueError(f"{op.name} has {len(outs)} results: use add_all")
        return outs[0]

    def add_all(self, op: Op, *ins: Value, names: Sequence[str] = ()) -> tuple[Value, ...]:
        """Apply an op; all its results, under `names` or generated ones."""
        where = f"node {len(self.nodes)} ({op.name})"
        for v in ins:
            if self.known.get(v.name) != v:
                raise ValueError(f"{where}: input {v.name!r} is no value of this graph")
        try:
            types = op.out_type(*(v.type for v in ins))
            reach = op.reach(*(Operand(v.type, self.reach[v.name], self.constants.get(v.name)) for v in ins))
        except TypeError as e:
            raise ValueError(f"{where}: {len(ins)} inputs do not suit it: {e}") from None
        types = types if isinstance(types, tuple) else (types,)
        stem = f"{op.name}_{len(self.nodes)}"
        names = tuple(names) or tuple(self._fresh(stem, i, len(types)) for i in range(len(types)))
        if len(names) != len(types):
            raise ValueError(f"{where}: {len(names)} names for {len(types)} results")
        if len(set(names)) != len(names):
            raise ValueError(f"{where}: names {names} must differ")
        for name in names:
            self._check_name(name)
        reaches = (reach,) * len(types) if isinstance(reach, Interval) else reach
        for name, t, r in zip(names, types, reaches, strict=True):
            if not r.inside(format_interval(t.fmt)):
                raise ValueError(
                    f"{where}: {name!r} may reach {r.lo}..{r.hi}, outside {t.fmt.name} "
                    f"({t.fmt.min_int}..{t.fmt.max_int}); give the op a wider format"
                )
        outs = tuple(self._define(n, t, r) for n, t, r in zip(names, types, reaches, strict=True))
        self.nodes.append(Node(op, ins, outs))
        return outs

    def output(self, *values: Value) -> None:
        """Declare values as outputs, in this order."""
        for v in values:
            if self.known.get(v.name) != v:
                raise ValueError(f"output {v.name!r} is no value of this graph")
            if not v.type.batched and self.inputs and any(i.type.batched for i in self.inputs):
                raise ValueError(f"output {v.name!r} has no batch axis: it does not depend on a batched input")
            self.outputs.append(v)

    def state(self, before: Value, after: Value, initial: Codes) -> None:
        """Output `after` of one step is input `before` of the next; the first step has the codes `initial`."""
        if before not in self.inputs or after not in self.outputs or before.name in self.states:
            raise ValueError(f"state {before.name!r} -> {after.name!r}: must be an input, once, and an output")
        if before.type != after.type or not before.type.batched:
            raise ValueError(f"state {before.name!r}: {before.type} and {after.type} must be one batched type")
        t = before.type
        if initial.shape != t.sample_shape or initial.dtype != t.fmt.dtype:
            raise ValueError(
                f"state {before.name!r}: initial codes are {initial.dtype} {initial.shape}, must be "
                f"{t.fmt.dtype} {t.sample_shape}"
            )
        check_codes(initial, t.fmt, f"state {before.name!r}")
        self.states[before.name] = State(after.name, initial)

    def values(self) -> list[Value]:
        """Inputs and every computed value, in order."""
        return [*self.inputs, *(v for n in self.nodes for v in n.outs)]

    def results(self, *, trace: bool = False) -> list[Value]:
        """What an engine hands back, each value once: with `trace` every computed value in order, then the outputs."""
        computed = [v for n in self.nodes for v in n.outs] if trace else []
        return list(dict.fromkeys([*computed, *self.outputs]))

    def _define(self, name: str, type: QType, reach: Interval) -> Value:
        self._check_name(name)
        self.reach[name] = reach
        self.known[name] = Value(name, type)
        return self.known[name]

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"value name {name!r} must be a non-empty string")
        if name in self.reach:
            raise ValueError(f"value {name!r} exists already in graph {self.name!r}; give another name")

    def _fresh(self, stem: str, i: int, of: int) -> str:
        name = stem if of == 1 else f"{stem}.{i}"
        while name in self.reach:
            name += "_"
        return name
