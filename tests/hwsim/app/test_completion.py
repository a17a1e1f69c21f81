"""Completion, asked as the shells ask."""

from __future__ import annotations

import argparse
import shutil
import subprocess

import pytest

from hwsim.app import COMMANDS, parser
from hwsim.app.completion import SHELLS, arguments, kind_of, mark
from hwsim.app.completion_names import NAMES, names
from hwsim.contracts import CONTRACTS
from hwsim.costs.hardware_file import shipped_hardware

FREE = {  # arguments whose values nobody can know
    "build samples", "build seed", "synth top", "synth set", "synth clock", "synth leave_out", "synth licence",
    "estimate explain", "show witness", "fit-lut scales", "fit-lut output", "completion shell",
    "sweep dask",
}  # fmt: skip
ASK = 'COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _shtab_hwsim; printf "%s\\n" "${{COMPREPLY[@]}}"'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    (folder / "a.qg").write_text("")
    (folder / "out").mkdir()
    return folder


@pytest.fixture
def script(hwsim, tmp_path):
    def made(shell):
        status, out, err = hwsim("completion", shell)
        assert (status, err) == (0, "")
        (tmp_path / shell).write_text(out)
        return tmp_path / shell

    return made


def offered(script, place, words):
    asked = ASK.format(" ".join(words) + (' ""' if words[-1].endswith(" ") else ""))
    done = subprocess.run(["bash", "-c", f"source {script}; {asked}"], cwd=place, capture_output=True, text=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash(script, place):
    bash = script("bash")

    def ask(line):
        return offered(bash, place, line.split(" ") if not line.endswith(" ") else [*line.split(), " "])

    assert set(COMMANDS) <= ask("hwsim ")
    assert ask("hwsim ver") == {"verify"}
    assert ask("hwsim emit ") == {"c", "cmsis-nn", "onnx", "qdq"}
    assert ask("hwsim emit c a.qg --target cortex-m") == {f"cortex-m{n}" for n in (0, 3, 4, 7, 55)}
    assert ask("hwsim build --contract ") == {c.name for c in CONTRACTS}
    assert ask("hwsim build m") == {"mlp"}
    assert ask("hwsim show a") == {"a.qg"}
    assert ask("hwsim build mlp -o ") == {"out"}
    assert set(shipped_hardware()) <= ask("hwsim estimate a.qg --hw ")
    assert ask("hwsim show a.qg --wit") == {"--witness"}
    assert ask("hwsim -q completion ") == set(SHELLS)


@pytest.mark.parametrize(("shell", "option"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_every_script_is_of_its_shell(script, shell, option):
    path = script(shell)
    for name in ("cortex-m55", "tflm_double", "edge-int8", "vit-tiny", "--witness" if shell != "fish" else "witness"):
        assert name in path.read_text()
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed; Debian: apt-get install {shell}")
    subprocess.run([shell, option, path], check=True)


def test_fish(script, place):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed; Debian: apt-get install fish")
    ask = f"source {script('fish')}; complete -C 'hwsim emit c a.qg --target cortex-m5'"
    done = subprocess.run(["fish", "-c", ask], cwd=place, capture_output=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["cortex-m55"]


def test_the_script_is_the_same_every_time(script):
    assert script("bash").read_bytes() == script("bash").read_bytes()


def test_every_argument_is_completed_or_known_to_be_free():
    known, free = set(), set()
    for command, action in arguments(parser()):
        mark(command, action)
        key = f"{command} {action.dest}"
        known |= {key, action.dest}
        if not (action.choices or hasattr(action, "complete") or action.type in (int, float)):
            free.add(key)
    assert {f for f in free if f not in FREE and not f.endswith(" jobs")} == set()
    assert set(NAMES) <= known, "a name of no argument"
    for key in NAMES:
        command, _, argument = key.rpartition(" ")
        assert names(command, argument) or key == "explain input", key


def test_kinds():
    def kind(**described):
        return kind_of(argparse.ArgumentParser().add_argument("x", **described))

    assert kind(metavar="MODEL") == kind(metavar="FILE.json") == kind(metavar="data.npz") == "file"
    assert kind(metavar="DIR") == "directory"
    assert kind(metavar="N") == kind() == ""


def test_without_shtab_it_says_what_to_install(refused, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "shtab", None)
    assert "pip install shtab" in refused("completion", "bash")
