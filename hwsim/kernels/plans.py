"""Plans of graphs, made once: a graph that is simulated again starts at once."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from operator import is_
from typing import Any

from ..formats import Codes
from ..graph import Graph, Node
from ..simulation import asked, run_node
from .plan import Plan, planned


@dataclass(frozen=True, eq=False)
class Kept:
    """Plans without and with a trace, for a graph as it was.

    Why `parts` are kept and not their ids: what nobody keeps may leave its id to another node.
    """

    graph: weakref.ref[Graph]
    parts: tuple[Any, ...]
    plans: dict[bool, Plan] = field(default_factory=dict)

    def of(self, graph: Graph, parts: tuple[Any, ...]) -> bool:
        """Whether `graph` is the one, and still made of the same nodes and constants."""
        return self.graph() is graph and len(parts) == len(self.parts) and all(map(is_, parts, self.parts))


_KEPT: dict[int, Kept] = {}
"""Why not in the graph: plans hold addresses, which copies and other processes must not get."""


def plan_of(graph: Graph, trace: bool) -> Plan:
    """The plan for the outputs of `graph`, or for all values, as it is now: another part makes another plan."""
    at, parts = id(graph), (*graph.nodes, *graph.inputs, *graph.outputs, *graph.constants, *graph.constants.values())
    kept = _KEPT.get(at)
    if kept is None or not kept.of(graph, parts):
        kept = _KEPT[at] = Kept(weakref.ref(graph, lambda _: _KEPT.pop(at, None)), parts)
    if trace not in kept.plans:
        kept.plans[trace] = planned(graph, asked(graph, trace), _fast)
    return kept.plans[trace]


def _fast(node: Node, *codes: Codes | None) -> tuple[Codes, ...]:
    return run_node(node, "numba", *codes)
