"""``--json``: one convention for every command."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from hwsim.app.output import STDOUT, check_outputs, json_first, json_place, paths, tell

LINES = {  # command line -> a key of its document
    "show @": "layers",
    "show @ --witness scores.acc": "witness",
    "verify @ --against numba -q": "verify",
    "explain @ --against c --samples 3": "ok",
    "memory @ --no-code": "blocks",
    "estimate @": "schema",
    "params 0.3": "contracts",
    "simulate @ inputs.npz -o out.npz": "values",
    "emit c @ -o c/": "files",
    "emit onnx @ -o m.onnx": "bytes",
    "build @ -o b/ --against numba -q": "report",
    "compare tensors.npz": "w",
    "fit-lut exp --scales 3 --method uniform -q": "",
    "doctor": "pieces",
}


@pytest.fixture
def place(tmp_path, inputs_file, monkeypatch):
    np.savez(tmp_path / "tensors.npz", w=np.arange(-4.0, 4.0))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("line", LINES)
def test_alone_on_stdout_or_in_a_file_beside_the_text(hwsim, graph_file, line):
    words, key = [str(graph_file) if w == "@" else w for w in line.split()], LINES[line]
    plain = hwsim(*words)
    assert (plain.status, plain.err) == (0, "")
    documents = []
    for ask in (["--json"], ["--json", "-"], ["--json=-"]):
        status, out, err = hwsim(*words, *ask)
        assert (status, err) == (0, "")
        documents.append(json.loads(out))
    assert documents[0] == documents[1] == documents[2]
    assert key in documents[0] or not key, list(documents[0])
    beside = hwsim(*words, "--json", "r.json")
    assert beside.out == f"{plain.out}\njson: r.json\n"
    assert json.loads(Path("r.json").read_text()) == documents[0]


@pytest.mark.usefixtures("place")
def test_a_bare_option_takes_nothing_that_stands_behind_it(hwsim, graph_file):
    before = graph_file.read_bytes()
    assert json.loads(hwsim("show", "--json", graph_file).out)["model"]["name"] == "small"
    assert json.loads(hwsim("simulate", "--json", graph_file, "inputs.npz", "-o", "o.npz").out)["file"] == "o.npz"
    assert graph_file.read_bytes() == before


def test_words():
    assert list(json_first(["show", "--json", "m.qg"])) == ["show", "--json=-", "m.qg"]
    assert list(json_first(["show", "m.qg", "--json"])) == ["show", "m.qg", "--json=-"]
    assert list(json_first(["show", "--json", "a.JSON", "m.qg"])) == ["show", "--json", "a.JSON", "m.qg"]
    assert list(json_first(["show", "--json", "-"])) == ["show", "--json", "-"]


@pytest.mark.parametrize("text", ["model.qg", "json", "a.json.npz", "--", "/dev/stdout"])
def test_only_json_files_are_written_over(text):
    with pytest.raises(argparse.ArgumentTypeError, match="ends in"):
        json_place(text)


def test_outputs_over_inputs_or_each_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.npz").write_bytes(b"x")

    def check(**named):
        check_outputs(argparse.Namespace(**{"json": None, **named}))

    check(inputs="in.npz", output=Path("out.npz"), json=Path("out.json"))
    check(inputs="new", output=Path("new"))  # a name that is no file
    check(json=STDOUT, output=None)
    with pytest.raises(ValueError, match=r"--output .*in\.npz: is what 'inputs' names too"):
        check(inputs="in.npz", output=tmp_path / "in.npz")
    with pytest.raises(ValueError, match="is what 'models' names too"):
        check(models=["a", "./in.npz"], output=Path("in.npz"))
    with pytest.raises(ValueError, match=r"is what '(json|plot)' names too"):
        check(plot=Path("a.json"), json=Path("a.json"))


def test_what_may_be_a_path():
    assert list(paths(("a", [Path("b"), 3, None], "", "nul\0"))) == ["a", Path("b")]


def test_no_number_that_json_has_not(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        tell(argparse.Namespace(json=tmp_path / "a.json"), "", {"x": float("nan")})
    assert not list(tmp_path.iterdir())
