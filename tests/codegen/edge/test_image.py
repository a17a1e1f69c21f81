"""What a model takes of a microcontroller: beside binutils, beside what runs, and without what it should not bring."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from codegen.runners.driver import stream
from codegen.runners.edge import edge_target, executors, firmware
from codegen.runners.edge.boards import BOARDS
from codegen.runners.edge.callgraph import LIBGCC, stack_bound
from codegen.runners.edge.elf import read_elf
from codegen.runners.edge.faults import stack_used
from codegen.runners.edge.image import UNWANTED, image
from hwsim.formats import INT8
from hwsim.graph import Graph
from hwsim.ops import ScaledAdd
from hwsim.qtensor import BATCH, QType
from tests.random_graphs import graphs_for

from .machines import MACHINES, TARGETS, codes, machine, small


@pytest.mark.parametrize(("target", "compiler"), dict.fromkeys((t, c) for t, c, _ in MACHINES))
def test_integer_models_bring_nothing_unwanted(target: str, compiler: str) -> None:
    options = machine(target, compiler)
    made = image(small(), target, chain=options["chain"])
    assert made.unwanted() == {}
    assert "small_run" in dict(made.functions)
    weights = 3 * 3 * 3 * 4 + 120 * 7
    assert weights < made.text < 20 * weights
    assert made.flash == made.text + made.data
    assert 6 * 5 * 4 + 120 <= made.ram < 2000
    assert (made.stack is None) == (compiler == "zig")


def sums() -> Graph:
    """A model that computes in float at run time."""
    g = Graph("sums")
    a, b = (g.input(name, QType((BATCH, 4), INT8, 0.5)) for name in "ab")
    g.output(g.add(ScaledAdd(scale_a=1.0, scale_b=1.0, offset=0.0, fmt=INT8, scale=0.5, zero_point=0), a, b))
    return g


def test_soft_float_is_seen(monkeypatch) -> None:
    machine("cortex-m0")
    monkeypatch.setattr("codegen.c.check_floats", lambda *_: None)  # which refuses such a graph before it is written
    assert set(image(sums(), "cortex-m0").unwanted()) == {"soft float"}


SYMBOLS = {
    "heap": "malloc free _malloc_r _free_r calloc realloc _sbrk",
    "printing": "printf _printf_r sprintf snprintf iprintf vfprintf puts fputs putchar",
    "libm": "sqrt sqrtf expf exp2f roundf lroundf llround floorf ceil pow powf tanhf erff fmaf log2 rintf nearbyintf",
    "soft float": "__aeabi_fadd __aeabi_fmul __aeabi_dadd __aeabi_fcmplt __aeabi_cfcmple __aeabi_i2f __aeabi_ul2f "
    "__aeabi_f2iz __aeabi_d2f __aeabi_f2d __aeabi_drsub __addsf3 __mulsf3 __divdf3 __eqsf2 __gedf2 __floatsisf "
    "__floatundidf __fixsfdi __fixunssfsi __extendsfdf2 __truncdfsf2 __aeabi_cdrcmple __negsf2 __cmpsf2",
}
INTEGER = (
    "__aeabi_ldivmod __aeabi_uldivmod __aeabi_idiv __aeabi_lmul __aeabi_llsl __muldi3 __divdi3 __udivmoddi4 __clzsi2 "
    "__ashldi3 __lshrdi3 __negdi2 __cmpdi2 __popcountsi2 memcpy memset __aeabi_memcpy "
    "model_run model_step3 floor_run free_run expand_step1 m_log2"
)


@pytest.mark.parametrize("kind", SYMBOLS)
def test_every_unwanted_symbol_is_known(kind: str) -> None:
    """Names of newlib and of libgcc's manual, and integer arithmetic, which is welcome."""
    assert [s for s in SYMBOLS[kind].split() if not UNWANTED[kind].match(s)] == []
    assert [s for s in INTEGER.split() if UNWANTED[kind].match(s)] == []


