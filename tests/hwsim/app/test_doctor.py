import json
import subprocess
from pathlib import Path

import numpy as np

from hwsim.app import doctor_pieces
from hwsim.app.doctor_pieces import PIECES
from tests.test_rooms import LAZY, MAY_IMPORT


def test_versions_and_what_they_enable(hwsim):
    status, out, err = hwsim("doctor")
    assert (status, err) == (0, "")
    assert np.__version__ in out
    for word in ("emit onnx", "gcc", "qemu-system-riscv32", "unicorn", "iverilog", "osu018", "completion"):
        assert word in out


def test_json_has_what_the_tables_have(hwsim):
    found = json.loads(hwsim("doctor", "--json").out)["pieces"]
    assert [p["name"] for p in found] == [p.name for pieces in PIECES.values() for p in pieces]
    numpy = next(p for p in found if p["name"] == "numpy")
    assert (numpy["version"], numpy["install"]) == (np.__version__, "pip install numpy")


def test_missing_pieces_say_how_to_get_them(hwsim, monkeypatch):
    monkeypatch.setattr(doctor_pieces, "found", lambda package: "")
    monkeypatch.setattr("shutil.which", lambda name: None)
    out = hwsim("doctor").out
    assert "missing: pip install 'hwsim[algos]'" in out
    assert "missing: pip install 'hwsim[codegen]'" in out
    assert "missing: apt-get install gcc-arm-none-eabi" in out
    assert "missing: pip install unicorn" in out
    assert "missing: apt-get install yosys" in out
    pieces = json.loads(hwsim("doctor", "--json").out)["pieces"]
    assert {p["version"] for p in pieces if p["name"] != "osu018"} == {None}


def test_every_package_that_is_imported_somewhere_is_looked_for():
    rooms = set().union(*MAY_IMPORT.values(), *LAZY.values()) - {"hwsim", "codegen", "algos"}
    evidence = {"tokenizers", "gguf"}  # of models that `make evidence` alone measures
    spelled = {"flatbuffers": "tflite"}  # comes with it
    names = {p.name.replace("-", "_") for pieces in PIECES.values() for p in pieces}
    assert {spelled.get(name, name) for name in rooms - evidence} <= names


def test_a_tool_that_hangs_or_is_silent_is_no_error(monkeypatch, tmp_path):
    def hang(*args, **kwargs):
        raise subprocess.TimeoutExpired("gcc", 20)

    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\n")
    silent.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(silent))
    assert doctor_pieces.told("gcc") == "says nothing of its version"
    monkeypatch.setattr("subprocess.run", hang)
    assert "does not run" in doctor_pieces.told("gcc")


def test_debian_packages_are_those_of_the_makefile():
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    debian = [p.install.split()[-1] for pieces in PIECES.values() for p in pieces if p.install.startswith("apt-get")]
    assert [name for name in debian if name not in makefile] == ["clang"]
