"""Our C beside other engines: the record's arithmetic, what is left out, and that wrong codes have no figure."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("tflite_micro")

from codegen.runners.timed import Timed
from hwsim.app import bench_host, bench_models
from hwsim.app.bench_record import ORT, TFLM, XNNPACK, Record, Row, aims
from hwsim.app.turns import BATCH, one_core, take_turns
from hwsim.store import load


def recorded(hwsim, tmp_path, *words):
    status, out, _ = hwsim("bench", "host", "--rounds", 2, "--json", tmp_path / "host.json", "--only", *words)
    assert status == 0
    return json.loads((tmp_path / "host.json").read_text())["host"], out


def test_a_shipped_model(hwsim, tmp_path):
    """Each engine has a row, ours and the integer ONNX the simulator's codes; the others' times are ratios to ours."""
    figures, out = recorded(hwsim, tmp_path, "mlp")
    (record,) = figures["rows"]
    generic, *_, exact, own = record["rows"]
    assert record["macs"] == 784 * 128 + 128 * 64 + 64 * 10
    assert (generic["times"]["generic"], generic["differ"], exact["differ"]) == (1, 0, 0)
    assert (exact["engine"], own["engine"]) == ("ONNX Runtime, emit onnx", ORT)
    assert 0 < own["differ"] < bench_models.SAMPLES * 10
    for row in record["rows"]:
        assert row["macs_per_ns"] == pytest.approx(record["macs"] / row["us"] / 1e3)
        assert row["engine"] in out
    assert record["calls"]["ONNX Runtime"] > 0
    assert record["weights"] == 0


def test_a_streaming_file(hwsim, tmp_path):
    """The wake word in LiteRT, three ways, and in TFLM, whose bits ours are, state by state."""
    if not bench_models._path("alexa", tmp_path).exists():
        pytest.skip("pymicro-wakeword is not installed; make test installs it")
    figures, out = recorded(hwsim, tmp_path, "alexa")
    (record,) = figures["rows"]
    differ = {r["engine"]: r["differ"] for r in record["rows"]}
    assert differ[TFLM] == 0
    assert {XNNPACK, "LiteRT, built-in", "LiteRT, reference"} < set(differ)
    assert record["weights"] / 2 < record["constants"]["generic"] < record["weights"] * 2
    assert record["tflm"]["total"] == record["tflm"]["head"] + record["tflm"]["tail"]
    assert f"the speed of {XNNPACK}" in out


def test_wrong_codes_have_no_figure(graph_file):
    """Ours must be the simulator's; another engine's differing codes are counted."""
    graph = load(graph_file)
    inputs = bench_models.random_codes(graph, bench_models.SAMPLES, seed=0)
    model = bench_models.Model(name="small", graph=graph, inputs=inputs)

    def step(codes):
        found = bench_host.stream(graph, {n: x[:, None] for n, x in codes.items()})
        return {n: x[0] + (np.arange(x[0].size).reshape(x[0].shape) == 0).astype(x.dtype) for n, x in found.items()}

    wrong = Timed(name="wrong", step=step, repeat=lambda times: None)
    assert bench_host.compare(model, [], [wrong]) == {"wrong": bench_models.SAMPLES * len(graph.outputs)}
    with pytest.raises(RuntimeError, match=r"small: wrong has \d+ codes that are not"):
        bench_host.compare(model, [wrong], [])


def test_the_aims():
    times = {"generic": 10.0, "x86-64": 0.9}
    rows = [Row(engine=e, us=1, macs_per_ns=1, times=times, differ=0) for e in (XNNPACK, TFLM)]
    sizes = {"generic": 200, "x86-64": 200}
    at = {"model": "m", "macs": 1, "rows": rows, "calls": {}, "constants": sizes, "memory": sizes}
    record = Record(**at, weights=100, tflm={"total": 199})
    said = aims(record).splitlines()
    assert said[0] == "m"
    assert "0.90 x the speed of LiteRT, XNNPACK (aim: at least 1, MISSED)" in said[1]
    assert "10.00 x the speed of TFLM (aim: at least 10, kept)" in said[2]
    assert "2.00 x the file's weights (aim: at most 2, kept)" in said[3]
    assert "1.01 x TFLM's arena (aim: at most 1, MISSED)" in said[4]
    own = [Row(engine=ORT, us=1, macs_per_ns=1, times=times, differ=0)]
    assert aims(replace(record, rows=own, weights=0, tflm={})).endswith(
        "0.90 x the speed of ONNX Runtime, its own INT8"
    )


def test_refusals_are_one_line(refused, tmp_path):
    assert "nothing.tflite: no such file" in refused("bench", "host", "--only", "nothing.tflite")
    assert f"{tmp_path / 'kws_ref_model.tflite'}: no such file" in refused(
        "bench", "host", "--only", "kws", "--tiny", tmp_path
    )
    assert "--only pointwise: use a .tflite or kws" in refused("bench", "host", "--only", "pointwise")
    assert "--rounds 0" in refused("bench", "host", "--only", "mlp", "--rounds", 0)


def test_what_is_missing_is_named(tmp_path):
    names, missing = bench_models.chosen([], tmp_path)
    assert {"mlp", "resnet8", "ds-cnn", "vit-tiny"} <= set(names)
    assert [line.split(":")[0] for line in missing[:2]] == [f"{n} left out" for n in ("kws", "ad01")]
    assert bench_models.chosen(["mlp", "dense", "mlp"], tmp_path, also=("dense",)) == (["mlp", "dense"], [])


def test_an_engine_that_is_not_installed_is_named(monkeypatch, hwsim):
    monkeypatch.setattr(bench_host, "find_spec", lambda package: None)
    monkeypatch.setattr(bench_host, "TARGETS", ("generic",))
    status, out, _ = hwsim("bench", "host", "--rounds", 1, "--only", "mlp")
    assert status == 0
    assert "ONNX Runtime left out: the package onnxruntime is not installed" in out
    assert sum(line.startswith("mlp  ") for line in out.splitlines()) == 2, "a row of times, a row of bytes"


def test_turns():
    """Every engine runs in every round, each round begins with another, and a turn is long enough for the clock."""
    seen = []

    def engine(name, each):
        def repeat(times):
            seen.append(name)
            for _ in range(times * each):
                pass

        return repeat

    fast, slow = take_turns([engine("fast", 10_000), engine("slow", 100_000)], 4)
    assert (len(fast), len(slow)) == (4, 4)
    assert seen[-8:] == ["fast", "slow", "slow", "fast"] * 2
    assert 3 < np.median(np.divide(slow, fast)) < 30
    assert BATCH >= 1e-3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system keeps no thread on a core")
def test_one_core():
    before = os.sched_getaffinity(0)
    with one_core() as core:
        assert os.sched_getaffinity(0) == {core}
    assert os.sched_getaffinity(0) == before
