import json
import os

import numpy as np
import pytest

pytest.importorskip("deap")

from algos.gqa_lut import comparison, fit
from hwsim.app import bench_formats, bench_qdq
from hwsim.app.bench import BENCHES
from hwsim.ops import MatMul
from hwsim.simulation import simulate


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


def test_formats_on_a_small_product(hwsim, tmp_path):
    path, before = tmp_path / "formats.json", dict(os.environ)
    status, out, _ = hwsim("bench", "formats", "--sizes", 9, 70, 5, "--runs", 3, "--json", path)
    assert (status, dict(os.environ)) == (0, before)
    figures = json.loads(path.read_text())["formats"]
    assert (figures["sizes"], figures["runs"], len(figures["rows"])) == ([9, 70, 5], 3, len(bench_formats.CASES))
    for row in figures["rows"]:
        assert row["gmacs"] == pytest.approx(9 * 70 * 5 / row["ms"] / 1e6)
        assert row["gops"] == 2 * row["gmacs"]
    int8, *rest = figures["rows"]
    assert (int8["of_int8"], int8["kept"]) == (1, None)
    assert {r["target_of_int8"] for r in rest if r["weights"] in ("fp4_e2m1", "mxfp4")} == {0.5}
    nvfp4 = [r for r in rest if r["weights"] == "nvfp4"]
    assert [r["accumulator"] for r in nvfp4] == ["int48", "int32"]
    assert f"int32, {nvfp4[1]['bits_cut']} bits cut" in out
    assert "9 x 70 times 70 x 5, one thread" in out


def test_a_case_that_is_not_its_definition_has_no_figure(monkeypatch):
    """All that runs beside INT8 is exact or the definition's own: one result off by 1 must stop it."""
    run_fast = MatMul.run_fast
    monkeypatch.setattr(MatMul, "run_fast", lambda *args: run_fast(*args) + np.eye(9, 5, dtype=np.int32))
    with pytest.raises(ValueError, match="differs from numpy"):
        bench_formats.measure((9, 70, 5), 1)


def test_nor_has_a_graph_that_is_not(monkeypatch):
    def wrong(*args, **named):
        return {name: y + 1 for name, y in simulate(*args, **named).items()}

    monkeypatch.setattr(bench_formats, "simulate", wrong)
    with pytest.raises(ValueError, match="differs from numpy"):
        bench_formats.measure((9, 70, 5), 1)


def test_one_thread_in_the_process_that_measures():
    before = dict(os.environ)
    with bench_formats.one_thread():
        assert {os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")} == {"1"}
    assert dict(os.environ) == before


def test_the_target_of_a_row():
    fast, slow = bench_formats.Case(left="a", right="b", ratio=0.5), bench_formats.Case(left="a", right="b", gops=20)
    row = bench_formats.figures(fast, 4e9, 0, ([1.0, 2.0, 8.0], [0.5, 0.1, 0.9]), [0.9, 1.1, 1.0])
    assert (row["gmacs"], row["gops"], row["of_int8"], row["kept"]) == (2.0, 4.0, 0.55, True)
    assert row["simulate_gops"] == 16
    assert bench_formats.figures(fast, 4e9, 0, ([4.0], [4.0]), [1.0])["kept"] is False
    one = ([1.0], [1.0])
    assert [bench_formats.figures(slow, macs, 0, one, [1.0])["kept"] for macs in (1e10, 9.9e9)] == [True, False]


def test_the_help_names_every_bench(hwsim):
    status, out, _ = hwsim("bench", "--help")
    assert status == 0
    assert all(b.name in out and b.what in out for b in BENCHES)


def test_refusals_are_one_line(refused, tmp_path):
    assert "'luts'" in refused("bench", "luts")
    assert "--seeds 0" in refused("bench", "lut", "--seeds", 0)
    assert "'0'" in refused("bench", "lut", "--jobs", "0")
    assert "(0, 4, 4)" in refused("bench", "formats", "--sizes", 0, 4, 4)
    assert "--runs 0" in refused("bench", "formats", "--runs", 0)
    assert str(tmp_path) in refused("bench", "lut", "--json", tmp_path)


def test_qdq_on_one_model(hwsim, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(bench_qdq, "MODELS", (("ds-cnn", "int8"),))
    monkeypatch.setattr(bench_qdq, "SAMPLES", 16)
    path = tmp_path / "qdq.json"
    status, out, _ = hwsim("bench", "qdq", "--json", path)
    assert status == 0
    rows = json.loads(path.read_text())["qdq"]["rows"]
    assert len(rows) == len(bench_qdq.LEVELS) * len(bench_qdq.ENTRIES)
    assert all(r["differ"] < 10 and r["largest"] <= 1 for r in rows)
    assert "not bit exact" in out
    assert "closest: ORT_" in out


def test_the_distance_of_codes():
    job = bench_qdq.job("ds-cnn", "int8")
    want = bench_qdq.simulate(job.graph, {k: x[:4] for k, x in job.inputs.items()})
    (v,) = job.graph.outputs
    real = (want[v.name] - v.type.zero_point) * v.type.lsb
    assert bench_qdq.distance(job.graph, want, [real]) == (0, 0, 100)
    real[0, 0] += 2 * v.type.lsb
    differ, largest, _ = bench_qdq.distance(job.graph, want, [real])
    assert (round(differ * real.size / 100, 9), largest) == (1, 2)
