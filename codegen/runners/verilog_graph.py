"""Run a Graph in Verilog, node by node: each node's unit reads the codes that the units before it gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hwsim.formats import Codes
from hwsim.graph import Graph

from ..rtl.nodes import feeds, results, units_of
from .ran import Ran
from .verilog import icarus_version, run_unit


def run_verilog(graph: Graph, codes: Mapping[str, Codes], trace: bool) -> Iterator[Ran]:
    """Every node that computes, in Icarus Verilog; what only moves codes moves them here.

    Raises:
        ValueError: no simulator, or nodes that no unit computes, all at once.
    """
    samples = next((len(codes[v.name]) for v in graph.inputs if v.type.batched), 1)
    units, values = units_of(graph, samples), dict(codes)
    values |= {name: tensor.codes for name, tensor in graph.constants.items()}
    for node, unit in zip(graph.nodes, units, strict=True):
        ins = [values[v.name] for v in node.ins]
        if unit is None:
            moved = node.op.run(tuple(v.type for v in node.ins), *ins)
            made = list(moved) if isinstance(moved, tuple) else [moved]
        else:
            out = node.outs[0].type
            shape = ((samples,) if out.batched else ()) + out.sample_shape
            made = results(unit, run_unit(unit, feeds(unit, node, ins)), shape)
        values |= zip((v.name for v in node.outs), made, strict=True)
    names = (v.name for v in graph.results(trace=trace))
    moving = units.count(None)
    tool = f"{icarus_version()}, {len(units) - moving} nodes" + (f", {moving} of wires" if moving else "")
    yield Ran(tool, {name: values[name] for name in names})
