import json

import pytest

pytest.importorskip("deap")

from algos.gqa_lut import comparison, fit
from hwsim.app.bench import BENCHES


def test_lut_on_two_cells(hwsim, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "CELLS", (comparison.CELLS[4], comparison.CELLS[10]))
    path = tmp_path / "lut.json"
    status, out, err = hwsim("bench", "lut", "--seeds", 1, "--json", path)
    assert status == 0
    assert "2/2" in err
    figures = json.loads(path.read_text())["lut"]
    exp, reciprocal = figures["cells"]
    assert exp["ours"] == [fit("exp", 8).mse]
    assert exp["paper"] == [fit("exp", 8, method="paper", seed=42).mse]
    assert reciprocal["published"] is None
    row = next(line.split() for line in out.splitlines() if line.startswith("exp "))
    assert row[1:4] == ["8", "8.6", "1.22e-04"]
    assert f"{exp['bound']:.2e}" in row
    assert "published table: 1 of 1" in out
    assert "certified optimum: 2 of 2" in out
    assert len(figures["targets"]) == 8


def test_the_help_names_every_bench(hwsim):
    status, out, _ = hwsim("bench", "--help")
    assert status == 0
    assert all(b.name in out and b.what in out for b in BENCHES)


def test_refusals_are_one_line(refused, tmp_path):
    assert "'luts'" in refused("bench", "luts")
    assert "--seeds 0" in refused("bench", "lut", "--seeds", 0)
    assert "'0'" in refused("bench", "lut", "--jobs", "0")
    assert str(tmp_path) in refused("bench", "lut", "--json", tmp_path)
