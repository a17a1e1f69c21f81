"""The house rules, kept by the machine."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegen.targets import TARGETS
from codegen.tiles import tiles
from hwsim.ops import OPS

ROOT = Path(__file__).parents[1]
CORE = {"numpy", "hwsim"}
MAY_IMPORT = {  # longest matching prefix counts; `lazy` modules only inside functions
    "hwsim": CORE,
    "hwsim/jit.py": CORE | {"numba"},
    "hwsim/kernels": CORE | {"numba", "llvmlite"},  # compiled code: not imported before something is simulated
    "codegen": CORE | {"codegen", "jinja2"},
    "algos": CORE | {"algos", "torch", "deap", "tqdm"},
}
LAZY = {
    "hwsim/reports": {"jinja2", "matplotlib"},
    "hwsim/app": {
        "codegen",
        "algos",
        "tqdm",
        "onnx",
        "onnxruntime",
        "torch",
        "numba",
        "jinja2",
        "shtab",
        "distributed",
    },
    "codegen": {"onnx"},
    "codegen/tflite": {"tflite", "flatbuffers"},
    "codegen/runners": {"onnx", "onnxruntime", "ziglang", "ai_edge_litert", "tflite_micro", "unicorn", "qonnx"},
    "algos": {"torch", "tqdm", "tokenizers", "gguf", "pyarrow"},
}
SOURCES = [p for room in ("hwsim", "codegen", "algos") for p in sorted((ROOT / room).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEMPLATES = sorted((ROOT / "codegen/templates").rglob("*.j2"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def allowed(rules: dict[str, set[str]], path: Path) -> set[str]:
    best = max((k for k in rules if name(path).startswith(k)), key=len, default=None)
    return rules[best] if best else set()


def imports(path: Path, *, top_level: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (a.name.split(".")[0] for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_only_downward(path: Path) -> None:
    outside = {m for m in imports(path, top_level=False) if m not in sys.stdlib_module_names}
    at_import = {m for m in imports(path, top_level=True) if m not in sys.stdlib_module_names}
    assert at_import <= allowed(MAY_IMPORT, path)
    assert outside <= allowed(MAY_IMPORT, path) | allowed(LAZY, path)


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {f.name: n for f in functions if (n := (f.end_lineno or 0) - f.lineno + 1) > 60} == {}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_modules_name_things(path: Path) -> None:
    assert path.stem not in ("utils", "util", "helpers", "helper", "manager", "misc", "common")
    assert ast.get_docstring(ast.parse(path.read_text())), "every module says what it is"


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_templates_are_small_and_never_compute(path: Path) -> None:
    text = path.read_text()
    whole_files = ("c/header", "c/qmath", "c/dsp", "c/narrow", "c/x86", "onnx/macros")  # a text that ships, or macros
    assert text.count("\n") <= (120 if any(w in name(path) for w in whole_files) else 60)
    assert "{% import" not in text
    assert " ** " not in text


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op_is_complete(op: type) -> None:
    wanted = [f"hwsim/ops/{op.name}.py", f"codegen/views/{op.name}.py", f"tests/hwsim/ops/test_{op.name}.py"]
    wanted += [f"codegen/templates/{target}/{op.name}.{target}.j2" for target in ("c", "onnx")]
    assert [w for w in wanted if not (ROOT / w).exists()] == []


def test_every_template_belongs_to_something() -> None:
    shared = {"macros", "model", "header", "data", "data_header", "driver", "map", "qmath", "quantize", "dequantize"}
    shared |= {"repeat"}  # of what is timed
    shared |= {"makefile", "cmake", "readme", "selftest", "example"}  # of a folder
    shared |= {"cmsis", "cmsis_constants", "cmsis_scratch", "cmsis_readme"}  # of calls of CMSIS-NN
    shared |= {"narrow", "bits", "round_float"}  # of qmath
    shared |= {"dense", "depthwise", "blocks", "term", "shared"}  # of kernels
    shared |= {f"{t.name}{part}" for target in TARGETS for t in tiles(target) for part in ("", "_depth")}
    found = {p.name.split(".")[0] for p in TEMPLATES if not p.name.startswith("x86")}
    shared |= {"steps", "block_products", "block_steps", "block_floats", "result"}  # of accumulators
    shared |= {"module", "bench"}  # of Verilog
    assert found == {op.name for op in OPS} | shared


def test_nothing_names_a_machine() -> None:
    """No absolute path of a developer's machine and no registry host in any file that lands."""
    bad = ["/wo" + "rk/", "/ro" + "ot/", "pypi" + ".org", "registry.npm" + "js"]
    files = [*SOURCES, *TESTS, *TEMPLATES, ROOT / "README.md", ROOT / "Makefile", ROOT / "CHANGELOG.md"]
    assert [(name(p), b) for p in files for b in bad if b in p.read_text()] == []
