"""One check for every engine: numpy is compared with an independent expectation, everything else with numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from codegen import verify
from codegen.checks import AGAINST
from hwsim.graph import Graph
from hwsim.simulation import simulate
from tests.compare import assert_same


def check_engines(
    graph: Graph,
    inputs: Mapping[str, NDArray[Any]],
    want: Mapping[str, NDArray[Any]] | None = None,
    against: Sequence[str] = AGAINST,
) -> int:
    """Every value on every engine, release and trace; returns how many codes were compared."""
    if want is not None:
        got = simulate(graph, inputs, engine="numpy", trace=True)
        for name, expected in want.items():
            assert_same(expected, got[name], what=name)
    report = verify(graph, inputs, against=against)
    assert report.ok, f"\n{report}"
    return sum(r.codes for r in report.rows)
