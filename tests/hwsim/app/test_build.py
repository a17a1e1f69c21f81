import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from hwsim import load, save, simulate
from hwsim.app import build, main

from ..reports.networks import HOSTILE, lowered, samples, small_front
from .test_verify import wrong_by_one

QUICK = ("--against", "numba", "--quiet")


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_graph_is_built_on_random_codes(hwsim, graph_file, tmp_path):
    status, out, err = hwsim("build", graph_file, "-o", tmp_path / "b", *QUICK)
    assert (status, err) == (0, "")
    assert "Every code equal on 1 engine: numba" in out
    files = contents(tmp_path / "b")
    assert {"model.qg", "model.onnx", "report.json", "report.html"} < set(files)
    assert any(name.endswith(".c") for name in files)
    assert files["model.qg"] == graph_file.read_bytes()
    report = json.loads(files["report.json"])
    assert report["data"] == {"description": "random codes, seed 0", "samples": 64}
    assert report["model"]["source"] == "small.qg"


def test_the_same_build_gives_the_same_bytes_in_any_folder(hwsim, graph_file, inputs_file, tmp_path):
    for folder in (tmp_path / "b", tmp_path / "deep" / "er" / "other"):
        assert hwsim("build", graph_file, "-o", folder, "--calibrate", inputs_file, *QUICK).status == 0
    first, second = contents(tmp_path / "b"), contents(tmp_path / "deep" / "er" / "other")
    assert first == second
    assert str(tmp_path).encode() not in b"".join(first.values())


def test_a_second_build_replaces_the_first_and_leaves_no_traces(hwsim, graph_file, tmp_path):
    for _ in range(2):
        assert hwsim("build", graph_file, "-o", tmp_path / "b", *QUICK).status == 0
    assert not [name for name in contents(tmp_path / "b") if name.startswith(".")]


def test_labels_and_samples(hwsim, graph_file, inputs_file, tmp_path):
    np.save(tmp_path / "y.npy", simulate(load(graph_file), samples(20))["scores"].argmax(1))
    words = ("--calibrate", inputs_file, "--labels", tmp_path / "y.npy", "--samples", 15)
    out = hwsim("build", graph_file, "-o", tmp_path / "b", *words, *QUICK).out
    assert "accuracy    100.00 % INT8 (15 of 15)" in out


def test_accumulators(hwsim, refused, tmp_path):
    words = ("build", "mlp", "-o", tmp_path / "b", "--samples", 8, "--accumulator", "int16", "--overflow")
    assert hwsim(*words, "saturate", "--weights", "int4", "--quiet").status == 0
    sums = [n.op for n in load(tmp_path / "b" / "model.qg").nodes if n.op.name == "matmul"]
    assert [(op.acc.name, op.datapath.overflow) for op in sums] == [("int16", "saturate")] * 3
    assert "saturate" in hwsim("show", tmp_path / "b" / "model.qg").out
    assert "saturate" in (tmp_path / "b" / "report.html").read_text()
    line = refused(*words, "saturate", *QUICK)
    assert "'fc1'" in line
    assert "takes 17 bits" in line
    (tmp_path / "r.toml").write_text("[datapath]\noverflow = 'saturate'\ndrop = 2\n")
    assert "without an accumulator" in refused(*words[:-3], "--recipe", tmp_path / "r.toml", *QUICK)
    (tmp_path / "r.toml").write_text("accumulator = 'int20'\n[datapath]\noverflow = 'saturate'\ndrop = 2\n")
    assert hwsim(*words, "wrap", "--recipe", tmp_path / "r.toml", *QUICK).status == 0
    recipe = json.loads((tmp_path / "b" / "report.json").read_text())["recipe"]
    assert (recipe["accumulator"], recipe["datapath"]["overflow"], recipe["datapath"]["drop"]) == ("int16", "wrap", 2)
    assert "without an accumulator" in refused("build", "mlp", "-o", tmp_path / "b", "--overflow", "wrap", *QUICK)
    assert "'stop'" in refused(*words, "stop", *QUICK)


def test_fitted_tables(hwsim, refused, tmp_path):
    words = ("build", "mlp", "-o", tmp_path / "b", "--samples", 8)
    assert hwsim(*words, "--tables", 8, *QUICK).status == 0
    recipe = json.loads((tmp_path / "b" / "report.json").read_text())["recipe"]
    assert {len(t["gelu"]["4"]["slopes"]) for k, t in recipe["tables"].items() if k == "gelu"} == {8}
    assert "8 segments: gelu, gelu_tanh, hswish" in (tmp_path / "b" / "report.html").read_text()
    assert hwsim(*words, "--tables", 4, "--activations", "int16", *QUICK).status == 0
    assert "fp8_e4m3" in refused(*words, "--tables", 8, "--activations", "fp8_e4m3", *QUICK)
    assert "entries 1 is outside 2..64" in refused(*words, "--tables", 1, *QUICK)


