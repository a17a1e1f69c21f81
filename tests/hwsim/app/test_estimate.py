"""`hwsim estimate`: tables, derivations, files, hardware beside hardware, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hwsim import save
from hwsim.costs.hardware_file import FOLDER, hardware_named

from ..costs.fake_technology import fake_data
from ..costs.small import two_nodes


@pytest.fixture
def hw(tmp_path):
    """edge-int8 and edge-fp32 on a made-up technology that lies beside them."""
    names = ("edge-int8", "edge-fp32")
    (tmp_path / "fake.json").write_text(json.dumps(fake_data(*map(hardware_named, names))))
    for name in names:
        text = (FOLDER / f"{name}.toml").read_text().replace('"sg13g2"', '"fake.json"')
        (tmp_path / f"{name}.toml").write_text(text)
    return {name: tmp_path / f"{name}.toml" for name in names}


@pytest.fixture
def model(tmp_path):
    save(two_nodes(k=40, n=7), tmp_path / "two.qg")
    return tmp_path / "two.qg"


@pytest.fixture
def inputs(tmp_path):
    np.savez(tmp_path / "in.npz", x=np.random.default_rng(0).integers(-128, 128, (6, 40), np.int8))
    return tmp_path / "in.npz"


def test_area_and_cycles_without_samples(hwsim, model, hw):
    status, out, err = hwsim("estimate", model, "--hw", hw["edge-int8"])
    assert (status, err) == (0, "")
    assert out.startswith("two on edge-int8, fake (made up, 45 nm, 0.9 V, 2026-11-29), 100 MHz\n")
    assert "MACs         280 a sample" in out
    assert "note: energy needs samples: area and cycles only" in out
    assert "TOPS/W" not in out


def test_energy_of_samples(hwsim, model, hw, inputs, tmp_path):
    out = hwsim("estimate", model, inputs, "--hw", hw["edge-int8"], "--json", tmp_path / "e.json").out
    data = json.loads((tmp_path / "e.json").read_text())
    assert "toggle rates of 6 samples" in out
    assert f"{data['tops_per_watt']:.3g} TOPS/W" in out
    assert (data["schema"], data["samples"], data["macs"]) == ("hwsim-estimate/1", 6, 280)
    kinds = data["energy_by_kind"]
    assert data["energy"]["value"] == pytest.approx(sum(f["value"] for f in kinds.values()))
    assert kinds["dram"]["kind"] == "literature"
    assert data["energy"]["unit"] == "pJ"
    parts = [p for n in data["nodes"] for f in n["energy"].values() for p in f["parts"]]
    assert all(p["source"] and p["derivation"] for p in parts)
    few = hwsim("estimate", model, inputs, "--samples", "2", "--hw", hw["edge-int8"]).out
    assert "toggle rates of 2 samples" in few
    random = hwsim("estimate", model, "--random", "3", "--hw", hw["edge-int8"]).out
    assert "toggle rates of 3 samples" in random


def test_a_node_is_explained(hwsim, model, hw, inputs):
    by_name, by_index = (
        hwsim("estimate", model, inputs, "--hw", hw["edge-int8"], "--explain", n) for n in ("y.acc", "0")
    )
    assert by_name == by_index
    assert by_name.out.startswith("node 0 matmul y.acc, layer y\n")
    assert "array cycles 128 = load 40 + compute 1 tiles * 40 + fill 32 + drain 16" in by_name.out


def test_hardware_beside_hardware(hwsim, model, hw, inputs, tmp_path):
    out = hwsim("estimate", model, inputs, "--compare", *hw.values(), "--json", tmp_path / "both.json").out
    rows = {line.split("  ")[0]: line.split()[-2:] for line in out.splitlines()}
    assert out.splitlines()[0].split() == ["edge-int8", "edge-fp32"]
    both = json.loads((tmp_path / "both.json").read_text())
    assert rows["cycles"] == [f"{e['cycles']:,}" for e in both]
    assert rows["TOPS/W"] == [f"{e['tops_per_watt']:.3g}" for e in both]
    assert both[0]["energy"]["value"] < both[1]["energy"]["value"]


def test_another_technology(hwsim, model, hw, tmp_path):
    data = json.loads((tmp_path / "fake.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps(data | {"name": "other", "voltage_v": 1.8}))
    out = hwsim("estimate", model, "--hw", hw["edge-int8"], "--technology", tmp_path / "other.json").out
    assert out.startswith("two on edge-int8, other (made up, 45 nm, 1.8 V,")


def test_narrower_accumulators(hwsim, model, hw, tmp_path):
    """-128 * 40 takes 14 bits; a fake element of that width costs what the file says."""
    data = json.loads((tmp_path / "fake.json").read_text())
    pe = next(u for u in data["units"] if u["family"] == "pe" and u["parameters"]["a"] == "int9")
    pe = pe | {"parameters": pe["parameters"] | {"acc": 14}, "area": 70.0}
    (tmp_path / "fake.json").write_text(json.dumps(data | {"units": [*data["units"], pe]}))
    out = hwsim("estimate", model, "--compare", hw["edge-int8"], "--narrow", "--json", tmp_path / "n.json").out
    assert "edge-int8, narrow accumulators" in out.splitlines()[0]
    wide, narrow = (e["area"]["parts"]["w8a8"]["value"] for e in json.loads((tmp_path / "n.json").read_text()))
    assert (wide, narrow) == (256 * 100.0, 256 * 70.0)
    assert "-> 14 bits" in hwsim("estimate", model, "--hw", hw["edge-int8"], "--narrow").out


def test_a_page(hwsim, model, hw, inputs, tmp_path):
    hwsim("estimate", model, inputs, "--hw", hw["edge-int8"], "--html", tmp_path / "e.html")
    page = (tmp_path / "e.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Energy per layer" in page


def test_what_is_refused(refused, model, hw, inputs, tmp_path):
    assert "hardware 'tpu': no such file" in refused("estimate", model, "--hw", "tpu")
    both = refused("estimate", model, inputs, "--random", "2", "--hw", hw["edge-int8"])
    assert "give inputs.npz or --random, not both" in both
    assert "leave out --explain and --html" in refused("estimate", model, "--compare", "edge-int8", "--explain", "y")
    assert "no result has this name" in refused("estimate", model, "--hw", hw["edge-int8"], "--explain", "q")
    assert "--samples without inputs.npz" in refused("estimate", model, "--samples", "2", "--hw", hw["edge-int8"])
    (tmp_path / "bad.toml").write_text("rows = 1")
    assert "bad.toml: key rows is unknown" in refused("estimate", model, "--hw", tmp_path / "bad.toml")
