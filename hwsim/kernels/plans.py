"""Plans of graphs, made once: a graph that is simulated again starts at once."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

from ..graph import Graph, Value
from .plan import Plan, RunNode, planned


@dataclass(frozen=True, eq=False)
class Kept:
    """Plans by the names of what they compute, for a graph as it was.

    Why `parts` are kept and not their ids: what nobody keeps may leave its id to another node.
    """

    graph: weakref.ref[Graph]
    parts: tuple[Any, ...]
    plans: dict[tuple[str, ...], Plan] = field(default_factory=dict)

    def of(self, graph: Graph, parts: tuple[Any, ...]) -> bool:
        """Whether `graph` is the one, and still made of the same nodes and constants."""
        same = self.graph() is graph and len(parts) == len(self.parts)
        return same and all(a is b for a, b in zip(parts, self.parts, strict=True))


_KEPT: dict[int, Kept] = {}
"""Why not in the graph: plans hold addresses, which copies and other processes must not get."""


def plan_of(graph: Graph, wanted: tuple[Value, ...], run_node: RunNode) -> Plan:
    """The plan for `wanted` values of `graph` as it is now: another constant or node makes another plan."""
    at, parts = id(graph), (*graph.nodes, *graph.constants, *graph.constants.values())
    kept = _KEPT.get(at)
    if kept is None or not kept.of(graph, parts):
        kept = _KEPT[at] = Kept(weakref.ref(graph, lambda _: _KEPT.pop(at, None)), parts)
    names = tuple(v.name for v in wanted)
    if names not in kept.plans:
        kept.plans[names] = planned(graph, wanted, run_node)
    return kept.plans[names]