def test_a_mismatch_is_status_1_and_the_report_explains_it(hwsim, graph_file, tmp_path, monkeypatch):
    from codegen.runners import RUNNERS

    monkeypatch.setitem(RUNNERS, "numba", wrong_by_one)
    status, out, _ = hwsim("build", graph_file, "-o", tmp_path / "b", *QUICK)
    assert status == 1
    assert "MISMATCH" in out
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    assert report["ok"] is False
    assert {row["first"]["value"] for row in report["verify"]} == {"scores", "relu1"}
    assert "codes differ on numba" in (tmp_path / "b" / "report.html").read_text()


def test_progress_goes_to_stderr(hwsim, graph_file, tmp_path):
    err = hwsim("build", graph_file, "-o", tmp_path / "b", "--against", "numba").err
    assert "emit ONNX" in err
    assert "numba trace" in err
    assert "7/7" in err


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (("absent.onnx",), "absent.onnx"),
        (("absent.TFLITE",), "absent.TFLITE"),
        (("m.pt2",), "not supported yet"),
        (("lenet",), "lenet"),
        (("a.b:c",), "--calibrate"),
        (("absent.qg",), "absent.qg"),
        (("--recipe", "absent.toml"), "absent.toml"),
        (("--weights", "int9"), "int9"),
        (("--contract", "magic"), "magic"),
        (("--calibrate", "absent.npz"), "absent.npz"),
        (("--samples", "0"), "samples 0"),
        (("--against", "gpu"), "gpu"),
        (("--labels", "absent.npy"), "absent.npy"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(refused, tmp_path, monkeypatch, words, culprit):
    monkeypatch.chdir(tmp_path)
    against = () if "--against" in words else ("--against", "numba")
    assert culprit in refused("build", *words, "-o", "b", "--quiet", *against)
    assert list(tmp_path.iterdir()) == []


def test_settings_do_not_apply_to_a_quantized_graph(refused, graph_file, tmp_path):
    line = refused("build", graph_file, "-o", tmp_path / "b", "--weights", "int4", *QUICK)
    assert "--weights" in line
    assert "quantized already" in line


def test_bad_places_are_found_before_the_work(refused, graph_file, blocked, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "results", None)  # the work would raise TypeError
    assert str(blocked.parent) in refused("build", graph_file, "-o", blocked, *QUICK)
    assert "is a file" in refused("build", graph_file, "-o", blocked.parent, *QUICK)
    (tmp_path / "b" / "model.onnx").mkdir(parents=True)
    assert "model.onnx: is a folder" in refused("build", graph_file, "-o", tmp_path / "b", *QUICK)


def test_a_failure_on_the_way_leaves_the_old_files(refused, graph_file, tmp_path, monkeypatch):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "model.qg").write_text("old")

    def fail(*args, **kwargs):
        raise ValueError("engine broke")

    monkeypatch.setattr("codegen.verify", fail)
    assert "engine broke" in refused("build", graph_file, "-o", tmp_path / "b", *QUICK)
    assert contents(tmp_path / "b") == {"model.qg": b"old"}


