"""The folder of C: it builds as it is, with make, CMake, in C++, beside others, and in threads."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from codegen import emit_c, emit_c_folder
from codegen.targets import TARGETS
from hwsim.formats import INT8, INT32
from hwsim.graph import Graph
from hwsim.ops import Add
from hwsim.qtensor import BATCH, QTensor, QType
from tests.random_graphs import random_graph

from .folders import STRICT, first_sample, folder_of, run, write
from .shipped import shipped

HOSTS = [t.name for t in TARGETS if not t.gcc]
CROSS = [t for t in TARGETS if t.gcc]


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("target", HOSTS)
def test_make_builds_and_tests_it(tmp_path: Path, target: str, reentrant: bool) -> None:
    for seed in (600, 601):
        folder = folder_of(tmp_path / str(seed), *random_graph(seed), target=target, reentrant=reentrant)
        out = run("make", "test", "example", cwd=folder)
        assert "PASS: every code equal on" in out
        assert "warning" not in out
        assert "code" in run("examples/main", cwd=folder)
        run("make", "clean", cwd=folder)
        assert {p.suffix for p in folder.rglob("*") if p.is_file()} == {".c", ".h", ".md", ".txt", ""}


def test_the_self_test_names_the_first_code_that_differs(tmp_path: Path) -> None:
    graph, inputs = random_graph(7)
    folder = folder_of(tmp_path, graph, inputs)
    text = (folder / "selftest.c").read_text()
    head, tail = text.split("want_", 1)
    wrong = re.sub(r"\{\n        (-?\d+)", lambda m: f"{{\n        {int(m[1]) ^ 1}", tail, count=1)
    assert wrong != tail
    (folder / "selftest.c").write_text(f"{head}want_{wrong}")
    out = run("make", "test", cwd=folder, status=2)
    assert re.search(r"FAIL: sample 0, output \w+, code 0: expected -?\d+, got -?\d+", out)


@pytest.mark.skipif(not shutil.which("cmake"), reason="left out: the folder under CMake (apt-get install cmake)")
def test_cmake_builds_and_tests_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *random_graph(601), reentrant=True)
    run("cmake", "-B", "out", cwd=folder)
    run("cmake", "--build", "out", cwd=folder)
    assert "100% tests passed" in run("ctest", "--test-dir", "out", cwd=folder)


@pytest.mark.parametrize("target", CROSS, ids=lambda t: t.name)
def test_make_compiles_for_a_target(tmp_path: Path, target) -> None:
    if not shutil.which(target.gcc[0]):
        pytest.skip(f"left out: the folder for {target.name} ({target.gcc[0]}; make deps-edge)")
    folder = folder_of(tmp_path, *shipped("ds-cnn"), target=target.name)
    assert "warning" not in run("make", "test", cwd=folder)
    assert (folder / "selftest.o").stat().st_size


def test_a_program_in_cpp_with_a_context(tmp_path: Path) -> None:
    graph, inputs = random_graph(603)
    graph.name = "net"
    folder = folder_of(tmp_path, graph, inputs, reentrant=True)
    texts, arguments, right = first_sample(graph, inputs)
    main = ["#include <cstring>", "#include <memory>", '#include "net.h"', *texts, "int main() {"]
    main += ["auto context = std::make_unique<net_context>();", f"net_run(context.get(), {', '.join(arguments)});"]
    write(folder, {"use.cpp": "\n".join([*main, f"return {right} ? 0 : 1; }}"])})
    run("make", "all", cwd=folder)
    strict = [f for f in STRICT if f != "-Wconversion"]  # Why: of the test's own literals
    run("g++", "-std=c++17", *strict, "-o", "use", "use.cpp", "net.a", cwd=folder)
    run("./use", cwd=folder)


@pytest.mark.parametrize("names", [("one", "two"), ("m", "m_data"), ("A", "a")])
@pytest.mark.parametrize("reentrant", [False, True])
def test_several_models_in_one_program(tmp_path: Path, names: tuple[str, str], reentrant: bool) -> None:
    """Also models whose files and names begin alike, or differ in case alone: ports of the same name, other sizes."""
    texts, calls, checks, objects, includes = [], [], [], [], []
    for name, seed in zip(names, (604, 605), strict=True):
        graph, inputs = random_graph(seed)
        graph.name = name
        folder = folder_of(tmp_path / f"of_{seed}", graph, inputs, reentrant=reentrant)
        run("make", "all", cwd=folder)
        declared, arguments, right = first_sample(graph, inputs)
        first = [f"&{name}_memory"] if reentrant else []
        texts += declared + ([f"static {name}_context {name}_memory;"] if reentrant else [])
        calls += [f"{name}_run({', '.join(first + arguments)});"]
        checks, objects, includes = [*checks, right], [*objects, folder / f"{name}.a"], [*includes, folder]
    main = ["#include <string.h>"]
    main += [f'#include "{folder}/{name}.h"' for folder, name in zip(includes, names, strict=True)]
    main += [f'#include "{folder}/{name}_data.h"' for folder, name in zip(includes, names, strict=True)]
    main += [*texts, "int main(void) {", *calls, *reversed(calls), f"return {' && '.join(checks)} ? 0 : 1; }}"]
    write(tmp_path, {"main.c": "\n".join(main)})
    run("gcc", "-std=c99", "-Wall", "-Wextra", "-o", "both", "main.c", *objects, cwd=tmp_path)
    run("./both", cwd=tmp_path)


def test_contexts_are_independent_in_threads(tmp_path: Path) -> None:
    """Two threads, a thousand calls each, other samples, contexts full of garbage; clean under ThreadSanitizer."""
    for seed in (606, 607, 608):
        graph, inputs = random_graph(seed)
        graph.name = "net"
        folder = folder_of(tmp_path / str(seed), graph, inputs, reentrant=True)
        texts, threads = ["static net_context memory[2];"], []
        for at in (0, 1):
            declared, arguments, right = first_sample(graph, inputs, at)
            body = f"net_run(&memory[{at}], {', '.join(arguments)}); if (!({right})) *(int *)bad += 1;"
            texts += [*declared, f"static void *thread_{at}(void *bad) {{"]
            texts += [f"memset(&memory[{at}], 0xa5, sizeof memory[{at}]);"]
            texts += ["for (int n = 0; n < 1000; n++) {", body, "} return bad; }"]
            threads += [f"pthread_create(&t[{at}], 0, thread_{at}, &bad[{at}]);"]
        main = ["#include <pthread.h>", "#include <string.h>", '#include "net.h"', *texts, "int main(void) {"]
        main += ["int bad[2] = {0, 0}; pthread_t t[2];", *threads, "pthread_join(t[0], 0); pthread_join(t[1], 0);"]
        write(folder, {"threads.c": "\n".join([*main, "return bad[0] + bad[1] ? 1 : 0; }"])})
        sources = ("threads.c", "net.c", "net_data.c")
        run("gcc", "-std=c99", "-O1", "-g", "-fsanitize=thread", "-pthread", "-o", "threads", *sources, cwd=folder)
        run("./threads", cwd=folder)


def test_re_entrant_code_has_no_globals_but_constants(tmp_path: Path) -> None:
    """`nm` of both forms: bss where the buffers are static, none where they are the caller's."""
    graph, inputs = random_graph(606)
    kinds = {}
    for reentrant in (False, True):
        folder = folder_of(tmp_path / str(reentrant), graph, inputs, reentrant=reentrant)
        run("make", "all", cwd=folder)
        lines = run("nm", next(folder.glob("*.a")), cwd=folder).splitlines()
        kinds[reentrant] = {parts[-2] for line in lines if len(parts := line.split()) >= 2}
    assert "b" in kinds[False]
    assert not kinds[True] & set("bBdDcC")


