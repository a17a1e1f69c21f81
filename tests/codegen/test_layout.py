"""What a step reads is what was written there: the C expressions of whole programs, followed byte by byte."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from codegen.c import write
from codegen.layout import Layout
from codegen.memory import Buffer, width
from codegen.planning import Plan, plan
from codegen.program import Program, Step
from codegen.sharing import overwritable
from codegen.targets import target_named
from codegen.views.c_view import ctype
from hwsim.graph import Value
from tests.random_graphs import random_graph

EXPRESSION = re.compile(r"(?:\((\w+) \*\))?(?:context->|\w+?_)arena_(\w+) \+ (\d+)")


Bytes = list[tuple[str, int]]  # arena and number


def span(layout: Layout, expression: str, element: str, size: int) -> Bytes:
    """The bytes that `size` elements of a type take from where an expression points; none in the caller's buffers."""
    found = EXPRESSION.fullmatch(expression)
    if not found:
        assert re.fullmatch(r"\w+( \+ \d+)?", expression)
        return []
    cast, arena, start = found[1], found[2], int(found[3])
    assert (cast or arena) == element
    assert width(arena) == width(element) or width(element) == 1
    first = start * width(element)
    assert first + size * width(element) <= layout.arenas[arena] * width(arena)
    return [(arena, first + i) for i in range(size * width(element))]


def follow(p: Program, layout: Layout) -> int:
    """Run the steps on names instead of numbers; how many results were written over an input."""
    memory: dict[tuple[str, int], tuple[str, int]] = {}
    content: dict[str, list[tuple[str, int]]] = {}
    over = 0

    def of(v: Value) -> Bytes:
        return span(layout, layout.places[v.name], ctype(v.type.fmt), v.type.elements)

    for step in p.steps:
        sources = {v.name: of(v) for v in step.sources}
        for name, read in sources.items():
            assert [memory[b] for b in read] == content.get(name, []), f"{name!r} is gone before step {step.number}"
        results = {v.name: of(v) for v in step.results}
        if step in layout.steps:
            over += check_step(layout, step, sources, results)
            memory |= {b: (name, i) for name, made in results.items() for i, b in enumerate(made)}
        else:
            assert {b for made in results.values() for b in made} <= {b for read in sources.values() for b in read}
        content |= {name: [memory[b] for b in made] for name, made in results.items()}
    return over


def check_step(layout: Layout, step: Step, sources: dict[str, Bytes], results: dict[str, Bytes]) -> int:
    """Results and scratch buffers apart from inputs and each other, but for what may be written over; how many were."""
    scratch = [
        span(layout, e, k.element, k.size) for e, k in zip(layout.scratch[step.number], step.scratch, strict=True)
    ]
    made = [b for one in (*results.values(), *scratch) for b in one]
    assert len(made) == len(set(made))
    assert not {b for read in sources.values() for b in read} & {b for one in scratch for b in one}
    over = [(one, name) for one in results.values() for name, read in sources.items() if set(one) & set(read)]
    for one, name in over:
        assert name in {v.name for v in overwritable(step.chain[0][1])}
        assert one[0] == sources[name][0]
        assert len(one) <= len(sources[name])
    return len(over)


def program(seed: int, *, trace: bool = False, reentrant: bool = False) -> tuple[Program, Layout]:
    p = Program.of(random_graph(seed)[0], target_named("generic"), trace=trace, reentrant=reentrant)
    return p, write(p)[1]


@pytest.mark.parametrize("trace", [False, True])
def test_random_programs(trace: bool) -> None:
    over = sum(follow(*program(seed, trace=trace, reentrant=seed % 2 > 0)) for seed in range(200))
    assert over > 20
    assert trace or any(len(p.steps) > len(layout.steps) for p, layout in map(program, range(20)))


@pytest.mark.parametrize("lost", ["life", "result"])
def test_a_life_that_is_too_short_is_seen(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were lives one step shorter, or results made in a step taken for dead in it, some program would lose a value."""

    def short(buffers: list[Buffer]) -> Plan:
        cut = [replace(b, last=max(b.first, b.last - 1)) for b in buffers]
        return plan([replace(b, first=b.first + 1) for b in buffers] if lost == "result" else cut)

    monkeypatch.setattr("codegen.layout.plan", short)
    with pytest.raises(AssertionError):
        sum(follow(*program(seed)) for seed in range(60))


def test_arenas_are_what_was_planned() -> None:
    for seed in range(60):
        _, layout = program(seed)
        assert layout.plan.bound <= layout.plan.total == sum(n * width(a) for a, n in layout.arenas.items())
