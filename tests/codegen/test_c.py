"""The C text: strict with two compilers, clean under sanitizers, the same helpers as hwsim.quantize, reproducible."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from codegen import emit_c, footprint
from codegen.runners.c import SANITIZERS, STRICT, build, compile_and_run, compilers
from hwsim.formats import (
    BINARY,
    FORMATS,
    FP4_E2M1,
    FP6_E2M3,
    FP8_E4M3,
    INT4,
    INT8,
    INT16,
    INT32,
    TERNARY,
    UINT8,
    IntFormat,
)
from hwsim.graph import Graph
from hwsim.ops import Add, Float32Sum, MatMul
from hwsim.qtensor import BATCH, QTensor, QType, quantize
from hwsim.simulation import simulate
from tests.compare import assert_same
from tests.random_graphs import random_graph

FLAGS = {"gcc": (*STRICT, "-Wundef", "-Wcast-align"), "clang": (*STRICT, "-Wundef", "-Wcast-align")}


def assert_as_defined(graph: Graph, inputs: dict[str, np.ndarray], got: dict[str, np.ndarray], *, trace: bool) -> None:
    want = simulate(graph, inputs, engine="numpy", trace=trace)
    for v in graph.results(trace=trace):
        assert_same(want[v.name], got[v.name], what=v.name)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_strict_with_both_compilers(compiler: str, level: str) -> None:
    """Both builds of a dozen random graphs; `clang` may be the one inside `ziglang`."""
    for seed in range(400, 406):
        graph, inputs = random_graph(seed)
        for trace in (False, True):
            got = compile_and_run(graph, inputs, compilers()[compiler], (level, *FLAGS[compiler]), trace=trace)
            assert_as_defined(graph, inputs, got, trace=trace)


def test_clean_under_sanitizers() -> None:
    """Address and undefined-behaviour sanitizers, any report ends the program; both builds of 20 random graphs."""
    for seed in range(500, 520):
        graph, inputs = random_graph(seed)
        for trace in (False, True):
            got = compile_and_run(graph, inputs, compilers()["gcc"], ("-O1", *STRICT, *SANITIZERS), trace=trace)
            assert_as_defined(graph, inputs, got, trace=trace)


def test_the_sanitizers_are_awake(tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text(
        "int main(int n, char **v) { (void)v; int a[2] = {0}; return a[n + 3] + (1 << (n + 40)); }"
    )
    command = [*compilers()["gcc"], *SANITIZERS, "-o", str(tmp_path / "bad"), str(tmp_path / "bad.c")]
    subprocess.run(command, check=True)
    assert subprocess.run([tmp_path / "bad"], capture_output=True).returncode != 0


PORTS = [
    QType((BATCH, 1), INT8, 0.037, 5),
    QType((BATCH, 1), UINT8, 0.25, 3),
    QType((BATCH, 1), INT16, 2.0**-9),
    QType((BATCH, 1), INT4, 0.5, -1),
    QType((BATCH, 1), FP4_E2M1, 0.75),
    QType((BATCH, 1), FP8_E4M3, 0.11),
]


@pytest.mark.parametrize("t", PORTS, ids=lambda t: t.fmt.name)
def test_quantize_and_dequantize_helpers_equal_hwsim(t: QType, tmp_path: Path) -> None:
    """The header's helpers on ties, ends, negative zero, huge numbers and random reals."""
    g = Graph("m")
    x = g.input("x", t)
    g.output(x)
    rng = np.random.default_rng(0)
    steps = np.arange(-300, 300) * 0.5 * float(t.lsb)
    reals = np.concatenate([steps, rng.normal(size=3000) * 20, [0.0, -0.0, 1e30, -1e30, 1e-30, 3e38, -3e38]])
    reals = reals.astype(np.float32)
    (tmp_path / "use.c").write_text(
        '#include <stdio.h>\n#include "m.h"\nint main(void) { float v; while (fread(&v, sizeof v, 1, stdin) == 1) {'
        f" {np.dtype(t.fmt.dtype).name}_t q = m_quantize_x(v); float r = m_dequantize_x_2(q);"
        " fwrite(&q, sizeof q, 1, stdout); fwrite(&r, sizeof r, 1, stdout); } return 0; }"
    )
    for name, text in emit_c(g).items():
        (tmp_path / name).write_text(text)
    sources = [str(tmp_path / f) for f in ("use.c", "m.c", "m_data.c")]
    program = str(tmp_path / "use")
    subprocess.run([*compilers()["gcc"], "-O2", *STRICT, *SANITIZERS, "-o", program, *sources], check=True)
    given = np.append(reals, np.float32(np.nan))
    out = subprocess.run([program], input=given.tobytes(), capture_output=True, check=True).stdout
    rows, nan = np.split(np.frombuffer(out, np.dtype([("q", t.fmt.dtype), ("r", np.float32)])), [reals.size])
    assert nan["q"].tolist() == [t.zero_point]  # NaN is real 0, and no undefined cast
    want = quantize(reals.astype(np.float64), t.fmt, scale=t.scale, zero_point=t.zero_point)
    assert_same(want.codes, rows["q"], reals, what="quantize")
    assert (rows["r"] == want.dequantize().astype(np.float32)).all()


