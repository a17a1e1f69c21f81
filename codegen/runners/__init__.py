"""How each engine is run: ``runner(graph, codes, trace)`` yields a `Ran` once a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from hwsim.formats import Codes
from hwsim.graph import Graph
from hwsim.simulation import simulate

from .c import run_c
from .edge import EDGE, run_on_edge
from .onnx import run_ort, run_reference
from .ran import Ran
from .verilog_graph import run_verilog

Runner = Callable[[Graph, Mapping[str, Codes], bool], Iterator[Ran]]


def run_numba(graph: Graph, codes: Mapping[str, Codes], trace: bool) -> Iterator[Ran]:
    """The compiled simulator."""
    yield Ran("hwsim numba / BLAS", simulate(graph, codes, engine="numba", trace=trace))


RUNNERS: dict[str, Runner] = {"numba": run_numba, "c": run_c, "ort": run_ort, "onnx_reference": run_reference}
RUNNERS["x86-64"] = partial(run_c, target="x86-64", flags=("-O3", "-march=native"))
RUNNERS |= {name: partial(run_on_edge, target=name) for name in EDGE}
RUNNERS["verilog"] = run_verilog
