from __future__ import annotations

import numpy as np
import pytest

from codegen import verify
from codegen.checks import Report
from codegen.runners import RUNNERS
from codegen.runners.ran import Ran
from hwsim.contracts import Dyadic16
from hwsim.formats import INT32
from hwsim.graph import Graph
from hwsim.ops import Requant
from hwsim.qtensor import BATCH, QType
from hwsim.simulation import simulate
from tests.hwsim.reports.markup import words


def small() -> Graph:
    g = Graph("small")
    x = g.input("x", QType((BATCH, 2), INT32, 1.0))
    half = g.add(Requant(contract=Dyadic16(multiplier=(32768,), shift=(16,)), scale=2.0), x, name="half")
    again = Requant(contract=Dyadic16(multiplier=(32768,), shift=(16,)), scale=4.0)
    g.output(g.add(again, half, name="quarter"))
    return g


def test_a_mismatch_is_explained_where_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(graph, codes, trace):
        values = simulate(graph, codes, trace=trace)
        for name in values:
            values[name] = (
                values[name] + np.where(values[name] == 3, 1, 0).astype(np.int8) if name != "x" else values[name]
            )
        yield Ran("broken engine", values)

    monkeypatch.setitem(RUNNERS, "broken", wrong)
    report = verify(small(), {"x": np.array([[0, 2], [5, 100]])}, against=("numba", "broken"))
    assert not report.ok
    release, trace = report.rows[2:]
    assert (release.mismatches, trace.mismatches) == (0, 1)
    first = trace.first
    assert (first.value, first.index, first.expected, first.got) == ("half", (1, 0), 3, 4)
    assert str(first) == (
        "value 'half' of node 0 (requant) (dyadic16, half_up) at index (1, 0): expected 3, got 4; inputs there: 'x' 5"
    )
    assert "first mismatch on broken (trace): value 'half'" in str(report)
    told = words(report._repr_html_())
    assert "1 code differs" in told
    assert "expected 3, got 4" in told
    assert report._repr_html_().count('<tr class="bad">') == 1


def test_an_empty_report_is_not_ok() -> None:
    assert not Report((), 0).ok
    assert "Nothing was compared" in words(Report((), 0)._repr_html_())


def test_unknown_engine() -> None:
    with pytest.raises(ValueError, match=r"engines \['fpga'\] are unknown: use numba, c, ort, onnx_reference"):
        verify(small(), {"x": np.zeros((1, 2), np.int32)}, against=("fpga",))


def test_every_engine_by_default() -> None:
    report = verify(small(), {"x": np.arange(6).reshape(3, 2)})
    assert report.ok
    assert report.samples == 3
    assert {(r.engine, r.build) for r in report.rows} == {
        (e, b) for e in ("numba", "c", "ort", "onnx_reference") for b in ("release", "trace")
    }
