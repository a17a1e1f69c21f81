"""How each engine is run: ``runner(graph, codes, trace)`` yields (tool, values) once a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from hwsim.formats import Codes
from hwsim.graph import Graph
from hwsim.simulation import simulate

from .c import run_c
from .onnx import run_ort, run_reference

Runner = Callable[[Graph, Mapping[str, Codes], bool], Iterator[tuple[str, dict[str, Codes]]]]


def run_numba(graph: Graph, codes: Mapping[str, Codes], trace: bool) -> Iterator[tuple[str, dict[str, Codes]]]:
    """The compiled simulator."""
    yield "hwsim numba / BLAS", simulate(graph, codes, engine="numba", trace=trace)


RUNNERS: dict[str, Runner] = {"numba": run_numba, "c": run_c, "ort": run_ort, "onnx_reference": run_reference}