def test_a_full_disk_leaves_the_old_files(refused, graph_file, tmp_path, monkeypatch):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "model.qg").write_text("old")
    write = Path.write_bytes

    def full(path, data):
        if path.name == "report.html":
            raise OSError(28, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert "No space left" in refused("build", graph_file, "-o", tmp_path / "b", *QUICK)
    assert contents(tmp_path / "b") == {"model.qg": b"old"}


def test_hostile_names(hwsim, tmp_path):
    save(lowered(small_front(HOSTILE, HOSTILE)), tmp_path / "h.qg")
    status, out, err = hwsim("build", tmp_path / "h.qg", "-o", tmp_path / "b", "--quiet")
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    page = (tmp_path / "b" / "report.html").read_text()
    HTMLParser().feed(page)
    assert "<script" not in page
    written = {str(p.parent.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert written == {".", "b", "b/examples"}


NET = """
import torch

torch.manual_seed(0)


def net():
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))


def broken():
    return 1 / 0


def number():
    return 3


class Sigmoid(torch.nn.Module):
    def forward(self, input):
        return torch.special.bessel_j0(input)


unsupported = Sigmoid()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A folder with a user's module, made the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "usernet", raising=False)
    Path("usernet.py").write_text(NET)
    np.savez("data.npz", input=np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32))
    return tmp_path


def test_a_torch_model(hwsim, module):
    Path("r.toml").write_text('weights = "int4"\ncontract = "tfl_single"\n')
    words = ("--calibrate", "data.npz", "--recipe", "r.toml", "--activations", "int16", "--samples", 40)
    status, out, err = hwsim("build", "usernet:net", "-o", "b", *words, *QUICK)
    assert (status, err) == (0, "")
    assert "same answer" in out
    report = json.loads(Path("b/report.json").read_text())
    kept = ("weights", "activations", "contract")
    assert [report["recipe"][k] for k in kept] == ["int4", "int16", "tfl_single"]
    assert report["data"]["description"] == "40 samples of data.npz; calibrated on all 50 of them"
    assert report["layers"][-1]["sqnr_db"] > 5


@pytest.mark.parametrize(
    ("model", "data", "culprit"),
    [
        ("usernet:absent", {}, "absent"),
        ("usernet:broken", {}, "ZeroDivisionError: division by zero at usernet.py:12"),
        ("usernet:number", {}, "gives a int"),
        ("absent_module:net", {}, "absent_module"),
        ("usernet:unsupported", {}, "bessel_j0"),
        ("usernet:net", {"input": np.zeros((0, 6), np.float32)}, "calibration set is empty"),
        ("usernet:net", {"input": np.zeros((4, 6), np.uint8)}, "only an embedding takes integers"),
        ("usernet:net", {"input": np.full((4, 6), np.nan, np.float32)}, "NaN"),
        ("usernet:net", {"input": np.full((4, 6), 1e300)}, "NaN or Inf"),
        ("usernet:net", {"input": np.zeros((4, 7), np.float32)}, "7"),
        ("usernet:net", {"image": np.zeros((4, 6), np.float32)}, "image"),
    ],
)
def test_bad_torch_models_and_data(refused, module, model, data, culprit):
    if data:
        np.savez("data.npz", **data)
    assert culprit in refused("build", model, "--calibrate", "data.npz", "-o", "b", *QUICK)
    assert not Path("b").exists()


def test_labels_must_fit(refused, module):
    for labels, culprit in (
        (np.zeros(49, int), "49 labels"),
        (np.zeros(50), "float64"),
        (np.zeros((50, 1), int), "50, 1"),
    ):
        np.save("y.npy", labels)
        words = ("--calibrate", "data.npz", "--labels", "y.npy")
        assert culprit in refused("build", "usernet:net", *words, "-o", "b", *QUICK)


def test_the_shipped_example_through_the_console_script(tmp_path):
    script = Path(sys.executable).with_name("hwsim")
    done = subprocess.run([script, "build"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "build" / "report.json").read_text())
    assert report["ok"]
    assert {row["engine"] for row in report["verify"]} == {"numba", "c", "ort", "onnx_reference"}
    a = report["accuracy"]
    assert a["samples"] == 512
    assert a["float_correct"] > 0.87 * 512
    assert a["integer_correct"] > a["float_correct"] - 6
    assert a["same_answers"] > 500
    assert "% float" in done.stdout


def test_the_shipped_example_with_other_settings(hwsim, tmp_path):
    words = ("--weights", "int4", "--contract", "onnx_float", "--samples", 64)
    assert hwsim("build", "mlp", "-o", tmp_path / "b", *words, *QUICK).status == 0
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    assert report["data"]["samples"] == 64
    assert {layer["contract"] for layer in report["layers"]} == {"", "onnx_float"}


@pytest.mark.parametrize(("name", "samples", "rows"), [("vit-tiny", 6, 27), ("resnet8", 6, 11), ("ds-cnn", 40, 7)])
def test_shipped_networks_are_equal_on_every_engine(name, samples, rows, tmp_path, capsys):
    arguments = ["build", name, "-o", str(tmp_path / "b"), "--samples", str(samples), "--ablate", "--quiet"]
    assert main(arguments) == 0
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    assert {r["engine"] for r in report["verify"]} == {"numba", "c", "ort", "onnx_reference"}
    assert len(report["ablation"]) == rows
    assert "widened layer" in capsys.readouterr().out


def test_an_empty_model_is_refused(capsys):
    assert main(["build", "", "-o", "b"]) == 2
    assert "'' behind 'build' is empty" in capsys.readouterr().err


def test_a_rounding_that_cannot_apply_is_refused(tmp_path, capsys):
    arguments = ["build", "--contract", "tflm_double", "--rounding", "floor", "-o", str(tmp_path / "b"), "--quiet"]
    assert main(arguments) == 2
    assert "tflm_double fixes its own rounding" in capsys.readouterr().err


def test_labels_and_overrides_that_fit_nothing_are_refused(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 28, 28), np.float32))
    np.save(tmp_path / "y.npy", np.array([1, 99, 2]))
    (tmp_path / "r.toml").write_text('[overrides.nothere]\nweights = "int4"\n')
    common = ["build", "mlp", "--calibrate", str(tmp_path / "x.npz"), "-o", str(tmp_path / "b"), "--quiet"]
    assert main([*common, "--labels", str(tmp_path / "y.npy")]) == 2
    assert "labels 1..99 are outside the model's classes 0..9" in capsys.readouterr().err
    assert main([*common, "--recipe", str(tmp_path / "r.toml")]) == 2
    assert "overrides ['nothere'] match no layer" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_language_model_is_built_from_integers(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch", reason="left out: torch models on the command line (hwsim[algos])")
    (tmp_path / "reader.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def make():\n    return nn.Sequential(nn.Embedding(30, 8), nn.LayerNorm(8), nn.Flatten(), nn.Linear(40, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    np.savez("ids.npz", input=np.random.default_rng(0).integers(0, 30, (12, 5)))
    assert main(["build", "reader:make", "--calibrate", "ids.npz", "-o", "b", "--against", "numba,c", "--quiet"]) == 0
    assert "same answer" in capsys.readouterr().out
