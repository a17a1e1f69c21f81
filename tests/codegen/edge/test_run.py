"""Bare-metal images on emulated microcontrollers: the definition's codes, exact counts, faults in words."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from codegen import verify
from codegen.runners.edge import Counts, boards, edge_target, executors, firmware, run, run_edge, toolchains
from hwsim.simulation import simulate
from tests.backends import check_engines
from tests.compare import assert_same
from tests.random_graphs import graphs_for

from .machines import MACHINES, TARGETS, codes, machine, small


@pytest.mark.parametrize(("target", "compiler", "emulator"), MACHINES)
def test_every_value_on_every_machine(target: str, compiler: str, emulator: str) -> None:
    options, graph, given = machine(target, compiler, emulator), small(), codes()
    want = simulate(graph, given, engine="numpy", trace=True)
    for trace in (False, True):
        ran = run_edge(graph, given, trace=trace, **options)
        assert set(ran.values) == {v.name for v in (graph.results(trace=True) if trace else graph.outputs)} - {"x"}
        for name, values in ran.values.items():
            assert_same(want[name], values, what=f"{target} {compiler} {emulator} {name}")
    assert emulator in ran.tool
    assert ("zig cc" if compiler == "zig" else "-gcc 1") in ran.tool


@pytest.mark.parametrize("target", TARGETS)
def test_random_graphs(target: str) -> None:
    machine(target, "", "")
    for graph, given in graphs_for(target, 40 + 4 * TARGETS.index(target), 2):
        check_engines(graph, given, against=(target,))


@pytest.mark.parametrize("target", [t for t, c, e in MACHINES if (c, e) == ("gcc", "unicorn")])
def test_two_ways_of_counting_agree(target: str) -> None:
    """A counter an instruction inside QEMU; in unicorn blocks entered, whose instructions are told apart in Python."""
    options = [machine(target, "gcc", emulator) for emulator in ("qemu", "unicorn")]
    first, second = (run_edge(small(), codes(), **o).counts for o in options)
    assert first == second
    assert first is not None
    assert first.samples == 3
    assert {"small_run", "small_step0"} <= set(first.by_function)
    assert not {n for n in first.by_function if not n.startswith("small_")} & {"main", "fread", "fwrite", "hw_host"}


def test_counts_grow_with_samples_and_shrink_with_optimisation() -> None:
    options = machine("cortex-m4")
    one = run_edge(small(), codes(1), **options).counts
    two = run_edge(small(), {"x": np.repeat(codes(1)["x"], 2, axis=0)}, **options).counts
    slow = run_edge(small(), codes(1), flags=("-O0",), **options).counts
    assert one is not None
    assert two == Counts(2, {name: 2 * n for name, n in one.by_function.items()})
    assert slow is not None
    assert slow.per_sample > 2 * one.per_sample
    assert str(one).splitlines()[0].split() == [f"{one.total}.0", "instructions", "an", "inference"]


def test_a_report_shows_instructions_of_what_ships() -> None:
    machine("riscv32imc")
    report = verify(small(), codes(), against=("riscv32", "numba"))
    release, trace = report.rows[:2]
    assert report.ok
    assert release.instructions
    assert (trace.instructions, report.rows[2].instructions) == (None, None)
    head, first, second = str(report).splitlines()[:3]
    assert head.split()[-2:] == ["instructions", "tool"]
    assert f"{release.instructions}  {release.tool}" in first
    assert second.index(trace.tool) == first.index(release.tool) == head.index("tool")


def test_broken_c_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    machine("cortex-m3")
    whole = firmware.sources

    def broken(*args, **options):
        texts = whole(*args, **options)
        name = next(n for n in texts if n.endswith("_data.c"))
        head, _, rest = texts[name].partition("HW_LE(0x")
        return texts | {name: f"{head}HW_LE(0x{int(rest[0], 16) ^ 1:x}{rest[1:]}"}

    monkeypatch.setattr(firmware, "sources", broken)
    report = verify(small(), codes(), against=("cortex-m3",))
    assert not report.ok
    assert "of node 0 (conv2d)" in str(report.rows[1].first)


FAULTS = {
    "nothing there": ("    *(volatile int *)0xf0000000u = 1;\n", "(data access)|(store)|WRITE_UNMAPPED"),
    "no instruction": ('    __asm__ volatile(".word 0xffffffff");\n', "undefined|illegal|INSN_INVALID|EXCEPTION"),
    "too deep": ("    deep(100000);\n", "stack overflow, more than 8192 bytes"),
}
DEEP = """int deep(int n);
int deep(int n) { volatile int a[64]; a[0] = n; return n ? deep(n - 1) + a[0] : 0; }
"""


def faulty(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """The driver's main starts with `line`."""
    whole = firmware.sources

    def changed(*args, **options):
        texts = whole(*args, **options)
        start = "int main(void)\n{\n"
        assert start in texts["hw_driver.c"]
        return texts | {"hw_driver.c": texts["hw_driver.c"].replace(start, DEEP + start + line)}

    monkeypatch.setattr(firmware, "sources", changed)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("target", "emulator"), [*((t, "") for t in TARGETS), ("cortex-m3", "unicorn"), ("riscv32imc", "unicorn")]
)
def test_faults_say_what_happened(monkeypatch: pytest.MonkeyPatch, target: str, emulator: str, fault: str) -> None:
    line, told = FAULTS[fault]
    options = machine(target, "", emulator)
    faulty(monkeypatch, line)
    with pytest.raises(RuntimeError, match=f"^{target}: .*({told})"):
        run_edge(small(), codes(), count=False, stack=8192, **options)


