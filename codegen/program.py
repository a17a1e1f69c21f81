"""One emission of a graph as C: its steps, the constants met so far, and where every value lives."""

from __future__ import annotations

from dataclasses import dataclass, field

from hwsim.graph import Graph, Node, Value

from .fusion import Chain
from .memory import Buffer, plan
from .targets import Target
from .views.c_view import CView, Scratch, Table, ctype
from .views.names import identifier, identifiers


@dataclass(frozen=True)
class Step:
    """One call of `function`, named after the first node of `chain`: reads `sources`, fills `results`."""

    chain: Chain
    function: str
    sources: list[Value]
    results: list[Value]
    scratch: list[Scratch]

    @property
    def number(self) -> int:
        """Number of the node that makes the loop."""
        return self.chain[0][0]


@dataclass
class Program:
    """One emission of a graph.

    Args:
        ports: (identifier, value) of inputs, then of outputs, each once: the caller's buffers.
        trace: the build that shows every value.
    """

    graph: Graph
    prefix: str
    target: Target
    trace: bool
    ports: list[tuple[str, Value]]
    steps: list[Step] = field(default_factory=list)
    tables: dict[tuple[str, bytes], Table] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph, target: Target, *, trace: bool) -> Program:
        """Named ports, no steps yet."""
        return cls(graph, prefix_of(graph), target, trace, ports_of(graph))

    @property
    def inputs(self) -> list[tuple[str, Value]]:
        """Ports of the inputs."""
        return self.ports[: len(self.graph.inputs)]

    @property
    def outputs(self) -> list[tuple[str, Value]]:
        """Ports of the outputs, each once."""
        return self.ports[len(self.graph.inputs) :]

    def view(self, node: Node, number: int, chain: Chain | None = None) -> CView:
        """What a template sees of a node; its constants become this program's."""
        return CView(self.graph, node, number, self.prefix, self.target, chain or [], self.tables)


@dataclass(frozen=True)
class Layout:
    """Where buffers are.

    Args:
        places: C expression of the buffer of each input and computed value.
        scratch: C expressions of the buffers that a step needs while it runs, by the step's number.
        arenas: element type -> number of elements.
    """

    places: dict[str, str]
    scratch: dict[int, list[str]]
    arenas: dict[str, int]


def prefix_of(graph: Graph) -> str:
    """What starts the names of all files and symbols."""
    return identifier(graph.name)


def ports_of(graph: Graph) -> list[tuple[str, Value]]:
    """(identifier, value) of inputs, then of outputs, each once."""
    values = [*graph.inputs, *dict.fromkeys(graph.outputs)]
    return list(zip(identifiers((v.name for v in values), taken=[prefix_of(graph)]), values, strict=True))


def arrange(p: Program) -> Layout:
    """Plan the arenas: ports are the caller's, everything else gets a place that is free while it lives."""
    made = {v.name for step in p.steps for v in step.results}
    places = {v.name: port for port, v in p.outputs if v.name in made} | {v.name: port for port, v in p.inputs}
    lives: dict[str, list[Buffer]] = {}
    for element, b in _lifetimes(p.steps):
        if b.name not in places:
            lives.setdefault(element, []).append(b)
    arenas = {}
    for element, buffers in lives.items():
        offsets, arenas[element] = plan(buffers)
        places |= {name: f"{p.prefix}_arena_{element} + {o}" for name, o in offsets.items()}
    scratch = {s.number: [places.pop(_scratch_name(s, i)) for i in range(len(s.scratch))] for s in p.steps}
    return Layout(places, scratch, arenas)


def _scratch_name(step: Step, i: int) -> str:
    """Starts with a character that `Graph.add` lets nobody use."""
    return f"\0{step.number} {i}"


def _lifetimes(steps: list[Step]) -> list[tuple[str, Buffer]]:
    """(element type, buffer) of every result and of what steps need while they run."""
    last = {v.name: i for i, step in enumerate(steps) for v in step.sources}
    lives = []
    for i, step in enumerate(steps):
        for v in step.results:
            lives.append((ctype(v.type.fmt), Buffer(v.name, v.type.elements, i, max(i, last.get(v.name, i)))))
        lives += [(s.element, Buffer(_scratch_name(step, k), s.size, i, i)) for k, s in enumerate(step.scratch)]
    return lives
