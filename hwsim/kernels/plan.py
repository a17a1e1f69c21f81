"""A graph made ready to run: constants folded, weights packed, stages written; then samples go through it in slices."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, prod

import numpy as np

from ..formats import Codes
from ..graph import Graph, Node, Value
from ..qtensor import QTensor
from ..rounding import Ints
from . import machine
from .arrays import located
from .buffers import Buffers
from .fusing import fuse
from .native import Native
from .program import Placed
from .rules import RULES
from .stages import Stage, folded, stages
from .writer import Writer

RUN = Native(machine.run, "void(int64[:, ::1], int64, int64, int64, int64)")
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
    idle: list[Worker] = field(default_factory=list)

    def run(self, inputs: Mapping[str, Codes], samples: int, threads: int) -> dict[str, Codes]:
        """Codes of the values that were asked for, `samples` of each batched one."""
        folded = {v.name: self.constants[v.name].codes.copy() for v in self.wanted if v.name in self.constants}
        made = [v for v in self.wanted if v.name not in folded]
        results = {v.name: np.empty((samples, *v.type.sample_shape), v.type.fmt.dtype) for v in made}
        most = max(1, min(SLICE // self.sample_bytes, -(-samples // threads)))
        turns = ceil(ceil(samples / most) / threads) * threads  # each thread gets as many slices, of one size:
        size = -(-samples // turns)  # each size has its own memory for values
        parts = [slice(i, min(i + size, samples)) for i in range(0, samples, size)]

        def work(some: Sequence[slice]) -> None:
            worker = self._worker()
            for part in some:
                worker.run({n: x[part] for n, x in inputs.items()}, part, results)
            self.idle.append(worker)

        if threads == 1 or len(parts) == 1:
            work(parts)
        else:
            others = [_pool(threads).submit(work, parts[i::threads]) for i in range(1, min(threads, len(parts)))]
            work(parts[::threads])
            for other in others:
                other.result()
        return results | folded

    def _worker(self) -> Worker:
        """One that is idle, or a new one. Why no look first: another thread may take it in between."""
        try:
            return self.idle.pop()
        except IndexError:
            return Worker(self)


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads beside the one that asks; starting them takes as long as a small network."""
    return ThreadPoolExecutor(threads - 1, "hwsim")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not live on in a fork


class Worker:
    """What one thread needs to run a plan: registers, memory for values, and what to do for a number of samples."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.buffers = plan, Buffers()
        self.scratch = np.empty(max((s.program.size for s in plan.steps if s.program), default=0) + 64, np.uint8)
        self.bound: dict[int, Bound] = {}

    def run(self, inputs: Mapping[str, Codes], part: slice, results: Mapping[str, Codes]) -> None:
        """One slice of samples through all steps."""
        n, places = part.stop - part.start, {name: result[part] for name, result in results.items()}
        if n not in self.bound:
            self.bound[n] = Bound(self, inputs, places, n)
        else:
            self.bound[n].run(inputs, places)
        for name, made in self.bound[n].results.items():
            places[name][...] = made


class Bound:
    """A plan with all addresses known: values of `n` samples have their places, used again by whoever comes later.

    It has run once when it is made: nodes that run on their own must not see what memory happens to hold.
    """

    def __init__(self, worker: Worker, inputs: Mapping[str, Codes], places: Mapping[str, Codes], n: int) -> None:
        self.plan, self.buffers, self.samples = worker.plan, worker.buffers, n
        self.start = (worker.scratch.ctypes.data + 63) & ~63
        self.actions: list[Callable[[], object]] = []
        self.inputs = {name: self.buffers.room(x.shape, x.dtype) for name, x in inputs.items()}
        for name, x in inputs.items():
            self.inputs[name][...] = x
        self.results: dict[str, Codes] = {}
        self.direct: list[tuple[Ints, int, str]] = []
        env, wanted = dict(self.inputs), {v.name for v in self.plan.wanted}
        for step in self.plan.steps:
            if step.node is not None:
                self._node(step.node, env)
            elif step.program is not None:
                done = len(self.actions)
                self._program(step, step.program, env, places)
                for act in self.actions[done:]:
                    act()
            direct = {name for _, _, name in self.direct}
            self.results |= {v.name: env[v.name] for v in step.results if v.name in wanted - direct}
            for name in step.last:
                del env[name]

    def run(self, inputs: Mapping[str, Codes], places: Mapping[str, Codes]) -> None:
        """All of it once more, on other samples; what nobody reads later goes to its place in the end at once."""
        for name, x in inputs.items():
            np.copyto(self.inputs[name], x)
        for code, at, name in self.direct:
            code[at] = places[name].ctypes.data
        for act in self.actions:
            act()

    def _node(self, node: Node, env: dict[str, Codes]) -> None:
        """A node that runs on its own; what is but another view of its input needs no second look."""
        known = self.plan.constants
        codes = [known[v.name].codes if v.name in known else env[v.name] for v in node.ins]
        made = self.plan.run_node(node, *codes)
        if all(np.may_share_memory(r, c) for r in made for c in codes):
            env |= {v.name: r for v, r in zip(node.outs, made, strict=True)}
            return
        places = tuple(self.buffers.room(r.shape, r.dtype) for r in made)

        def act() -> None:
            keep(self.plan.run_node(node, *codes))

        def keep(results: Sequence[Codes]) -> None:
            for place, r in zip(places, results, strict=True):
                np.copyto(place, r)

        keep(made)
        self.actions.append(act)
        env |= {v.name: place for v, place in zip(node.outs, places, strict=True)}

    def _program(self, step: Step, program: Placed, env: dict[str, Codes], ends: Mapping[str, Codes]) -> None:
        """The machine runs a stage; what it makes goes to `env`."""
        n, known = self.samples, self.plan.constants
        for v in step.results:
            last = v.name in step.last and v.name in ends
            env[v.name] = ends[v.name] if last else self.buffers.room((n, *v.type.sample_shape), v.type.fmt.dtype)
        arrays = [known[k.value].codes if k.value in known else env[k.value] for k in program.arrays]
        places = [located(k, x, n, self.buffers, self.actions) for k, x in zip(program.arrays, arrays, strict=True)]
        code = program.at(self.start)
        for at, access in program.outside:
            code.reshape(-1)[at] = places[access.array].number(access.what)
            name = program.arrays[access.array].value
            if access.what == "base" and env.get(name) is ends.get(name) is not None:
                self.direct.append((code.reshape(-1), at, name))
        # Why not the arrays: their memory is the buffers', free for whoever comes when the last reader has run
        keep = (code, [p.offsets for p in places])
        self.actions.append(lambda: RUN(keep[0], 0, n * step.rows, program.block, program.group))


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
        program = _written(Writer(graph, constants), stage, needed) if stage.rows else None
        steps.append(Step(program, None if stage.rows else stage.nodes[0], needed, tuple(dead), stage.rows))
    outside = [v for s in steps for v in s.results]
    largest = max((prod(v.type.sample_shape) * v.type.fmt.dtype.itemsize for v in (*graph.inputs, *outside)), default=1)
    names = tuple(v.name for v in graph.inputs)
    return Plan(tuple(steps), constants, names, wanted, max(largest, 1), run_node)


def _written(writer: Writer, stage: Stage, needed: Sequence[Value]) -> Placed:
    """The program of a stage: its nodes in order, and what leaves it."""
    for node in stage.nodes:
        RULES[type(node.op)](writer, node)
        for v in node.outs:
            if v in needed:
                writer.store(v)
    fuse(writer.program)
    return writer.program.placed()
