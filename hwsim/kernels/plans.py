"""Plans of graphs, made once: a graph that is simulated again starts at once."""

from __future__ import annotations

import weakref
from typing import Any

from ..graph import Graph, Value
from .plan import Plan, RunNode, planned

_KEPT: dict[int, tuple[weakref.ref[Graph], dict[Any, Plan]]] = {}
"""Why not in the graph: plans hold addresses, which copies and other processes must not get."""


def plan_of(graph: Graph, wanted: tuple[Value, ...], run_node: RunNode) -> Plan:
    """The plan for `wanted` values of `graph` as it is now: another constant or node makes another plan."""
    at = id(graph)
    if at not in _KEPT or _KEPT[at][0]() is not graph:
        _KEPT[at] = (weakref.ref(graph, lambda _: _KEPT.pop(at, None)), {})
    plans = _KEPT[at][1]
    state = (tuple(map(id, graph.nodes)), tuple(map(id, graph.constants.values())))
    if plans and next(iter(plans))[1:] != state:
        plans.clear()
    key = (tuple(v.name for v in wanted), *state)
    if key not in plans:
        plans[key] = planned(graph, wanted, run_node)
    return plans[key]