def test_graphs_that_need_no_buffer_have_a_context_all_the_same(tmp_path: Path) -> None:
    g = Graph("plain")
    x = g.input("x", QType((3,), INT8))
    c = g.constant("c", QTensor(QType((2,), INT32), np.array([7, -9], np.int32)))
    g.output(x, c, g.add(Add(), x, x))
    inputs = {"x": np.array([1, -128, 127], np.int8)}
    folder = folder_of(tmp_path, g, inputs, reentrant=True)
    run("make", "test", f"CFLAGS=-O1 {' '.join(STRICT)}", cwd=folder)


def test_both_builds_of_the_re_entrant_form_are_strict(tmp_path: Path) -> None:
    for trace in (False, True):
        graph, _ = random_graph(609)
        folder = write(tmp_path / str(trace), emit_c(graph, trace=trace, reentrant=True))
        sources = [p.name for p in folder.glob("*.c")]
        run("gcc", "-std=c99", "-O2", *STRICT, "-c", *sources, cwd=folder)


def test_the_vectors_are_the_first_samples_and_few_where_they_are_large() -> None:
    g = Graph("wide")
    x = g.input("x", QType((BATCH, 20000), INT8))
    g.output(g.add(Add(), x, x))
    text = emit_c_folder(g, samples={"x": np.zeros((9, 20000), np.int8)})["selftest.c"]
    assert "in_x[1][20000]" in text
    graph, inputs = random_graph(1)
    assert "[2][" in emit_c_folder(graph, samples={n: c[:2] for n, c in inputs.items()})["selftest.c"]


def test_bad_samples_and_targets_are_refused() -> None:
    graph, inputs = random_graph(1)
    with pytest.raises(ValueError, match="'mars' is unknown"):
        emit_c_folder(graph, samples=inputs, target="mars")
    with pytest.raises(ValueError, match="inputs are"):
        emit_c_folder(graph, samples={})


def test_the_readme_says_what_the_model_is() -> None:
    graph, inputs = random_graph(7)
    text = emit_c_folder(graph, samples=inputs, target="cortex-m4", reentrant=True)["README.md"]
    for v in (*graph.inputs, *graph.outputs):
        assert f"| {v.type.elements} | {' x '.join(map(str, v.type.sample_shape))} | {v.type.fmt.name} |" in text
    assert "cortex-m4" in text
    assert "-mcpu=cortex-m4" in text
    assert all(len(line) < 400 for line in text.splitlines())
