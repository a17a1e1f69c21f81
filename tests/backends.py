"""One check for every engine: numpy is compared with an independent expectation, everything else with numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen import verify
from codegen.checks import AGAINST
from hwsim.graph import Graph
from hwsim.simulation import simulate


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
            assert_equal(got[name], expected, name)
    report = verify(graph, inputs, against=against)
    assert report.ok, f"\n{report}"
    return sum(r.codes for r in report.rows)


def assert_equal(got: NDArray[Any], want: NDArray[Any], what: str = "") -> None:
    """Equality of integers; a failure shows the count and the first five (index, expected, got)."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    wrong = got.astype(object) != want.astype(object)
    rows = [(tuple(int(k) for k in i), int(want[tuple(i)]), int(got[tuple(i)])) for i in np.argwhere(wrong)[:5]]
    assert not wrong.any(), f"{what}: {int(wrong.sum())} of {wrong.size} differ; (index, expected, got): {rows}"
