"""Hardware whose accumulators are as narrow as a graph's proof allows: what `hwsim.ranges` is worth."""

from __future__ import annotations

from dataclasses import replace

from ..graph import Graph
from .hardware import Hardware
from .mapping import mapped
from .products import array_for


def narrowed(graph: Graph, hardware: Hardware) -> Hardware:
    """The same hardware, each array's accumulator cut to the most bits that a sum of this graph needs in it.

    The bits are those of `Graph.reach`, the proof from the actual weights that holds every partial sum. Arrays of
    blocks and of floats, and arrays that the graph does not use, stay as they are.

    Raises:
        ValueError: nodes that the hardware has no unit for.
    """
    most: dict[str, int] = {}
    for work in mapped(graph, hardware):
        if work.macs:
            unit = array_for(graph, hardware, work.node)
            most[unit.name] = max(most.get(unit.name, 0), graph.reach[work.node.outs[0].name].bits)
    arrays = tuple(
        replace(a, accumulator=most[a.name]) if a.name in most and not (a.block or a.floating) else a
        for a in hardware.arrays
    )
    return replace(hardware, name=f"{hardware.name}, narrow accumulators", arrays=arrays)
