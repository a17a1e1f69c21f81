"""A graph made ready to run: constants folded, weights packed, stages written; then samples go through it in slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod

import numpy as np

from ..formats import Codes
from ..graph import Graph, Node, Value
from ..qtensor import QTensor
from . import machine
from .arrays import Located, located, room
from .program import Placed
from .rules import RULES
from .stages import Stage, folded, stages
from .writer import Writer

SLICE = 512 * 1024
"""Bytes of the largest value of the samples that run together: they stay in the cache."""

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
    """What `simulate` runs: see `planned`."""

    steps: tuple[Step, ...]
    constants: Mapping[str, QTensor]
    inputs: tuple[str, ...]
    wanted: tuple[Value, ...]
    sample_bytes: int
    run_node: RunNode

    def run(self, inputs: Mapping[str, Codes], samples: int, threads: int) -> dict[str, Codes]:
        """Codes of the values that were asked for, `samples` of each batched one."""
        folded = {v.name: self.constants[v.name].codes for v in self.wanted if v.name in self.constants}
        made = [v for v in self.wanted if v.name not in folded]
        results = {v.name: np.empty((samples, *v.type.sample_shape), v.type.fmt.dtype) for v in made}
        size = max(1, min(SLICE // self.sample_bytes, -(-samples // threads)))
        parts = [slice(i, min(i + size, samples)) for i in range(0, samples, size)]

        def work(some: Sequence[slice]) -> None:
            scratch = np.empty(max((s.program.size for s in self.steps if s.program), default=0) + 64, np.uint8)
            for part in some:
                self._run_slice({n: x[part] for n, x in inputs.items()}, part, results, scratch)

        if threads == 1 or len(parts) == 1:
            work(parts)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, [parts[i::threads] for i in range(threads)]))
        return results | folded

    def _run_slice(
        self, env: dict[str, Codes], part: slice, results: Mapping[str, Codes], scratch: Codes
    ) -> None:
        n = part.stop - part.start
        for step in self.steps:
            if step.node is not None:
                known = (self.constants[v.name].codes if v.name in self.constants else env[v.name] for v in step.node.ins)
                env |= {v.name: r for v, r in zip(step.node.outs, self.run_node(step.node, *known), strict=True)}
            else:
                self._run_program(step, env, n, scratch)
            for v in step.results:
                if v.name in results:
                    results[v.name][part] = env[v.name]
            for name in step.last:
                del env[name]

    def _run_program(self, step: Step, env: dict[str, Codes], n: int, scratch: Codes) -> None:
        program = step.program
        assert program is not None
        env |= {v.name: room((n, *v.type.sample_shape), v.type.fmt.dtype) for v in step.results}
        places: list[Located] = []
        for kind in program.arrays:
            array = self.constants[kind.value].codes if kind.value in self.constants else env[kind.value]
            places.append(located(kind, array, n))
        code, start = program.code.copy(), (scratch.ctypes.data + 63) & ~63
        for i, j in program.scratch:
            code[i, j] += start
        for i, j, a in program.outside:
            code[i, j] = places[a.array].number(a.what)
        machine.run(code, 0, n * step.rows, program.block, program.group)


def planned(graph: Graph, wanted: Sequence[Value], run_node: RunNode) -> Plan:
    """The plan of `graph` for the values `wanted`; every op it does not know runs by `run_node`."""
    constants = folded(graph)
    known = {*(v.name for v in graph.inputs), *graph.constants}
    wanted = tuple(v for v in wanted if v.name not in known)
    order = stages(graph, constants)
    kept = {v.name for v in wanted if v.name not in constants}
    readers = [{v.name for node in s.nodes for v in node.ins} for s in order]
    last = {name: i for i, names in enumerate(readers) for name in names}
    steps = []
    for i, stage in enumerate(order):
        made = tuple(v for node in stage.nodes for v in node.outs)
        needed = tuple(v for v in made if v.name in kept or last.get(v.name, -1) > i or not stage.rows)
        dead = [n for n in readers[i] if last[n] == i and n not in constants and n not in {v.name for v in made}]
        dead += [v.name for v in needed if last.get(v.name, -1) <= i]
        program = _written(graph, constants, stage, needed) if stage.rows else None
        steps.append(Step(program, None if stage.rows else stage.nodes[0], needed, tuple(dead), stage.rows))
    outside = [v for s in steps for v in s.results]
    largest = max((prod(v.type.sample_shape) * v.type.fmt.dtype.itemsize for v in (*graph.inputs, *outside)), default=1)
    names = tuple(v.name for v in graph.inputs)
    return Plan(tuple(steps), constants, names, wanted, max(largest, 1), run_node)


def _written(graph: Graph, constants: dict[str, QTensor], stage: Stage, needed: Sequence[Value]) -> Placed:
    """The program of a stage: its nodes in order, and what leaves it."""
    writer = Writer(graph, constants)
    for node in stage.nodes:
        RULES[type(node.op)](writer, node)
        for v in node.outs:
            if v in needed:
                writer.store(v)
    return writer.program.placed()


