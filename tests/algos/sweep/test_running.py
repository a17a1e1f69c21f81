import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from algos.sweep import running
from algos.sweep.bench import calibrated_by
from hwsim import QTensor, Recipe, estimate, simulate
from hwsim.quantization import quantize_model, settle
from hwsim.reports.fidelity import compare
from tests.compare import assert_refused
from tests.hwsim.reports.networks import samples, small_front

from .conftest import CHOICES, LABELS, data, text


def nodes(graph):
    return {"nodes": len(graph.nodes)}


def test_rows_say_what_the_pieces_say(small):
    """Every figure again, without the sweep's caches."""
    swept = small(measures=(nodes,))
    assert len(swept.rows) == 12
    for row in swept.fine:
        name, _, overflow = row["accumulator"].partition(":")
        path = {"accumulator": name, "datapath": {"overflow": overflow}} if overflow else {}
        recipe = Recipe.from_dict({"weights": row["weights"], **path})
        graph, twin = quantize_model(small_front(), [samples()], recipe)
        (out,) = graph.outputs
        scores = QTensor(out.type, simulate(graph, data(), engine="numpy")[out.name]).dequantize()
        right = np.mean(scores.argmax(-1) == LABELS)
        assert (row["accuracy"], row["nodes"]) == (right, len(graph.nodes))
        assert row["accuracy_se"] == pytest.approx(np.sqrt(right * (1 - right) / 40))
        assert row["sqnr_db"] == compare(graph, data(), twin).fidelity["scores"].sqnr_db
        e = estimate(graph, row["hardware"], {"x": data()["x"][:4]})
        assert row["energy_uj"] == e.energy.value / 1e6
        assert (row["latency_ms"], row["logic_mm2"]) == (e.latency_s * 1e3, e.logic_area.value / 1e6)


def test_what_cannot_be_is_a_result(small):
    swept = small()
    bad = [r for r in swept.rows if r["refused"]]
    assert {r["accumulator"] for r in bad} == {"int6:saturate"}
    assert all("bias" in r["refused"] and "\n" not in r["refused"] for r in bad)
    assert sum(swept.refused.values()) == len(bad) == 4
    assert not any(r["refused"] for r in swept.front)
    assert_refused(lambda: small({"choices": {"accumulator": ["int6:saturate"]}}), "bias")


def test_hardware_that_refuses_leaves_the_accuracy(small):
    swept = small({"choices": {"weights": ["mxfp4", "int8"]}})
    row = swept.rows[0]
    assert row["refused"].startswith("hardware 'edge-int8' cannot run")
    assert row["sqnr_db"] > 5
    assert "energy_uj" not in row


def test_executors_and_orders_change_nothing(small):
    one = text(small())
    with ThreadPoolExecutor(3) as threads:
        assert text(small(executor=threads)) == one
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        assert text(small(executor=processes)) == one
    backwards = {"choices": {**CHOICES, "hardware": CHOICES["hardware"][::-1]}}
    key = lambda r: json.dumps(r, sort_keys=True)  # noqa: E731
    assert sorted(map(key, small(backwards).rows)) == sorted(map(key, small().rows))


def test_a_sweep_goes_on(small, tmp_path, monkeypatch):
    """Killed after some points and with a torn line: what is known is not measured again."""
    whole = small(folder=tmp_path / "whole")
    done = []

    def dies(packed, group, rows_of=running.rows_of):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(group)
        return rows_of(packed, group)

    monkeypatch.setattr(running, "rows_of", dies)
    with pytest.raises(KeyboardInterrupt):
        small(folder=tmp_path / "killed")
    monkeypatch.undo()
    journal = tmp_path / "killed" / "points.jsonl"
    assert len(journal.read_text().splitlines()) == 1 + 6
    with journal.open("a") as f:
        f.write('{"at": [1, 0')
    again = []
    monkeypatch.setattr(running, "rows_of", lambda p, g, rows_of=running.rows_of: again.append(g) or rows_of(p, g))
    assert text(small(folder=tmp_path / "killed")) == text(whole)
    assert sum(map(len, again)) == 6
    for name in ("points.jsonl", "results.csv", "results.parquet", "pareto.svg"):
        files = [(tmp_path / f / name).read_bytes() for f in ("whole", "killed")]
        assert name == "points.jsonl" or files[0] == files[1]
    assert all(json.loads(line) for line in journal.read_text().splitlines()), "the torn line is gone"
    assert len(journal.read_text().splitlines()) == 1 + 12


def test_folders_of_others(small, tmp_path):
    small(folder=tmp_path)
    grown = {"choices": {**CHOICES, "weights": ["int8"]}}
    assert_refused(lambda: small(grown, folder=tmp_path), "another", "folder")
    assert_refused(lambda: small(labels=LABELS[::-1], folder=tmp_path), "another", "folder")
    assert small(folder=tmp_path, search="random", points=3).facts["search"] == "random", "of the same space"
    lines = (tmp_path / "points.jsonl").read_text().splitlines()
    (tmp_path / "points.jsonl").write_text("\n".join([lines[0], lines[1][:20], *lines[2:]]) + "\n")
    assert_refused(lambda: small(folder=tmp_path), "line 2", "damaged")


def test_one_writer(small, tmp_path):
    from algos.sweep.journal import Journal

    first = Journal(tmp_path, "d", {})
    assert_refused(lambda: Journal(tmp_path, "d", {}), "another process")
    first.close()
    Journal(tmp_path, "d", {}).close()


def test_ranges_are_shared_where_nothing_differs():
    """What `calibrated_by` leaves out is what settling does not see."""
    front, seen = small_front(), [samples()]
    for recipe in (
        Recipe(weights="int4", contract="pow2"),
        Recipe(operands="int4", overrides=(("fc1", {"weights": "int4"}),)),
        Recipe(accumulator="int20", datapath={"overflow": "wrap"}, overrides=(("fc1", {"operands": "int8"}),)),
    ):
        assert calibrated_by(recipe) != recipe
        a, b = settle(front, seen, recipe), settle(front, seen, calibrated_by(recipe))
        assert (a.ranges, a.front.nodes) == (b.ranges, b.front.nodes)
    for recipe in (Recipe(observer="mse"), Recipe(equalize="weights"), Recipe(bias_correction=True)):
        assert calibrated_by(recipe) == recipe


def test_nsga2_of_mixed_precision(small):
    pytest.importorskip("deap")
    space = {"each": {"*": {"weights": ["int8", "int4", "int2"]}}, "choices": {"tables": ["whole", 4]}}
    swept = small(space, search="nsga2", points=12, seed=1)
    assert len(swept.rows) == 12
    assert text(small(space, search="nsga2", points=12, seed=1)) == text(swept)
    assert {"fc1/weights", "scores/weights"} <= set(swept.columns)


def test_refusals(small):
    assert_refused(lambda: small(labels=[1, 2]), "labels", "40")
    assert_refused(lambda: small(energy_samples=0), "energy_samples")
    assert_refused(lambda: small(hardware="none"), "'none'", "edge-int8")
    assert_refused(lambda: small(objectives=("speed",)), "'speed'", "latency_ms")
    assert_refused(lambda: small({"choices": {"hardware": ["edge-int8:wide"]}}), "narrow")
