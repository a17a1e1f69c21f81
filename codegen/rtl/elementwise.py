"""A graph of element-by-element ops as one module: one element a cycle, every node wires, nothing shared.

Reciprocals, rsqrts, rotations, residual sums and their requantizations are such graphs (`hwsim.blocks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, FloatFormat, Format
from hwsim.graph import Graph, Node, Value
from hwsim.ops import Add, Lut, Mul, Normalize, Pwl, Requant, Select, Shift, ShiftBy
from hwsim.qtensor import QType
from hwsim.ranges import Interval
from hwsim.simulation import simulate

from ..unsupported import Unsupported, problem
from ..views.names import VERILOG, identifiers
from .arithmetic import clipped, number, rounded
from .lut import LutUnit
from .module import Module, Signal, constant, module_name
from .normalize import normalized
from .pwl import PwlUnit
from .requant import RequantUnit
from .shift import ShiftUnit
from .unit import EXHAUSTIVE, Stimulus, around, check_stages, codes_of, drawn

OPS = (Requant, Lut, Pwl, Shift, Add, Mul, ShiftBy, Select, Normalize)


@dataclass(frozen=True, kw_only=True)
class ElementwiseUnit:
    """Inputs and outputs of a graph as ports, each one code.

    Args:
        graph: of `OPS`; inputs and constants of one element each (a batch aside), per tensor.
        stages: 1 holds the results, 2 the inputs as well.
        name: of the module, any string; "" takes the graph's.
    """

    graph: Graph = field(compare=False)
    stages: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist, and at once for everything that has no wires."""
        check_stages("elementwise unit", self.stages, 2)
        there = f"no wires; there are {', '.join(o.name for o in OPS)}"
        problems = [
            problem(f"node {i} {n.op.name} {n.outs[0].name[:60]!r}", there)
            for i, n in enumerate(self.graph.nodes)
            if not isinstance(n.op, OPS)
        ]
        problems += [
            problem(f"value {name[:60]!r}", f"shape {v.type.shape} is not one element a sample, or is per channel")
            for name, v in self.graph.known.items()
            if v.type.elements != 1 or v.type.axis is not None
        ]
        if problems:
            raise Unsupported("elementwise unit", problems)
        _ = self.module  # the wires of every node, with their own checks

    @cached_property
    def ports(self) -> dict[str, str]:
        """Identifier of each port by ``in <value>`` or ``out <value>``; an input may be an output, too."""
        names = [*(f"in {v.name}" for v in self.graph.inputs), *(f"out {v.name}" for v in self._outputs)]
        plain = [*(v.name for v in self.graph.inputs), *(v.name for v in self._outputs)]
        return dict(zip(names, identifiers(plain, ("clk",), prefix="hw", words=VERILOG), strict=True))

    @property
    def _outputs(self) -> list[Value]:
        return list(dict.fromkeys(self.graph.outputs))

    @property
    def latency(self) -> int:
        """One edge a stage."""
        return self.stages

    @property
    def results(self) -> dict[str, Format]:
        """The outputs'."""
        return {self.ports[f"out {v.name}"]: v.type.fmt for v in self._outputs}

    @property
    def module(self) -> Module:
        """Inputs, each node in order, outputs."""
        m = Module(module_name(self.name or self.graph.name), f"{len(self.graph.nodes)} nodes, element by element")
        if self.stages:
            m.clock()
        known: dict[str, Signal] = {}
        for i, v in enumerate(self.graph.inputs):
            bits = m.port(self.ports[f"in {v.name}"], v.type.fmt.bits)
            m.scope = f"hw_in{i}_"
            x = number(m, "int", bits, v.type.fmt, _codes(self.graph, v.name, v.type))
            known[v.name] = m.delayed("kept", x) if self.stages == 2 else x
        for name, tensor in self.graph.constants.items():
            known[name] = constant(int(tensor.type.fmt.to_int(tensor.codes).reshape(-1)[0]))
        for i, node in enumerate(self.graph.nodes):
            m.scope = f"hw_n{i}_"
            outs = wires(m, node, [known[v.name] for v in node.ins])
            known |= zip((v.name for v in node.outs), outs, strict=True)
        for i, v in enumerate(self._outputs):
            m.scope = f"hw_out{i}_"
            y = m.delayed("kept", known[v.name]) if self.stages else known[v.name]
            if isinstance(v.type.fmt, FloatFormat):
                raise ValueError(
                    f"elementwise unit: output {v.name[:60]!r} is {v.type.fmt.name}; only integers leave it"
                )
            m.result(self.ports[f"out {v.name}"], v.type.fmt.bits, y)
        return m

    def setup(self) -> Stimulus:
        """Constants are wired."""
        return {}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """All codes of all inputs together, or ends, powers of two with their neighbours, and random codes."""
        inputs = [
            (self.ports[f"in {v.name}"], v.type.fmt, _codes(self.graph, v.name, v.type)) for v in self.graph.inputs
        ]
        if sum(fmt.bits for _, fmt, _ in inputs) <= EXHAUSTIVE:
            grids = np.meshgrid(*(codes_of(fmt, reach) for _, fmt, reach in inputs), indexing="ij")
            return {port: g.reshape(-1) for (port, _, _), g in zip(inputs, grids, strict=True)}
        edges = [_edges(fmt, reach) for _, fmt, reach in inputs]
        some = max(map(len, edges))
        first = [e if len(edges) == 1 else rng.choice(e, 4 * some) for e in edges]
        drawn_codes = (drawn(rng, fmt, reach, count) for _, fmt, reach in inputs)
        return {port: np.concatenate([e, d]) for (port, _, _), e, d in zip(inputs, first, drawn_codes, strict=True)}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The simulator's."""
        feeds = {v.name: _shaped(codes[self.ports[f"in {v.name}"]], v.type) for v in self.graph.inputs}
        values = simulate(self.graph, feeds, engine="numpy", trace=True)
        return {self.ports[f"out {v.name}"]: {**feeds, **values}[v.name].reshape(-1) for v in self._outputs}

    def describe(self) -> tuple[str, str]:
        """Each node has its own."""
        return "", ""


