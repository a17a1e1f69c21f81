from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen import emit_c, emit_c_folder, emit_onnx
from codegen.program import ports_of, prefix_of
from codegen.views.names import RESERVED, VERILOG, identifiers
from hwsim.contracts import Dyadic16
from hwsim.formats import INT8, INT32
from hwsim.graph import Graph
from hwsim.ops import Add, MatMul, Requant
from hwsim.qtensor import BATCH, QType, quantize
from tests.backends import check_engines

from .folders import run, write

HOSTILE = [
    "int",
    "class",
    'a"b',
    "line\nbreak",
    "*/ #error injected",
    "// comment \\",
    "??/",
    "ünïcödé ★",
    "x" * 10_000,
    "",
    " ",
    "9lives",
    "_Reserved",
    "hw_saturate",
    "main",
    "{{ 7 * 7 }}",
    "%s%n",
    "trace",
    "context",
    "i",
    "INT8_MAX",
    "selftest",
    "stdint",
    "$(shell touch injected)",
    "${x}`touch injected`;touch injected",
    "a\n\ttouch injected\nall:",
    "](http://x) | <script> | ```",
    "\x1b[2J\x00\u202e",
    "a.b/c:d",
    "A.B/C:D",
]


@given(st.lists(st.text(max_size=80), max_size=12))
def test_identifiers_are_valid_and_unique(names: list[str]) -> None:
    got = identifiers(names)
    assert len({g.lower() for g in got}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", g, re.ASCII) and g not in RESERVED for g in got)


def hostile_graph(name: str) -> Graph:
    """The name everywhere: graph, input, constant, values, output; each made unique by a space."""
    return named_graph(name, name or "model", name or "x", f"{name} y", f"{name} sum")


def named_graph(name: str, graph: str, source: str, result: str, total: str) -> Graph:
    g = Graph(graph)
    x = g.input(source, QType((BATCH, 3), INT8, 0.5))
    w = g.constant(f"{name} w", quantize(np.arange(-6, 6).reshape(3, 4), INT8, scale=1.0))
    acc = g.add(MatMul(), x, w, name=f"{name} acc")
    y = g.add(Requant.to(QType((), INT8, 1.0), acc.type, Dyadic16), acc, name=result)
    g.output(y, g.add(Add(fmt=INT32), acc, acc, name=total))
    return g


@pytest.mark.parametrize("name", HOSTILE, ids=lambda n: ascii(n)[:20])
def test_hostile_names_on_every_engine(name: str) -> None:
    g = hostile_graph(name)
    x = np.random.default_rng(0).integers(-128, 128, (4, 3)).astype(np.int8)
    check_engines(g, {g.inputs[0].name: x})
    assert [o.name for o in emit_onnx(g).graph.output] == [v.name for v in g.outputs]


@pytest.mark.parametrize("name", [n for n in HOSTILE if re.search(r"[^A-Za-z0-9_ ]", n)], ids=lambda n: ascii(n)[:20])
def test_nothing_of_a_hostile_name_reaches_the_text(name: str) -> None:
    texts = emit_c(hostile_graph(name)) | emit_c(hostile_graph(name), trace=True)
    plain = emit_c(hostile_graph("plain"))
    assert not any(name in t for t in texts.values())
    assert sum(t.count("*/") for t in texts.values()) >= sum(t.count("*/") for t in plain.values())
    assert all(t.isascii() for t in texts.values())


@pytest.mark.parametrize("name", HOSTILE, ids=lambda n: ascii(n)[:20])
@pytest.mark.parametrize("reentrant", [False, True])
def test_the_folder_of_a_hostile_name_builds(name: str, reentrant: bool, tmp_path: Path) -> None:
    """Makefile, self-test and example run; every text is that of a graph whose names are the identifiers."""
    g = hostile_graph(name)
    x = np.random.default_rng(0).integers(-128, 128, (4, 3)).astype(np.int8)
    files = emit_c_folder(g, samples={g.inputs[0].name: x}, reentrant=reentrant)
    assert all(t.isascii() and (t == t.replace("\x1b", "").replace("\0", "")) for t in files.values())
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*(\.[a-z]+)?", part) for p in files for part in p.split("/"))
    folder = write(tmp_path / "f", files)
    assert "PASS" in run("make", "test", "example", cwd=folder)
    assert "code" in run("examples/main", cwd=folder)
    assert "injected" not in {p.stem for p in tmp_path.rglob("*")}
    tame = named_graph("w", prefix_of(g), *(p for p, _ in ports_of(g)))
    assert files == emit_c_folder(tame, samples={tame.inputs[0].name: x}, reentrant=reentrant)


@pytest.mark.skipif(not shutil.which("cmake"), reason="left out: hostile names under CMake (apt-get install cmake)")
@pytest.mark.parametrize("name", ["${CMAKE_COMMAND}", '")\nfile(WRITE injected x)', "test", "all", "help", "x;y"])
def test_cmake_takes_hostile_names(name: str, tmp_path: Path) -> None:
    g = hostile_graph(name)
    x = np.random.default_rng(0).integers(-128, 128, (4, 3)).astype(np.int8)
    folder = write(tmp_path, emit_c_folder(g, samples={g.inputs[0].name: x}))
    run("cmake", "-B", "out", cwd=folder)
    run("cmake", "--build", "out", cwd=folder)
    assert "100% tests passed" in run("ctest", "--test-dir", "out", cwd=folder)
    assert "injected" not in {p.stem for p in tmp_path.rglob("*")}


@pytest.mark.parametrize("name", ["m_step0", "m_n0", "m_t0", "m_run", "M_X_SIZE", "m_arena_int32_t", "m_context"])
@pytest.mark.parametrize("graph", ["m", "v", "v_m"])
def test_ports_that_are_named_as_what_the_model_has(name: str, graph: str) -> None:
    """A parameter would hide the function, the table or the macro of that name."""
    g = Graph(graph)
    x = g.input("x", QType((BATCH, 3), INT8))
    y = g.input(name.replace("m_", f"{graph}_").replace("M_", f"{graph.upper()}_"), QType((BATCH, 3), INT8))
    acc = g.add(Add(), x, y)
    w = g.constant("w", quantize(np.arange(-6, 6).reshape(3, 4), INT8, scale=1.0))
    g.output(g.add(MatMul(), x, w), g.add(Requant.to(QType((), INT8, 1.0), acc.type, Dyadic16), acc), y)
    rng = np.random.default_rng(0)
    check_engines(g, {v.name: rng.integers(-128, 128, (3, 3)).astype(np.int8) for v in g.inputs}, against=("c",))


@given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(sorted(VERILOG))), max_size=12))
def test_names_for_verilog(names: list[str]) -> None:
    got = identifiers(names, words=VERILOG)
    assert len({g.lower() for g in got}) == len(names)
    assert not {g.lower() for g in got} & VERILOG


def test_ordinary_names_stay_as_they_are() -> None:
    assert identifiers(["input", "output", "x", "scores", "serving_default_x_0", "time"]) == [
        *("input", "output", "x", "scores", "serving_default_x_0", "time")
    ]


def test_names_that_meet_after_cleaning_stay_apart() -> None:
    g = Graph("m")
    a, b, c = (g.input(n, QType((BATCH, 2), INT8)) for n in ("a.b", "a_b", "A-B"))
    g.output(g.add(Add(), g.add(Add(), a, b), c, name="a b"))
    rng = np.random.default_rng(0)
    check_engines(g, {n: rng.integers(-128, 128, (3, 2)).astype(np.int8) for n in ("a.b", "a_b", "A-B")})
