"""Every command, every file that it takes, everything that can be wrong with a file: status 2, one line, no trace."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from hwsim import save
from hwsim.app import main

from ..reports.networks import lowered, samples, small_front

GRAPHS = (
    "missing.qg",
    "folder.qg",
    "empty.qg",
    "garbage.qg",
    "text.tflite",
    "garbage.tflite",
    "empty.onnx",
    "text.txt",
)
ARRAYS = ("missing.npz", "folder.npz", "empty.npz", "garbage.npz", "text.txt", "objects.npz", "strings.npz", "model.qg")
SAMPLES = (*ARRAYS, "nan.npz", "inf.npz", "shape.npz", "other.npz", "none.npz", "complex.npz")
LABELS = ("missing.npy", "folder.npy", "empty.npy", "garbage.npy", "inputs.npz", "reals.npy", "short.npy")
TOML = ("missing.toml", "folder.toml", "garbage.toml", "text.toml", "inputs.npz")
JSON = ("missing.json", "folder.json", "garbage.json", "text.json")
LINES = {
    "show @": GRAPHS,
    "verify @ -q": GRAPHS,
    "memory @ --no-code": GRAPHS,
    "memory @ --against tflm": GRAPHS,
    "emit c @ -o out": GRAPHS,
    "emit cmsis-nn @ -o out": GRAPHS,
    "emit onnx @ -o out.onnx": GRAPHS,
    "emit qdq @ -o out.onnx": GRAPHS,
    "build @ -o out -q": GRAPHS,
    "explain @ --against c": GRAPHS,
    "params --model @": GRAPHS,
    "compare @ -q": GRAPHS,
    "estimate @": GRAPHS,
    "simulate @ inputs.npz -o out.npz": GRAPHS,
    "simulate model.qg @ -o out.npz": SAMPLES,
    "verify model.qg @ -q": SAMPLES,
    "estimate model.qg @": SAMPLES,
    "explain model.qg --against c --input @": SAMPLES + LABELS[:4],
    "build model.qg -q -o out --calibrate @": SAMPLES,
    "build mlp -q -o out --calibrate @": SAMPLES,
    "build mlp -q -o out --samples 9 --labels @": LABELS,
    "build mlp -q -o out --recipe @": TOML,
    "compare @": (*ARRAYS, "nan.npz", "inf.npz", "none.npz", "complex.npz"),
    "compare mlp -q --calibrate @": SAMPLES,
    "estimate model.qg --hw @": TOML,
    "estimate model.qg --technology @": JSON,
    "synth @ --top mac --vectors inputs.npz": ("missing.v", "folder.v", "garbage.v"),
    "synth mac.v --top mac --vectors @": ARRAYS[:5],
    "bench edge -q --only @": GRAPHS,
    "bench host -q --only @": GRAPHS,
}
CASES = [(line, bad) for line, files in LINES.items() for bad in files]


@pytest.fixture(scope="module")
def mess(tmp_path_factory):
    """A folder of files with something wrong, and of some with nothing wrong."""
    folder = tmp_path_factory.mktemp("mess")
    save(lowered(small_front()), folder / "model.qg")
    for end in ("qg", "tflite", "onnx", "npz", "npy", "toml", "json", "v", "txt"):
        (folder / f"folder.{end}").mkdir()
        (folder / f"empty.{end}").write_bytes(b"")
        (folder / f"garbage.{end}").write_bytes(bytes(range(256)) * 3)
        (folder / f"text.{end}").write_text("hello = there\n")
    x = samples(5)["x"]
    arrays = {
        "inputs": x, "nan": x * np.nan, "inf": x / 0.0, "shape": x[:, :1], "none": x[:0], "complex": x * 1j,
        "strings": np.array(["a", "b"]), "objects": np.array([{}], dtype=object),
    }  # fmt: skip
    for name, a in arrays.items():
        np.savez(folder / name, x=a)
    np.savez(folder / "other.npz", y=x)
    np.save(folder / "reals.npy", np.zeros(9))
    np.save(folder / "short.npy", np.zeros(3, np.int64))
    (folder / "mac.v").write_text("module mac(input clk); endmodule\n")
    return folder


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(("line", "bad"), CASES, ids=lambda word: word)
def test_what_is_wrong_with_a_file_is_one_line(line, bad, mess, refused, monkeypatch):
    monkeypatch.chdir(mess)
    before = sorted(mess.rglob("*"))
    told = refused(*(bad if word == "@" else word for word in shlex.split(line)))
    assert bad in told
    assert "internal error" not in told
    assert len(told) < 500
    assert sorted(mess.rglob("*")) == before, "nothing is written"


@pytest.mark.parametrize(
    "line",
    [
        "simulate model.qg inputs.npz -o @",
        "emit onnx model.qg -o @",
        "emit c model.qg -o @",
        "emit cmsis-nn model.qg -o @",
        "emit qdq mlp -o @",
        "build model.qg -q -o @",
        "train mlp -o @",
        "memory model.qg --no-code --svg @",
        "estimate model.qg --html @",
        "fit-lut gelu -q --plot @",
        "compare inputs.npz --plot @",
        "show model.qg --json @.json",
        "bench lut -q --json @.json",
        "doctor --json @.json",
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(line, mess, refused, monkeypatch, tmp_path):
    monkeypatch.chdir(mess)
    (tmp_path / "file").write_text("in the way")
    blocked = tmp_path / "file" / "out"
    assert str(tmp_path / "file") in refused(*line.replace("@", str(blocked)).split())


@pytest.mark.parametrize(
    ("line", "culprit"),
    [
        ("simulate model.qg inputs.npz -o inputs.npz", "inputs.npz: is what 'inputs' names too"),
        ("emit onnx model.qg -o model.qg", "model.qg: is what 'model' names too"),
        ("fit-lut gelu --plot a.json --json a.json", "a.json: is what"),
        ("estimate model.qg --technology text.json --json text.json", "text.json: is what 'technology' names too"),
        ("simulate model.qg inputs.npz -o /dev/null", "/dev/null: is a device"),
        ("show model.qg --json=model.qg", "ends in .json"),
        ("show model.qg --json=", "'--json=' is empty"),
        ("build mlp --labels ''", "'' behind '--labels' is empty"),
        ("show text.txt", "MODEL takes file.qg, quantized .tflite or .onnx"),
        ("show model.qg --witness x", "matmul or conv2d"),
        ("show model.qg --bogus", "--bogus"),
        ("show --sample", "MODEL"),
        ("verify model.qg --samples 0", "samples 0 must be >= 1"),
        ("verify model.qg --against nothing", "nothing"),
        ("explain model.qg --against nothing", "nothing"),
        ("simulate model.qg inputs.npz -o out.npz --engine gpu", "gpu"),
        ("emit c model.qg -o out --target pdp11", "pdp11"),
        ("memory model.qg --target pdp11", "pdp11"),
        ("params 0", "must be finite and > 0"),
        ("params nan", "must be finite and > 0"),
        ("fit-lut nonsense", "nonsense"),
        ("fit-lut gelu --jobs 0", "--jobs"),
        ("estimate model.qg --explain nothing", "nothing"),
        ("bench nonsense", "nonsense"),
        ("completion tcsh", "tcsh"),
        ("synth", "FILE.v"),
        ("synth --refresh nonsense", "nonsense"),
    ],
)
def test_wrong_words_are_one_line(line, culprit, mess, refused, monkeypatch):
    monkeypatch.chdir(mess)
    before = sorted(mess.rglob("*"))
    assert culprit in refused(*shlex.split(line))
    assert sorted(mess.rglob("*")) == before


def test_every_command_is_tried():
    from hwsim.app import COMMANDS

    tried = {line.split()[0] for line in LINES} | {"fit-lut", "train", "doctor", "completion"}
    assert set(COMMANDS) - {"sweep"} <= tried


def test_an_option_may_not_be_shortened(capsys):
    assert main(["show", "m.qg", "--wit", "x"]) == 2
    assert "--wit" in capsys.readouterr().err
