import re
from pathlib import Path

import numpy as np
import pytest

from codegen.runners import RUNNERS
from codegen.runners.ran import Ran
from hwsim import BATCH, FP4_E2M1, FP8_E4M3, INT64, UINT16, Graph, QType, load, simulate
from hwsim.app.data import random_codes

from ...codegen.edge.machines import machine
from ..reports.networks import samples


def wrong_by_one(graph, codes, trace):
    """An engine that is off by one in one code of `relu1`, and so of what follows."""
    values = simulate(graph, codes, engine="numpy", trace=trace)
    for name in ("relu1", "scores"):
        if name in values:
            values[name][1, 2] ^= 1
    yield Ran("wrong on purpose", values)


@pytest.fixture
def broken_numba(monkeypatch):
    monkeypatch.setitem(RUNNERS, "numba", wrong_by_one)


def test_a_microcontroller_is_counted_and_weighed(hwsim, graph_file):
    machine("riscv32imc", "gcc")
    out = hwsim("verify", graph_file, "--against", "riscv32", "--samples", "2", "--quiet").out
    assert "instructions  tool" in out
    assert re.search(r"^riscv32: flash [\d,]+ bytes, RAM \d+, stack at most \d+; no heap, printing, libm", out, re.M)


def test_the_help_lists_every_engine(hwsim):
    text = " ".join(hwsim("verify", "--help").out.split())
    assert [name for name in RUNNERS if name not in text] == []


def test_random_codes_by_default(hwsim, graph_file):
    status, out, err = hwsim("verify", graph_file, "--against", "numba")
    assert status == 0
    assert "equal: 64 samples of random codes, seed 0" in out
    assert "done" in err


def test_all_engines(hwsim, graph_file, inputs_file):
    status, out, err = hwsim("verify", graph_file, inputs_file, "--quiet")
    assert (status, err) == (0, "")
    assert f"equal: 20 samples of {inputs_file}" in out
    assert all(engine in out for engine in ("numba", "c ", "ort", "onnx_reference"))


def test_first_samples_only(hwsim, graph_file, inputs_file):
    out = hwsim("verify", graph_file, inputs_file, "--samples", 3, "--against", "numba").out
    assert "equal: 3 samples" in out


def test_a_mismatch_is_status_1_and_explained(hwsim, graph_file, broken_numba):
    status, out, _ = hwsim("verify", graph_file, "--against", "numba", "--quiet")
    assert status == 1
    assert "MISMATCH" in out
    assert "'relu1' of node" in out
    assert "index (1, 2)" in out
    assert "dyadic16" in out


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (("--against", "gpu"), "gpu"),
        (("--against", ","), "no engine"),
        (("--against", "numba,tpu"), "tpu"),
        (("--samples", "0"), "samples 0"),
        (("--seed", "-1"), "seed -1"),
    ],
)
def test_bad_options_are_named(refused, graph_file, words, culprit):
    assert culprit in refused("verify", graph_file, *words)


def test_samples_of_a_file_must_be_positive(refused, graph_file, inputs_file):
    assert "samples -2" in refused("verify", graph_file, inputs_file, "--samples", "-2")


def test_random_codes_reach_every_number_and_name_no_other():
    g = Graph()
    formats = (FP4_E2M1, FP8_E4M3, UINT16, INT64)
    for f in formats:
        g.input(f.name, QType((BATCH, 7), f))
    g.input("fixed", QType((3,), FP4_E2M1))
    codes = random_codes(g, 5000, 3)
    for f in formats:
        x = codes[f.name]
        assert x.dtype == f.dtype
        assert x.shape == (5000, 7)
        assert x.min() >= f.min_code
    assert set(np.unique(codes["fp4_e2m1"])) == set(range(16))
    assert set(np.unique(codes["fp8_e4m3"])) == set(range(256)) - {0x7F, 0xFF}
    assert codes["int64"].min() < -(2**62) < 2**62 < codes["int64"].max()
    assert codes["fixed"].shape == (3,)
    again = random_codes(g, 5000, 3)
    assert all(np.array_equal(codes[k], again[k]) for k in codes)


def test_reals_and_codes_give_the_same(hwsim, graph_file, tmp_path):
    path = Path(tmp_path / "codes.npz")
    graph = load(graph_file)
    np.savez(path, x=simulate(graph, samples(4), trace=True)["x"])
    assert hwsim("verify", graph_file, path, "--against", "numba").status == 0
