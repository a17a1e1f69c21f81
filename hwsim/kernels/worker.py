"""A plan with addresses: what one thread needs to take slices of samples through all steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Codes
from ..graph import Node
from ..ops import Reshape
from ..rounding import Ints
from . import machine
from .actions import Actions
from .arrays import copied, located, reads_in_place
from .buffers import Buffers
from .encoding import NotFiniteError, numbers
from .memory import DTYPES
from .program import Placed

if TYPE_CHECKING:
    from .plan import Plan, Step

Arrays = Mapping[str, NDArray[Any]]


class Worker:
    """What one thread needs to run a plan: registers, memory for values, and what to do for a number of samples."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.buffers = plan, Buffers()
        self.scratch = np.empty(max((s.program.size for s in plan.steps if s.program), default=0) + 64, np.uint8)
        self.bound: dict[tuple[int, tuple[np.dtype[Any], ...]], Bound] = {}

    def run(self, inputs: Arrays, part: slice, results: Arrays) -> None:
        """One slice of samples through all steps."""
        given = {name: x[part] for name, x in inputs.items()}
        places = {name: x[part] for name, x in results.items()}
        key = (part.stop - part.start, tuple(x.dtype for x in given.values()))
        if key not in self.bound:
            self.bound[key] = Bound(self, given, places, key[0])
        else:
            self.bound[key].run(given, places)
        for name, made in self.bound[key].results.items():
            places[name][...] = made


class Bound:
    """A plan with all addresses known: values of `n` samples have their places, used again by whoever comes later.

    It has run once when it is made: nodes that run on their own must not see what memory happens to hold.
    """

    def __init__(self, worker: Worker, inputs: Arrays, places: Arrays, n: int) -> None:
        self.plan, self.buffers, self.samples = worker.plan, worker.buffers, n
        self.start = (worker.scratch.ctypes.data + 63) & ~63
        self.actions, self.wrong = Actions(), np.zeros(1, np.int64)
        self.outside: list[tuple[Ints, int, str]] = []
        wanted = {v.name for v in self.plan.made}
        self.given, env = dict(inputs), dict(inputs)
        for v in self.plan.inputs:
            if v.name in wanted or inputs[v.name].dtype != v.type.fmt.dtype:
                self._take(env, v.name)
        self._check()
        self.results = {name: env[name] for name in wanted & env.keys()}
        for step in self.plan.steps:
            if step.node is not None:
                self._node(step.node, env)
            elif step.program is not None:
                self._program(step, step.program, env, places)
            elsewhere = wanted - {name for _, _, name in self.outside}
            self.results |= {v.name: env[v.name] for v in step.results if v.name in elsewhere}
            for name in step.last:
                del env[name]
        self.ready = self.actions.ready()
        self.given.clear()

    def run(self, inputs: Arrays, places: Arrays) -> None:
        """All of it once more, on other samples; what nobody reads later goes to its place in the end at once."""
        for code, at, name in self.outside:
            code[at] = (inputs[name] if name in inputs else places[name]).ctypes.data
        for act in self.ready:
            act()
        self._check()

    def _check(self) -> None:
        if self.wrong[0]:  # for good: whoever raises is not used again
            raise NotFiniteError("reals that are not finite")

    def _take(self, env: dict[str, Codes], *names: str) -> None:
        """Codes of inputs go to memory of the plan's own, which can be read past its end: of those not yet there."""
        for v in self.plan.inputs:
            if v.name not in names or env[v.name] is not self.given[v.name]:
                continue
            x, t = env[v.name], v.type
            place = env[v.name] = self.buffers.room(x.shape, t.fmt.dtype)
            if x.dtype.kind == "f":
                keep, kind = numbers(t), DTYPES.index(place.dtype)
                ends = (keep.ctypes.data, self.wrong.ctypes.data)
                code = self.actions.once(
                    machine.ENCODE, place.ctypes.data, x.ctypes.data, x.itemsize, kind, x.size, *ends, keep=keep
                )
            else:
                code = self.actions.once(machine.PAD, place.ctypes.data, x.ctypes.data, 1, 1, x.nbytes)
            self.outside.append((code, 2, v.name))

    def _node(self, node: Node, env: dict[str, Codes]) -> None:
        """A node that runs on its own; what is but another view of its input needs no second look."""
        known = self.plan.constants
        self._take(env, *(v.name for v in node.ins))
        codes = [known[v.name].codes if v.name in known else env[v.name] for v in node.ins]
        made = self.plan.run_node(node, *codes)
        if all(np.may_share_memory(r, c) for r in made for c in codes):
            env |= {v.name: r for v, r in zip(node.outs, made, strict=True)}
            return
        if isinstance(node.op, Reshape):
            made = self.plan.run_node(node, copied(codes[0], self.buffers, self.actions))
            env |= {v.name: r for v, r in zip(node.outs, made, strict=True)}
            return
        places = tuple(self.buffers.room(r.shape, r.dtype) for r in made)
        _copy(made, places)
        self.actions.called(partial(_run_into, places, partial(self.plan.run_node, node, *codes)))
        env |= {v.name: place for v, place in zip(node.outs, places, strict=True)}

    def _program(self, step: Step, program: Placed, env: dict[str, Codes], ends: Mapping[str, Codes]) -> None:
        """The machine runs a stage; what it makes goes to `env`."""
        n, known, callers = self.samples, self.plan.constants, {**self.given, **ends}
        for v in step.results:
            last = v.name in step.last and v.name in ends
            env[v.name] = ends[v.name] if last else self.buffers.room((n, *v.type.sample_shape), v.type.fmt.dtype)
        self._take(env, *(k.value for k in program.arrays if not reads_in_place(k)))
        arrays = [known[k.value].codes if k.value in known else env[k.value] for k in program.arrays]
        places = [located(k, x, n, self.buffers, self.actions) for k, x in zip(program.arrays, arrays, strict=True)]
        code = program.at(self.start)
        for at, access in program.outside:
            code.reshape(-1)[at] = places[access.array].number(access.what)
            name = program.arrays[access.array].value
            if access.what == "base" and env.get(name) is callers.get(name) is not None:
                self.outside.append((code.reshape(-1), at, name))
        # Why not the arrays: their memory is the buffers', free for whoever comes when the last reader has run
        keep = [p.offsets for p in places]
        self.actions.program(code, n * step.rows, program.block, program.group, keep=keep)


def _copy(results: Sequence[Codes], places: Sequence[Codes]) -> None:
    for place, r in zip(places, results, strict=True):
        np.copyto(place, r)


def _run_into(places: Sequence[Codes], run: Callable[[], Sequence[Codes]]) -> None:
    _copy(run(), places)