def _codes(graph: Graph, name: str, t: QType) -> Interval | None:
    """Codes that an input may have; None is all of a float format."""
    return None if isinstance(t.fmt, FloatFormat) else graph.reach[name]


def _edges(fmt: Format, reach: Interval | None) -> NDArray[np.int64]:
    """Ends and powers of two, with their neighbours."""
    if reach is None:
        return codes_of(fmt)
    powers = [sign << k for k in range(reach.magnitude.bit_length()) for sign in (1, -1)]
    return around(np.array([*reach, 0, *powers], np.int64), reach)


def _shaped(codes: Codes, t: QType) -> Codes:
    return codes.astype(t.fmt.dtype).reshape(-1, *t.sample_shape)


def wires(m: Module, node: Node, ins: list[Signal]) -> list[Signal]:
    """Results of one node, from signals of its inputs."""
    op, types = node.op, [v.type for v in node.ins]
    match op:
        case Requant():
            reach = None if isinstance(types[0].fmt, FloatFormat) else ins[0].reach
            return [RequantUnit(op=op, x=types[0], reach=reach).wires(m, ins[0])]
        case Lut():
            if isinstance(types[0].fmt, FloatFormat):
                raise ValueError(
                    f"elementwise unit: lut of {types[0].fmt.name}; inside a unit only integers have codes"
                )
            return [LutUnit(op=op, x=types[0]).wires(m, ins[0])]
        case Pwl():
            return [PwlUnit(op=op, x=types[0]).wires(m, ins[0])]
        case Shift():
            reach = None if isinstance(types[0].fmt, FloatFormat) else ins[0].reach
            return [ShiftUnit(op=op, x=types[0], reach=reach).wires(m, ins[0])]
        case Add():
            return [m.sum("sum", *ins)]
        case Mul():
            a, b = (_centred(m, f"centred_{i}", x, t) for i, (x, t) in enumerate(zip(ins, types, strict=True)))
            return [m.product("product", a, b)]
        case ShiftBy():
            amount = m.sum("amount", ins[1], constant(op.bits)) if op.bits else ins[1]
            return [clipped(m, "limited", rounded(m, "dropped", ins[0], amount, op.rounding), op.limits)]
        case Select():
            reach = ins[1].reach.union(ins[2].reach)
            zero = constant(0).name
            return [m.wire("chosen", reach, f"{ins[0].name} == {zero} ? {ins[2].name} : {ins[1].name}")]
        case Normalize():
            return normalized(m, ins[0], op.bits)
    raise AssertionError(f"{op.name} has no wires")


def _centred(m: Module, name: str, x: Signal, t: QType) -> Signal:
    """A number less its zero point."""
    assert isinstance(t.zero_point, int)
    return m.sum(name, x, constant(-t.zero_point)) if t.zero_point else x
