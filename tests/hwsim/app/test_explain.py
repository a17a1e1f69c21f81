from __future__ import annotations

import json

import numpy as np
import pytest

from tests.oracles.layers import Layer
from tests.oracles.tflite import fully_connected

pytest.importorskip("tflite")


@pytest.fixture
def layer(tmp_path):
    """One layer of ratio 1/16 with few inputs, so that ties and near ties are common, and its samples."""
    rng = np.random.default_rng(0)
    made = Layer(
        x_scale=np.float32(0.5), x_zero=0, weight_scale=np.array([0.25], np.float32), y_scale=np.float32(2), y_zero=3,
        weight=rng.integers(-3, 4, (4, 3)), bias=np.array([1, -7, 40]),
    )  # fmt: skip
    path = tmp_path / "layer.tflite"
    path.write_bytes(fully_connected(made, 1))
    x = rng.integers(-128, 128, (500, 4)).astype(np.int8)
    np.save(tmp_path / "x.npy", x)
    return path


def test_equal_under_its_own_contract(hwsim, layer):
    for engine, contract in (("litert", "tfl_single"), ("tflm", "tflm_double"), ("c", "tflm_double")):
        status, out, _ = hwsim(
            "explain", layer, "--against", engine, "--contract", contract, "--input", layer.with_name("x.npy")
        )
        assert (status, "equal: 1 values, 1500 codes" in out or engine == "c") == (0, True), out


def test_the_contract_under_which_they_agree_is_named(hwsim, layer):
    status, out, _ = hwsim("explain", layer, "--against", "tflm", "--input", layer.with_name("x.npy"))
    assert status == 1
    (agree,) = (line for line in out.splitlines() if "equal to tflm on every code" in line)
    assert "tflm_double" in agree
    assert "tfl_single" not in agree
    assert "first difference: value 'y' of requant (tfl_single, half_away)" in out


def test_json(hwsim, layer):
    status, out, _ = hwsim("explain", layer, "--against", "tflm", "--samples", 300, "--json")
    found = json.loads(out)
    assert (status, found["ok"]) == (1, False)
    assert found["rows"][0]["codes"] == 900
    assert found["first"]["ours"] != found["first"]["theirs"]


def test_a_graph_on_our_own_engines(hwsim, graph_file):
    assert hwsim("explain", graph_file, "--against", "numba")[0] == 0


def test_refused(refused, layer, graph_file, tmp_path):
    assert "tflm runs .tflite" in refused("explain", graph_file, "--against", "tflm")
    assert "'fpga' is unknown" in refused("explain", layer, "--against", "fpga")
    assert "'pow2'" in refused("explain", layer, "--against", "tflm", "--contract", "pow2")
    assert "own" in refused("explain", graph_file, "--against", "c", "--contract", "tfl_single")
    np.save(tmp_path / "bad.npy", np.zeros((3, 5), np.int8))
    assert "(3, 5)" in refused("explain", layer, "--against", "tflm", "--input", tmp_path / "bad.npy")
    (tmp_path / "no.npy").write_bytes(b"no")
    assert "no.npy" in refused("explain", layer, "--against", "tflm", "--input", tmp_path / "no.npy")
    assert "x.bin" in refused("explain", "x.bin", "--against", "c")
