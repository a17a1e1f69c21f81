"""Quantized models of other tools, wherever a command takes a graph."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from hwsim.store import load
from tests.codegen.onnx_float.outside import model
from tests.codegen.onnx_integer.qdq import Qdq
from tests.oracles.layers import tying_layer
from tests.oracles.tflite import fully_connected

pytest.importorskip("tflite")


@pytest.fixture
def outside(tmp_path):
    """A .tflite and an .onnx of one quantized layer."""
    rng = np.random.default_rng(0)
    (tmp_path / "layer.tflite").write_bytes(fully_connected(tying_layer(), 1))
    net = Qdq(4)
    weight = net.codes(rng.integers(-9, 9, (4, 3)).astype(np.int8), 0.25, np.int8(0))
    onnx.save(net.done(net.node("MatMul", net.x, weight), 2.0), tmp_path / "layer.onnx")
    return tmp_path


@pytest.mark.parametrize("name", ["layer.tflite", "layer.onnx"])
def test_every_command_reads_them(hwsim, outside, name):
    path, x = outside / name, outside / "x.npz"
    status, out, err = hwsim("build", path, "-o", outside / "b", "--against", "numba,c", "--quiet")
    assert (status, err) == (0, "")
    assert "Every code equal on 2 engines: numba, c" in out
    graph = load(outside / "b" / "model.qg")
    (source,) = (v.name for v in graph.inputs)
    np.savez(x, **{source: np.random.default_rng(1).integers(0, 100, (5, 4)).astype(graph.inputs[0].type.fmt.dtype)})
    shown = json.loads(hwsim("show", path, "--json").out)
    assert shown["layers"] == json.loads(hwsim("show", outside / "b" / "model.qg", "--json").out)["layers"]
    for source_of in (path, outside / "b" / "model.qg"):
        assert hwsim("simulate", source_of, x, "-o", outside / f"{source_of.suffix[1:]}.npz").status == 0
    ours, again = (np.load(outside / f"{end}.npz") for end in (path.suffix[1:], "qg"))
    assert ours.files == again.files
    assert all(np.array_equal(ours[k], again[k]) for k in ours.files)
    assert hwsim("verify", path, x, "--against", "numba", "--quiet").status == 0
    assert hwsim("emit", "c", path, "-o", outside / "c").status == 0
    assert hwsim("emit", "onnx", path, "-o", outside / "m.onnx").status == 0
    assert (outside / "m.onnx").read_bytes() == (outside / "b" / "model.onnx").read_bytes()


def test_a_build_is_checked_on_the_users_samples(hwsim, outside):
    (name,) = (i.name for i in onnx.load(outside / "layer.onnx").graph.input)
    np.savez(outside / "x.npz", **{name: np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)})
    words = ("build", outside / "layer.onnx", "-o", outside / "b", "--against", "numba", "--quiet")
    assert hwsim(*words, "--calibrate", outside / "x.npz").status == 0
    assert "samples of x.npz" in (outside / "b" / "report.json").read_text()


def test_the_contract_of_a_tflite_is_the_users(hwsim, outside):
    path = outside / "layer.tflite"
    for contract in ("tfl_single", "tflm_double"):
        assert contract in hwsim("show", path, "--json", "--contract", contract).out
        assert hwsim("build", path, "--contract", contract, "-o", outside / contract, "--against", "numba").status == 0
        assert contract in hwsim("show", outside / contract / "model.qg", "--json").out
    assert "tfl_single" in hwsim("show", path, "--json").out


def test_refused(refused, outside, graph_file):
    assert "says its own" in refused("show", graph_file, "--contract", "tfl_single")
    assert "says its own" in refused("verify", outside / "layer.onnx", "--contract", "tfl_single")
    assert "'pow2'" in refused("simulate", outside / "layer.tflite", "x.npz", "-o", "y.npz", "--contract", "pow2")
    for name in ("layer.tflite", "layer.onnx"):
        words = ("build", outside / name, "-o", outside / "b", "--quiet")
        assert "--weights cannot apply" in refused(*words, "--weights", "int4")
        assert "--ablate needs a float model" in refused(*words, "--ablate")
        assert "integers alone" in refused("emit", "qdq", outside / name, "-o", outside / "q.onnx")
    assert "--contract cannot apply" in refused(
        "build", outside / "layer.onnx", "--contract", "tfl_single", "--quiet", "-o", outside / "b"
    )
    onnx.save(model("y = Relu(x)", {"x": (3, 16)}), outside / "float.onnx")
    assert "is a float model" in refused("show", outside / "float.onnx")
    (outside / "bad.tflite").write_bytes(b"no")
    assert "are no .tflite" in refused("build", outside / "bad.tflite", "--quiet", "-o", outside / "b")
