"""A graph over rows as one pipelined module: softmax, LayerNorm, RMSNorm, one element a cycle, every node wires.

A reduction ends a pass over the row. What the next pass reads of an element waits in a buffer of a row's length, what
it reads of the whole row in a register; so all passes work at once, each on a row of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, FloatFormat, Format
from hwsim.graph import Graph, Value
from hwsim.ops import Reduce
from hwsim.qtensor import BATCH
from hwsim.simulation import simulate

from ..unsupported import Unsupported, problem
from ..views.names import VERILOG, identifiers
from .elementwise import OPS
from .module import Module
from .row_wiring import Wiring
from .unit import Stimulus, around, check_stages, codes_of, drawn


@dataclass(frozen=True, kw_only=True)
class RowUnit:
    """Rows in, rows out, in order, `latency` cycles later; a row takes `row` cycles, one element each.

    Port ``first`` is 1 at the first element of a row. A row begins 1, 2, 3 ... times `row` cycles after the one before
    it, or at any time once all results are out.

    Args:
        graph: inputs and outputs of shape (N, row), nodes of element-by-element ops and of reductions over the row;
            constants of one element or one a column.
        stages: 1 holds the results.
        name: of the module, any string; "" takes the graph's.
    """

    graph: Graph = field(compare=False)
    stages: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist, and at once for everything that has no wires."""
        check_stages("row unit", self.stages, 1)
        shapes = {v.type.shape for v in (*self.graph.inputs, *self.graph.outputs)}
        if len(shapes) != 1 or len(shape := next(iter(shapes))) != 2 or shape[0] != BATCH or shape[1] == 1:
            raise ValueError(f"row unit: inputs and outputs {sorted(map(str, shapes))}; takes one shape, (N, row > 1)")
        if problems := self._problems():
            raise Unsupported("row unit", problems)
        _ = self.module  # the wires of every node, with their own checks

    def _problems(self) -> list[str]:
        known = f"no wires; there are reduce of the last axis, {', '.join(o.name for o in OPS)}"
        problems = [
            problem(f"node {i} {n.op.name} {n.outs[0].name[:60]!r}", known)
            for i, n in enumerate(self.graph.nodes)
            if not (n.op.axes == (1,) if isinstance(n.op, Reduce) else isinstance(n.op, OPS))
        ]
        wanted = (BATCH, self.row), (BATCH, 1), (1, self.row), (self.row,), (1, 1), (1,), ()
        for name, v in self.graph.known.items():
            if v.type.shape not in wanted or v.type.axis is not None:
                problems.append(problem(f"value {name[:60]!r}", f"shape {v.type.shape} is no row, or is per channel"))
        for v in self.outputs:
            if isinstance(v.type.fmt, FloatFormat):
                problems.append(problem(f"output {v.name[:60]!r}", f"{v.type.fmt.name}; only integers leave a unit"))
        return problems

    @property
    def row(self) -> int:
        """Elements of a row, and cycles that it takes."""
        return int(self.graph.inputs[0].type.shape[1])

    @property
    def passes(self) -> int:
        """Passes over a row before the one that gives results."""
        return max(self.schedule[v.name] for v in self.outputs)

    @property
    def buffers(self) -> dict[str, int]:
        """Bits of each element that waits for the next pass, by the name of its buffer."""
        return {line.name: line.bits for line in self.module.lines if line.kind == "memory"}

    @property
    def latency(self) -> int:
        """A row's length a pass, and the stage's edge."""
        return self.passes * self.row + self.stages

    @property
    def outputs(self) -> list[Value]:
        """Each once."""
        return list(dict.fromkeys(self.graph.outputs))

    @cached_property
    def ports(self) -> dict[str, str]:
        """Identifier of each port by ``in <value>`` or ``out <value>``."""
        plain = [("in", v.name) for v in self.graph.inputs] + [("out", v.name) for v in self.outputs]
        made = identifiers([n for _, n in plain], ("clk", "first"), prefix="hw", words=VERILOG)
        return {f"{side} {name}": port for (side, name), port in zip(plain, made, strict=True)}

    @property
    def results(self) -> dict[str, Format]:
        """The outputs'."""
        return {self.ports[f"out {v.name}"]: v.type.fmt for v in self.outputs}

    @cached_property
    def schedule(self) -> dict[str, int]:
        """The pass that computes each value: a reduction's is over as early, all else as late as its readers allow.

        Why late: what a pass can compute from what waits already needs no buffer of its own.
        """
        early = {v.name: 0 for v in self.graph.inputs}
        for node in self.graph.nodes:
            last = max((early[v.name] for v in node.ins if v.name in early), default=0)
            early |= {v.name: last + isinstance(node.op, Reduce) for v in node.outs}
        end = max(early[v.name] for v in self.outputs)
        late = {v.name: end for v in self.outputs}
        for node in reversed(self.graph.nodes):
            at = min((late[v.name] for v in node.outs if v.name in late), default=end)
            if isinstance(node.op, Reduce):
                at = early[node.outs[0].name]
            late |= {v.name: at for v in node.outs}
            reads = at - isinstance(node.op, Reduce)
            late |= {v.name: min(reads, late.get(v.name, end)) for v in node.ins}
        return late | {v.name: 0 for v in self.graph.inputs}

    @property
    def module(self) -> Module:
        """A counter, then each node in its pass."""
        return Wiring(self).module

    def setup(self) -> Stimulus:
        """Constants are wired."""
        return {}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """At least `count` elements: rows of random codes, of neighbours, of one code, of one outlier, of ends."""
        rows = -(-count // self.row) + 8
        codes: Stimulus = {"first": np.tile(np.arange(self.row) == 0, rows)}
        for v in self.graph.inputs:
            fmt, reach = v.type.fmt, None if isinstance(v.type.fmt, FloatFormat) else self.graph.reach[v.name]
            x = drawn(rng, fmt, reach, (rows, self.row))
            kind, some = rng.integers(0, 6, rows), drawn(rng, fmt, reach, (rows, 1))
            if reach is not None:  # neighbours of one code, as many as a few bits tell apart
                near = some + rng.integers(0, 1 << rng.integers(1, 10, (rows, 1)), x.shape)
                x = np.where((kind == 0)[:, None], np.clip(near, *reach), x)
            lonely = np.arange(self.row) == rng.integers(0, self.row, (rows, 1))
            x = np.where((kind == 1)[:, None], some, x)
            x = np.where((kind == 2)[:, None] & ~lonely, some, x)
            ends = around(np.array([*reach, 0]), reach) if reach else codes_of(fmt)
            x = np.where((kind == 3)[:, None], rng.choice(ends, x.shape), x)
            codes[self.ports[f"in {v.name}"]] = x.reshape(-1)
        return codes

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The simulator's; ValueError where `codes` are no whole rows back to back."""
        first = np.asarray(codes["first"]) != 0
        if first.size % self.row or (first != (np.arange(first.size) % self.row == 0)).any():
            raise ValueError(f"row unit: {first.size} elements are no rows of {self.row}, one after the other")
        feeds = {
            v.name: codes[self.ports[f"in {v.name}"]].reshape(-1, self.row).astype(v.type.fmt.dtype)
            for v in self.graph.inputs
        }
        values = simulate(self.graph, feeds, engine="numpy")
        return {self.ports[f"out {v.name}"]: values[v.name].reshape(-1) for v in self.outputs}

    def describe(self) -> tuple[str, str]:
        """Each node has its own."""
        return "", ""
