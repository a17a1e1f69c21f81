"""One emission of a graph as C: its ports, its steps, and the constants met so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hwsim.graph import Graph, Node, Value

from .fusion import Chain
from .targets import Target
from .views.c_view import CView, Scratch, Table
from .views.names import FILES, identifier, identifiers


@dataclass(frozen=True)
class Step:
    """One call of `function`, named after the first node of `chain`: reads `sources`, fills `results`.

    Args:
        cmsis: what `codegen.cmsis.cmsis_call` makes of it; None where it is our own C.
    """

    chain: Chain
    function: str
    sources: list[Value]
    results: list[Value]
    scratch: list[Scratch]
    cmsis: dict[str, Any] | None = None

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
        reentrant: whether the arenas are the caller's, in a context, and not static.
        cmsis: whether steps are calls of CMSIS-NN where they can be.
    """

    graph: Graph
    prefix: str
    target: Target
    trace: bool
    ports: list[tuple[str, Value]]
    reentrant: bool = False
    cmsis: bool = False
    steps: list[Step] = field(default_factory=list)
    tables: dict[tuple[str, bytes], Table] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph, target: Target, *, trace: bool, reentrant: bool = False, cmsis: bool = False) -> Program:
        """Named ports, no steps yet."""
        return cls(graph, prefix_of(graph), target, trace, ports_of(graph), reentrant, cmsis)

    @property
    def inputs(self) -> list[tuple[str, Value]]:
        """Ports of the inputs."""
        return self.ports[: len(self.graph.inputs)]

    @property
    def outputs(self) -> list[tuple[str, Value]]:
        """Ports of the outputs, each once."""
        return self.ports[len(self.graph.inputs) :]

    def arena(self, element: str) -> str:
        """C expression of the arena of an element type."""
        return f"context->arena_{element}" if self.reentrant else f"{self.prefix}_arena_{element}"

    def view(self, node: Node, number: int, chain: Chain | None = None) -> CView:
        """What a template sees of a node; its constants become this program's."""
        return CView(self.graph, node, number, self.prefix, self.target, chain or [], self.tables)


def prefix_of(graph: Graph) -> str:
    """What starts the names of all files and symbols."""
    return identifier(graph.name, FILES)


def ports_of(graph: Graph) -> list[tuple[str, Value]]:
    """(identifier, value) of inputs, then of outputs, each once."""
    values = [*graph.inputs, *dict.fromkeys(graph.outputs)]
    return list(zip(identifiers((v.name for v in values), prefix=prefix_of(graph)), values, strict=True))