@pytest.mark.parametrize("emulator", ["qemu", "unicorn"])
def test_a_program_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch, emulator: str) -> None:
    options = machine("cortex-m3", "", emulator)
    faulty(monkeypatch, "    for (;;) ;\n")
    with pytest.raises(TimeoutError, match=r"did not end within 0\.5 s"):
        run_edge(small(), codes(), count=False, timeout=0.5, **options)


def test_a_model_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    options = machine("cortex-m3")
    tiny = boards.Board(name="cortex-m3", qemu="", machine="", flash=(0x400, 256), ram=(0x21000000, 1 << 20))
    monkeypatch.setitem(boards.BOARDS, "cortex-m3", tiny)
    monkeypatch.setattr(run, "executors", lambda _: {"none": ("none", None)})
    with pytest.raises(ValueError, match=r"does not fit its board: .*FLASH.* overflowed by \d+ bytes"):
        run_edge(small(), codes(), **{**options, "emulator": ""})


def test_without_tools_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(toolchains, "has_ziglang", lambda: False)
    monkeypatch.setattr(run, "unicorn_name", lambda _: "")
    with pytest.raises(ValueError, match=r"no compiler for cortex-m4: .*gcc-arm-none-eabi.*, or pip install ziglang"):
        toolchains.toolchains(edge_target("cortex-m4"))
    with pytest.raises(ValueError, match=r"no compiler for cortex-m55: .*apt-get install gcc-arm-none-eabi\)$"):
        toolchains.toolchains(edge_target("cortex-m55"))
    with pytest.raises(ValueError, match=r"no emulator for riscv64gc: .*qemu-system-misc\), or pip install unicorn"):
        executors(edge_target("riscv64"))


@pytest.mark.parametrize("name", ["x86-64", "generic"])
def test_hosts_are_no_bare_metal(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"target '{name}' is no bare metal: use one of cortex-m0, .*, riscv32, riscv64"
    ):
        edge_target(name)
    with pytest.raises(ValueError, match="target 'z80' is unknown"):
        edge_target("z80")


def test_an_emulator_that_is_not_there() -> None:
    machine("cortex-m3")
    with pytest.raises(ValueError, match="emulator 'spike' is not at hand for cortex-m3"):
        run_edge(small(), codes(), "cortex-m3", emulator="spike")
