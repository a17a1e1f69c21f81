from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from tests.codegen.onnx_integer.qdq import Qdq
from tests.oracles.layers import tying_layer
from tests.oracles.tflite import fully_connected

pytest.importorskip("tflite")


@pytest.fixture
def layer(tmp_path):
    """The file of a layer, and its samples."""
    path = tmp_path / "layer.tflite"
    path.write_bytes(fully_connected(tying_layer(), 1))
    x = np.random.default_rng(1).integers(-128, 128, (500, 4)).astype(np.int8)
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


def test_a_quantized_onnx_model_in_onnx_runtime(hwsim, tmp_path):
    net = Qdq(6)
    weight = net.codes(np.random.default_rng(0).integers(-60, 60, (6, 5)).astype(np.int8), 0.02, np.int8(0))
    model = net.done(net.node("MatMul", net.x, weight), 0.3)
    onnx.save(model, tmp_path / "m.onnx")
    status, out, _ = hwsim("explain", tmp_path / "m.onnx", "--against", "ort", "--samples", 200)
    assert (status, "equal: 1 values, 1000 codes" in out) == (0, True), out
    float_model = Qdq(6)
    onnx.save(float_model.model(float_model.node("Relu", "x")), tmp_path / "f.onnx")
    status, _, err = hwsim("explain", tmp_path / "f.onnx", "--against", "ort")
    assert (status, "--calibrate" in err or "float" in err) == (2, True)
