"""Instructions on emulated microcontrollers: the layers, the figures, what is refused and what is left out."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from codegen.runners import edge
from hwsim.app import bench_edge
from hwsim.app.bench_edge import CMSIS, INT4, INT8, INT8_TFLM, LEVELS, M4, MXFP4, RV32, Count
from hwsim.app.bench_layers import CHANNELS, KINDS, LAYERS, Kind, layer
from hwsim.app.data import random_codes
from hwsim.reports import total_macs
from hwsim.simulation import simulate

toolchains = import_module("codegen.runners.edge.toolchains")  # the package's name for it is the function
MACS = {"pointwise": 25 * 5 * 64 * 64, "depthwise": 25 * 5 * 64 * 9, "dense": 64 * 64}
CASES = [(name, kind) for name in LAYERS for kind in KINDS if kind.suits(name)]


def at_hand(target: str) -> bool:
    try:
        return bench_edge.at_hand([target])[0] == [target]
    except ValueError:
        return False


needs_m4 = pytest.mark.skipif(not at_hand(M4), reason="no compiler or emulator for a Cortex-M4; see make deps-edge")


@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda x: x if isinstance(x, str) else x.name)
def test_layers(name: str, kind: Kind) -> None:
    """The products that CMSIS-NN was counted on; results use the range of INT8 and few saturate."""
    graph = layer(name, kind)
    assert total_macs(graph) == MACS[name]
    (y,) = simulate(graph, random_codes(graph, 4, seed=1)).values()
    assert (y.dtype, y.shape[-1]) == (np.int8, CHANNELS)
    assert 15 < y.std() < 90
    assert np.isin(y, (-128, 127)).mean() < 0.2


def test_the_kinds_are_what_they_are_called() -> None:
    assert [k.name for k in (INT8, INT8_TFLM, INT4, MXFP4)] == [
        "int8, dyadic16", "int8, tflm_double", "int4, dyadic16", "mxfp4, dyadic16",
    ]  # fmt: skip
    assert len({k.name for k in KINDS}) == len(KINDS)
    formats = {k.name: {c.type.fmt.name for c in layer("dense", k).constants.values()} for k in KINDS}
    assert "int4" in formats[INT4.name]
    assert {"fp4_e2m1", "e8m0"} <= formats[MXFP4.name]


@needs_m4
def test_one_layer(hwsim, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bench_edge, "KINDS", KINDS[:1])
    path = tmp_path / "edge.json"
    status, out, _ = hwsim("bench", "edge", "--only", "dense", "--targets", M4, "--json", path)
    assert status == 0
    figures = json.loads(path.read_text())["edge"]
    assert [(r["what"], r["kind"], r["target"], r["level"]) for r in figures["rows"]] == [
        ("dense", INT8.name, M4, level) for level in LEVELS
    ]
    for row in figures["rows"]:
        assert row["macs"] == MACS["dense"]
        assert row["per_mac"] == row["instructions"] / row["macs"]
        assert 0.5 < row["per_mac"] < 30
        assert figures["tools"][f"{M4} {row['level']}"] in out
    assert figures["cmsis"] == CMSIS
    assert any(line.split()[:2] == ["dense", "int8,"] and line.endswith("2.68") for line in out.splitlines())
    assert f"dense {INT8.name} on {M4}: {figures['rows'][0]['per_mac']:.2f}, aim 1.8: " in out


@needs_m4
def test_a_model_by_function(hwsim) -> None:
    status, out, _ = hwsim("bench", "edge", "--only", "mlp", "--targets", M4)
    assert status == 0
    assert f"{LEVELS[0]}, by function:" in out
    shares = [
        float(line.split()[1]) for line in out.split(f"{LEVELS[0]}, by function:")[1].split("\n\n")[0].splitlines()[2:]
    ]
    assert sum(shares) == pytest.approx(100, abs=1)


@needs_m4
def test_instructions_are_of_one_inference() -> None:
    """More samples take no more each."""
    graph = layer("dense", INT8)
    codes = random_codes(graph, 8, seed=0)
    (few,), (many,) = (
        bench_edge.counted("dense", "", graph, {n: x[:k] for n, x in codes.items()}, [M4], "-O2", []) for k in (1, 8)
    )
    assert few.instructions == pytest.approx(many.instructions, rel=0.02)


@needs_m4
def test_wrong_codes_have_no_figure(monkeypatch) -> None:
    run_edge = edge.run_edge

    def off_by_one(*args, **settings):
        ran = run_edge(*args, **settings)
        return replace(ran, values={n: x + 1 for n, x in ran.values.items()})

    monkeypatch.setattr(edge, "run_edge", off_by_one)
    graph = layer("dense", INT8)
    with pytest.raises(RuntimeError, match=f"dense int8 on {M4} -O2: codes of y differ"):
        list(bench_edge.counted("dense", "int8", graph, random_codes(graph, 2, seed=0), [M4], "-O2", []))


def test_a_target_that_refuses_is_named(monkeypatch) -> None:
    def refuses(*args, **settings):
        raise ValueError("float32 is not in hardware")

    monkeypatch.setattr(edge, "run_edge", refuses)
    graph, missing = layer("dense", INT8), []
    assert list(bench_edge.counted("dense", "int8", graph, random_codes(graph, 1, seed=0), [M4], "-O2", missing)) == []
    assert missing == [f"dense int8 left out on {M4}: float32 is not in hardware"]


def test_targets_without_tools_are_named(monkeypatch, refused) -> None:
    monkeypatch.setattr(toolchains.shutil, "which", lambda name: None)
    monkeypatch.setattr(toolchains, "has_ziglang", lambda: False)
    message = refused("bench", "edge", "--targets", M4, RV32)
    assert f"nothing to run on; {M4} left out: no compiler for {M4}: install arm-none-eabi-gcc" in message
    assert f"{RV32} left out: " in message


def test_refusals_are_one_line(refused) -> None:
    assert "'pdp11'" in refused("bench", "edge", "--targets", "pdp11")
    if at_hand(M4):
        assert "--only points: use a .tflite or pointwise, depthwise, dense, kws" in refused(
            "bench", "edge", "--only", "points", "--targets", M4
        )


def test_the_aims() -> None:
    """Each aim is met up to its limit and missed beyond; what was not measured is not said."""
    same = {"level": LEVELS[0], "macs": 100, "tool": ""}
    figures = [("pointwise", INT8, M4, 150), ("pointwise", INT4, M4, 209), ("pointwise", MXFP4, M4, 601)]
    figures += [("dense", INT8_TFLM, M4, 181), ("depthwise", INT8, M4, 400), ("pointwise", INT8, RV32, 400)]
    counts = [Count(what=w, kind=k.name, target=t, instructions=n, **same) for w, k, t, n in figures]
    said = {line.rsplit(": ", 2)[0]: line.split(": ")[-1] for line in bench_edge.aims(counts)}
    assert said == {
        f"pointwise {INT8.name} on {M4}": "kept",
        f"depthwise {INT8.name} on {M4}": "kept",
        f"dense {INT8_TFLM.name} on {M4}": "MISSED",
        f"pointwise {INT4.name} over {INT8.name} on {M4}": "kept",
        f"pointwise {MXFP4.name} over {INT8.name} on {M4}": "MISSED",
        f"pointwise {INT8.name} on {RV32}": "kept",
    }
    assert bench_edge.aims([replace(c, level=LEVELS[1]) for c in counts]) == []
