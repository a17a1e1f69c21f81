"""Where every value and scratch buffer of a program is: lifetimes of its steps, planned, written as C expressions."""

from __future__ import annotations

from collections.abc import Container, Hashable, Mapping
from dataclasses import dataclass

from hwsim.graph import Value

from .memory import Buffer, width
from .planning import Plan, plan
from .program import Program, Step
from .sharing import View, overwritable, views
from .views.c_view import ctype


@dataclass(frozen=True)
class Layout:
    """Where buffers are.

    Args:
        places: C expression of the buffer of each input and computed value.
        scratch: C expressions of the buffers that a step needs while it runs, by the step's number.
        arenas: element type -> number of elements.
        steps: those that run; others only look at a buffer in another way.
        buffers, plan: what was planned; keys are names of values, or (step's number, i) for its scratch buffer i.
    """

    places: dict[str, str]
    scratch: dict[int, list[str]]
    arenas: dict[str, int]
    steps: list[Step]
    buffers: list[Buffer]
    plan: Plan


def arrange(p: Program) -> Layout:
    """Plan the arenas: ports are the caller's, everything else gets a place that is free while it lives.

    The trace build has no views: it shows what each step makes. Views of parts are taken where they cost no memory.
    """
    if p.trace:
        return _arranged(p, {})
    heads = [step.chain[0][1] for step in p.steps]
    whole, pieces = (views(p.graph, heads, pieces=b) for b in (False, True))
    layout = _arranged(p, pieces)
    return layout if pieces == whole else min(layout, _arranged(p, whole), key=lambda made: made.plan.total)


def _arranged(p: Program, seen: Mapping[str, View]) -> Layout:
    """The layout where `seen` are views."""
    shared = {name: seen.get(name, View(name)) for name in p.graph.known}
    steps = [s for s in p.steps if _runs(s, shared)]
    made = {v.name for s in p.steps for v in s.results}
    ports = {v.name: port for port, v in p.outputs if v.name in made} | {v.name: port for port, v in p.inputs}
    buffers = _buffers(steps, shared, ports)
    planned = plan(buffers)
    places = {}
    for name, view in shared.items():
        if view.root in ports:
            places[name] = f"{ports[view.root]} + {view.start}" if view.start else ports[view.root]
        elif view.root in made:
            arena, start = planned.places[view.root]
            element = ctype(p.graph.known[name].type.fmt)
            places[name] = _expression(p, element, arena, start + view.start * width(element))
    scratch = {
        s.number: [_expression(p, k.element, *planned.places[s.number, i]) for i, k in enumerate(s.scratch)]
        for s in steps
    }
    arenas = {element: size // width(element) for element, size in planned.arenas.items()}
    return Layout(places, scratch, arenas, steps, buffers, planned)


def _runs(step: Step, shared: Mapping[str, View]) -> bool:
    """Whether a step does anything: its results do not already lie in its input."""
    return not step.sources or any(shared[v.name].root != shared[step.sources[0].name].root for v in step.results)


def _buffers(steps: list[Step], shared: Mapping[str, View], ports: Container[str]) -> list[Buffer]:
    """Buffers of every result that is no port, and of what steps need while they run."""
    last = {shared[v.name].root: i for i, step in enumerate(steps) for v in step.sources}
    buffers = []
    for i, step in enumerate(steps):
        for v in (v for v in step.results if shared[v.name].root not in ports):
            over = {name for name in _overwritten(step, v, shared) if name not in ports and last[name] == i}
            end = max(i, last.get(v.name, i))
            buffers.append(_buffer(v.name, ctype(v.type.fmt), v.type.elements, i, end, frozenset(over)))
        buffers += [_buffer((step.number, k), s.element, s.size, i, i) for k, s in enumerate(step.scratch)]
    return buffers


def _buffer(
    key: Hashable, element: str, size: int, first: int, last: int, over: frozenset[str] = frozenset()
) -> Buffer:
    """A buffer of `size` elements."""
    return Buffer(key=key, element=element, size=size * width(element), first=first, last=last, over=over)


def _overwritten(step: Step, result: Value, shared: Mapping[str, View]) -> set[str]:
    """Buffers that a step reads from their first element on, at the index of a result no wider, and nowhere else."""
    most = width(ctype(result.type.fmt))
    allowed = {v.name for v in overwritable(step.chain[0][1]) if width(ctype(v.type.fmt)) >= most}
    seen = [(shared[v.name], v.name in allowed) for v in step.sources]
    return {view.root for view, _ in seen if all(ok and not x.start for x, ok in seen if x.root == view.root)}


def _expression(p: Program, element: str, arena: str, start: int) -> str:
    """C expression of a pointer to elements from byte `start` of an arena on."""
    cast = "" if element == arena else f"({element} *)"
    return f"{cast}{p.arena(arena)} + {start // width(element)}"
