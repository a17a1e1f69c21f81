"""The help of every command: its examples are command lines that work."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import onnx
import pytest

from hwsim import save
from hwsim.app import COMMANDS, main, parsed, parser
from tests.codegen.onnx_integer.qdq import Qdq
from tests.oracles.layers import tying_layer
from tests.oracles.tflite import fully_connected

from ..reports.networks import lowered, samples, small_front

HEAVY = (
    "torch",
    "numba",
    "llvmlite",
    "onnx",
    "onnxruntime",
    "codegen",
    "algos",
    "matplotlib",
    "jinja2",
    "tqdm",
    "deap",
    "shtab",
    "scipy",
)
LONG = re.compile(  # examples that take long, or need what a test has not: they are parsed and not run
    r"hwsim (build (-o|resnet8|--contract|mymodel)|bench|compare m|synth|sweep|train"
    r"|emit qdq|fit-lut .*(--seeds|paper)|verify build/model.qg$|verify .*(1000|cortex)|memory .*(all|tflm))"
)


def commands(p: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and what is below it: (), ("emit",), ("emit", "c") ..."""
    yield words
    for action in p._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, made in action.choices.items():
                yield from commands(made, (*words, name))


def help_of(words: tuple[str, ...]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*words, "--help"]) == 0
    return out.getvalue()


def examples(text: str) -> list[str]:
    """The command lines under ``examples:``, without the words beside them, pipes and redirections."""
    lines = re.findall(r"^  (hwsim .*)$", re.sub(r"\\\n +", "", text), re.M)
    return [re.split(r"\s{2,}| [|>] ", line)[0] for line in lines]


EVERY = list(commands(parser()))
EXAMPLES = sorted({line for words in EVERY for line in examples(help_of(words))})


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_help_has_examples_of_the_command(words):
    text = help_of(words)
    lines = [line for line in examples(text) if line.startswith(" ".join(["hwsim", *words]))]
    assert lines or words == ("emit", "cmsis-nn"), text
    assert max(map(len, text.splitlines())) <= 132, "a terminal shows it"
    for flag in ("--help", "--verbose", "--quiet"):
        assert flag in text


def test_json_is_an_option_of_every_command_that_prints_a_result():
    without = [words for words in EVERY if "--json [FILE.json]" not in help_of(words)]
    assert without == [(), ("emit",), ("completion",)]


def test_every_argument_says_what_it_is():
    def without(p: argparse.ArgumentParser) -> Iterator[str]:
        for action in p._actions:
            if isinstance(action, argparse._SubParsersAction):
                for made in action.choices.values():
                    yield from without(made)
            elif not action.help:
                yield f"{p.prog} {action.dest}"

    assert list(without(parser())) == []


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_parse(line):
    words = shlex.split(line)[1:]
    if "--help" not in words:
        assert callable(parsed(words).run)


def test_there_are_many_examples_and_most_are_run():
    assert len(EXAMPLES) > 70
    assert sum(not LONG.match(line) for line in EXAMPLES) > 40


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder that holds what the examples name."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "build").mkdir()
    graph = lowered(small_front("small", "head"))
    for name in ("build/model.qg", "model.qg", "other.qg"):
        save(graph, folder / name)
    np.savez(folder / "inputs.npz", **samples(20))
    np.savez(folder / "tensors.npz", w=np.random.default_rng(0).normal(size=(32, 64)))
    (folder / "kws.tflite").write_bytes(fully_connected(tying_layer(), 1))
    np.save(folder / "x.npy", np.arange(8, dtype=np.int8).reshape(2, 4))
    net = Qdq(4)
    weight = net.codes(np.arange(12, dtype=np.int8).reshape(4, 3), 0.25, np.int8(0))
    onnx.save(net.done(net.node("MatMul", net.x, weight), 2.0), folder / "quantized.onnx")
    (folder / "mymodule.py").write_text("import numpy as np\n\ndef swoosh(x):\n    return np.logaddexp(0, x - 1)\n")
    return folder


@pytest.mark.parametrize("line", [line for line in EXAMPLES if not LONG.match(line)])
def test_examples_work(line, workshop, monkeypatch, capsys):
    monkeypatch.chdir(workshop)
    status = main(shlex.split(line)[1:])
    out, err = capsys.readouterr()
    differs = "--against tflm" in line  # what that example is there to show
    assert status == int(differs), err
    assert out
    assert "Traceback" not in err


@pytest.mark.parametrize("words", ["--help", "--version"])
def test_help_imports_no_heavy_module(words):
    code = f"import sys\nfrom hwsim.app import main\nmain(['{words}'])\nprint(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"'([\w.]+)'", done.stderr))
    assert "hwsim.app" in loaded
    assert loaded & set(HEAVY) == set()
    assert {f"hwsim.app.{c.replace('-', '_')}" for c in COMMANDS} & loaded == set(), "a command loads when it is called"