def test_the_header_serves_cpp(tmp_path: Path) -> None:
    graph, _ = random_graph(3)
    for name, text in emit_c(graph).items():
        (tmp_path / name).write_text(text)
    header = next(n for n in emit_c(graph) if n.endswith(".h") and "_data" not in n and n != "hw_qmath.h")
    (tmp_path / "use.cpp").write_text(f'#include "{header}"\nint main() {{ return 0; }}\n')
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror", "-c", "-o", "/dev/null", "use.cpp"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stderr == ""


def test_plain_c99_and_nothing_else() -> None:
    """No malloc, no libm, no float outside onnx_float, float32 sums, ONNX Runtime's ops and the header's helpers."""
    for seed in range(30):
        graph, _ = random_graph(seed)
        sources = {k: v for k, v in emit_c(graph).items() if not k.endswith(".h")}
        text = "\n".join(sources.values())
        assert not re.search(r"malloc|<math\.h>|<stdlib\.h>|printf", text)
        floats = any(getattr(n.op, "contract", None) and n.op.contract.name == "onnx_float" for n in graph.nodes)
        floats |= any(getattr(n.op, "datapath", None) == Float32Sum() for n in graph.nodes)
        floats |= any(n.op.name in ("scaled_add", "float_pool", "float_divide") for n in graph.nodes)
        assert floats or not re.search(r"\b(float|double)\b", text)


def test_same_graph_same_text() -> None:
    assert emit_c(random_graph(11)[0]) == emit_c(random_graph(11)[0])


def test_weights_of_up_to_six_bits_are_packed() -> None:
    rng = np.random.default_rng(0)
    sizes = {}
    for fmt in (INT8, FP6_E2M3, INT4, FP4_E2M1, TERNARY, BINARY):
        g = Graph("m")
        x = g.input("x", QType((BATCH, 32), INT8))
        g.output(g.add(MatMul(), x, g.constant("w", quantize(rng.normal(size=(32, 7)), fmt))))
        sizes[fmt] = footprint(g).flash
    grids = {FP6_E2M3: 64, FP4_E2M1: 16, BINARY: 2}  # small integers, one a code
    packed = {INT8: 224, FP6_E2M3: 168, INT4: 112, FP4_E2M1: 112, TERNARY: 56, BINARY: 28}
    assert sizes == {f: n + grids.get(f, 0) for f, n in packed.items()}


@pytest.mark.parametrize("name", ["fp6_e2m3", "fp6_e3m2", "int6", "uint5"])
def test_six_bits_by_both_compilers_and_under_sanitizers(name: str) -> None:
    """Every code, and arrays that end on each byte of three; what is read past an end is a report."""
    fmt = FORMATS.get(name) or IntFormat(name, int(name[-1]), signed=name[0] == "i")
    for k, n in ((64, 1), (7, 3), (1, 1), (5, 2), (3, 1)):
        g, rng = Graph("six"), np.random.default_rng(k)
        codes = rng.permutation(np.arange(fmt.min_code, fmt.max_code + 1).repeat(3))[: k * n].reshape(k, n)
        x = g.input("x", QType((BATCH, k), INT8))
        g.output(g.add(MatMul(), x, g.constant("w", QTensor(QType((k, n), fmt), codes.astype(fmt.dtype)))))
        inputs = {"x": rng.integers(-128, 128, (4, k)).astype(np.int8)}
        for compiler, flags in (("gcc", ("-O1", *STRICT, *SANITIZERS)), ("gcc", ("-O3", *STRICT)), ("clang", STRICT)):
            got = compile_and_run(g, inputs, compilers()[compiler], flags, trace=False)
            assert_as_defined(g, inputs, got, trace=False)


def test_outputs_that_are_inputs_constants_or_listed_twice() -> None:
    g = Graph("m")
    x = g.input("x", QType((3,), INT8))
    c = g.constant("c", QTensor(QType((2,), INT32), np.array([7, -9], np.int32)))
    y = g.add(Add(), x, x, name="y")
    g.output(y, x, c, y)
    codes = {"x": np.array([1, -128, 127], np.int8)}
    for trace in (False, True):
        got = compile_and_run(g, codes, compilers()["gcc"], STRICT, trace=trace)
        assert_as_defined(g, codes, got, trace=trace)


def test_a_program_that_does_not_compile_says_so(tmp_path: Path) -> None:
    graph, _ = random_graph(0)
    with pytest.raises(RuntimeError, match="refused the generated C"):
        build(graph, tmp_path, compilers()["gcc"], ("-std=c99", "-DINT32_MAX", "-Dint8_t=struct"), trace=False)


def test_arena_is_what_the_text_declares() -> None:
    graph, _ = random_graph(21)
    text = next(t for n, t in emit_c(graph).items() if n.endswith(".c") and "_data" not in n)
    declared = re.findall(r"static (\w+)_t \w+_arena_\w+\[(\d+)\]", text)
    assert footprint(graph).arena == sum(np.dtype(t).itemsize * int(n) for t, n in declared)