@pytest.mark.parametrize("target", ["cortex-m0", "riscv64gc"])
def test_files_are_read_as_binutils_reads_them(target: str, tmp_path) -> None:
    chain = machine(target, "gcc")["chain"]
    prefix = str(chain.command[0]).removesuffix("gcc")
    if not shutil.which(f"{prefix}nm"):
        pytest.skip(f"left out: {prefix}nm is missing (make deps-edge)")
    machine_ = edge_target(target)
    path = firmware.build_firmware(small(), tmp_path, machine_, chain, ("-O2",), trace=False, stack=4096)
    elf = read_elf(path)
    told = subprocess.run([f"{prefix}size", path], capture_output=True, text=True, check=True).stdout.splitlines()[1]
    assert elf.size() == tuple(int(n) for n in told.split()[:3])
    names = subprocess.run([f"{prefix}nm", path], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {s.name for s in elf.symbols if s.section} >= {line.split()[-1] for line in names}
    listed = subprocess.run([f"{prefix}readelf", "-sW", path], capture_output=True, text=True, check=True).stdout
    rows = [r for r in map(str.split, listed.splitlines()) if r[3:4] == ["FUNC"] and r[6] != "UND"]
    thumb = 1 if target.startswith("cortex") else 0
    functions = {(r[7], int(r[1], 16) & ~thumb, int(r[2])) for r in rows}
    assert {(f.name, f.address, f.size) for f in elf.functions()} <= functions
    assert {address for _, address, _ in functions} == {f.address for f in elf.functions()}
    entry = subprocess.run([f"{prefix}readelf", "-lW", path], capture_output=True, text=True, check=True).stdout
    loads = [line.split() for line in entry.splitlines() if line.split()[:1] == ["LOAD"]]
    assert [(a, len(b)) for a, b in elf.segments] == [(int(r[2], 16), int(r[4], 16)) for r in loads if int(r[4], 16)]


def test_no_elf(tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"MZ" + bytes(60))
    with pytest.raises(ValueError, match="x is no little-endian ELF file"):
        read_elf(tmp_path / "x")


@pytest.mark.parametrize("target", TARGETS)
def test_no_run_takes_more_stack_than_the_bound(target: str, tmp_path) -> None:
    """The painted stack of what runs, driver included, and the deepest chain of calls from where the paint begins."""
    chain = machine(target, "gcc")["chain"]
    for graph, given in ((small(), codes()), *graphs_for(target, 3, 1)):
        folder = tmp_path / graph.name
        folder.mkdir()
        (folder / "hw_in").write_bytes(stream(graph, given))
        path = firmware.build_firmware(graph, folder, edge_target(target), chain, ("-O2",), trace=False, stack=1 << 16)
        bound = stack_bound(sorted(folder.glob("*.ci")), "hw_begin")
        next(iter(executors(edge_target(target)).values()))[1](path, BOARDS[target], count=False, timeout=60)
        used = stack_used(folder / "hw_report", read_elf(path), target)
        assert 0 < used <= bound < used + 2 * LIBGCC


def ci(tmp_path, *lines: str):
    (tmp_path / "a.ci").write_text("\n".join(['graph: { title: "a.c"', *lines, "}"]))
    return [tmp_path / "a.ci"]


def node(name: str, size: str) -> str:
    return f'node: {{ title: "{name}" label: "{name}\\na.c:1:1\\n{size}" }}'


def edge(a: str, b: str) -> str:
    return f'edge: {{ sourcename: "{a}" targetname: "{b}" label: "a.c:2:2" }}'


def test_the_deepest_chain_counts(tmp_path) -> None:
    built_in = 'node: { title: "__aeabi_lmul" label: "__aeabi_lmul\\n<built-in>" shape : ellipse }'
    sizes = [node(n, f"{s} bytes (static)") for n, s in (("run", 40), ("a.c:one", 100), ("a.c:two", 8), ("leaf", 16))]
    edges = [edge("run", "a.c:one"), edge("run", "a.c:two"), edge("a.c:two", "leaf"), edge("leaf", "__aeabi_lmul")]
    assert stack_bound(ci(tmp_path, *sizes, built_in, *edges), "run") == max(40 + 100, 40 + 8 + 16 + LIBGCC)
    assert stack_bound(ci(tmp_path, *sizes, built_in, *edges[:2]), "run") == 140


@pytest.mark.parametrize(
    "lines",
    [
        [node("run", "8 bytes (static)"), edge("run", "run")],
        [node("run", "8 bytes (dynamic)")],
        [node("run", "8 bytes (static)"), edge("run", "__indirect_call")],
    ],
    ids=("recursion", "alloca", "pointer"),
)
def test_stack_without_a_bound(tmp_path, lines) -> None:
    with pytest.raises(ValueError, match=r"stack of run.* has no bound"):
        stack_bound(ci(tmp_path, *lines), "run")
