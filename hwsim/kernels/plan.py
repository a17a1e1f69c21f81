"""A graph made ready to run: constants folded, weights packed, stages written; then samples go through it in slices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Codes
from ..graph import Graph, Node, Value
from ..qtensor import QTensor
from .compositions import composed
from .fusing import fuse
from .merging import later
from .program import Placed
from .rules import RULES
from .stages import Stage, folded, stages
from .threads import team
from .worker import Worker
from .writer import Writer

SLICE = 512 * 1024
"""Bytes of the largest value that is read, of the samples that run together: it stays in the cache."""

RunNode = Callable[..., tuple[Codes, ...]]


@dataclass(frozen=True, eq=False)
class Step:
    """A stage that is ready.

    Args:
        program: what the machine runs; None where `node` runs on its own.
        node: that node.
        results: values of the stage that others read, or that were asked for.
        last: names that nobody reads after this step.
        rows: rows of a sample.
    """

    program: Placed | None
    node: Node | None
    results: tuple[Value, ...]
    last: tuple[str, ...]
    rows: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What `simulate` runs: see `planned`.

    Args:
        steps: in order.
        constants: of the graph, and what is made of constants alone.
        inputs: of the graph.
        names: what was asked for.
        made: those of them that are not constant.
        sample_bytes: of the largest value that is read.
        run_node: for nodes that run on their own.
        idle: workers that no thread has.
    """

    steps: tuple[Step, ...]
    constants: Mapping[str, QTensor]
    inputs: tuple[Value, ...]
    names: tuple[str, ...]
    made: tuple[Value, ...]
    sample_bytes: int
    run_node: RunNode
    idle: list[Worker] = field(default_factory=list)

    def run(self, inputs: Mapping[str, NDArray[Any]], threads: int) -> dict[str, Codes]:
        """Codes of the values that were asked for.

        Args:
            inputs: as many samples of each, contiguous: codes, or reals that `hwsim.kernels.encoding` knows.
            threads: how many slices are worked on at a time.

        Raises:
            NotFiniteError: reals that are not.
        """
        samples = len(inputs[self.inputs[0].name])
        results = {v.name: np.empty((samples, *v.type.sample_shape), v.type.fmt.dtype) for v in self.made}
        most = max(1, min(SLICE // self.sample_bytes, -(-samples // threads)))
        turns = ceil(ceil(samples / most) / threads) * threads  # each thread gets as many slices, of one size:
        size = -(-samples // turns)  # each size has its own memory for values
        parts = deque(slice(i, min(i + size, samples)) for i in range(0, samples, size))
        several = min(threads, len(parts))

        def work() -> None:
            worker = self._worker()
            for part in _taken(parts):
                worker.run(inputs, part, results)
            self.idle.append(worker)

        if several > 1:
            team(several).run(work)
        else:
            work()
        results |= {name: self.constants[name].codes.copy() for name in self.names if name in self.constants}
        return {name: results[name] for name in self.names}

    def _worker(self) -> Worker:
        """One that is idle, or a new one. Why no look first: another thread may take it in between."""
        try:
            return self.idle.pop()
        except IndexError:
            return Worker(self)


def _taken(parts: deque[slice]) -> Iterator[slice]:
    """Slices that no other thread took: whoever is late finds fewer."""
    while parts:
        with suppress(IndexError):  # another was faster
            yield parts.popleft()


def planned(graph: Graph, wanted: Sequence[Value], run_node: RunNode) -> Plan:
    """The plan of `graph` for the values `wanted`; every op it does not know runs by `run_node`."""
    constants = folded(graph)
    names = tuple(dict.fromkeys(v.name for v in wanted))
    made = tuple(graph.known[name] for name in names if name not in constants)
    order, kept = stages(graph, constants), set(names)
    readers = [{v.name for node in s.nodes for v in node.ins} for s in order]
    last = {name: i for i, names in enumerate(readers) for name in names}
    steps = []
    for i, stage in enumerate(order):
        computed = [v for node in stage.nodes for v in node.outs]
        needed = tuple(v for v in computed if v.name in kept or last.get(v.name, -1) > i or not stage.rows)
        dead = [n for n in readers[i] if last[n] == i and n not in constants and n not in {v.name for v in computed}]
        dead += [v.name for v in needed if last.get(v.name, -1) <= i]
        program = _written(Writer(graph, constants), stage, needed) if stage.rows else None
        steps.append(Step(program, None if stage.rows else stage.nodes[0], needed, tuple(dead), stage.rows))
    read = [v.type for v in (*graph.inputs, *(v for s in steps for v in s.results)) if v.name in last]
    largest = max((prod(t.sample_shape) * t.fmt.dtype.itemsize for t in read), default=1)
    return Plan(tuple(steps), constants, tuple(graph.inputs), names, made, max(largest, 1), run_node)


def _written(writer: Writer, stage: Stage, needed: Sequence[Value]) -> Placed:
    """The program of a stage: its nodes in order, and what leaves it."""
    for node in stage.nodes:
        rule = partial(RULES[type(node.op)], writer, node)
        if not (composed(writer, node, rule) or later(writer, node, rule)):
            rule()
        for v in node.outs:
            if v in needed:
                writer.store(v)
    fuse(writer.program)
    return writer.program.placed()
