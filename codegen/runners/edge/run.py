"""Run a graph's C on an emulated microcontroller."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwsim.formats import Codes
from hwsim.graph import Graph

from ...targets import Target
from ..driver import samples_of, split, stream
from ..ran import Ran
from .boards import BOARDS, STACK
from .counts import Counts, counts_of
from .elf import read_elf
from .faults import stack_used
from .firmware import build_firmware
from .qemu import qemu_name, run_qemu
from .toolchains import Toolchain, edge_target, toolchains
from .unicorn_cpu import run_unicorn, unicorn_name

TIMEOUT, MORE = 600.0, 60.0  # seconds: of a run, and of each sample beside
Execute = Callable[..., Codes | None]


@dataclass(frozen=True)
class EdgeRun:
    """What one run gave.

    Args:
        tool: exactly what ran, compiler and emulator.
        values: outputs, or with `trace` every value, by name.
        counts: instructions, where they were counted.
        stack: bytes of stack that were touched, the driver's included.
    """

    tool: str
    values: dict[str, Codes]
    counts: Counts | None
    stack: int


def executors(target: Target) -> dict[str, tuple[str, Execute]]:
    """Emulators at hand, the preferred one first: name -> (what it calls itself, function)."""
    board = BOARDS[target.name]
    found: dict[str, tuple[str, Execute]] = {}
    if name := qemu_name(board):
        found["qemu"] = name, run_qemu
    if name := unicorn_name(board):
        found["unicorn"] = name, run_unicorn
    if not found:
        package = "qemu-system-arm" if board.qemu == "qemu-system-arm" else "qemu-system-misc"
        other = ", or pip install unicorn" if board.unicorn else ""
        raise ValueError(f"no emulator for {target.name}: install {board.qemu} (apt-get install {package}){other}")
    return found


def run_edge(
    graph: Graph,
    codes: Mapping[str, Codes],
    target: str,
    *,
    trace: bool = False,
    count: bool = True,
    flags: Sequence[str] = ("-O2",),
    chain: Toolchain | None = None,
    emulator: str = "",
    stack: int = STACK,
    timeout: float | None = None,
) -> EdgeRun:
    """All samples of `codes` through the bare-metal image of `graph`.

    Args:
        graph: the integer graph.
        codes: of every input.
        target: a bare-metal target of `codegen.targets`, or ``riscv32``, ``riscv64``.
        trace: every value instead of the outputs.
        count: whether to count instructions.
        flags: options of the generated C's compilation.
        chain: the compiler; the first of `toolchains` by default.
        emulator: ``qemu`` or ``unicorn``; the first of `executors` by default.
        stack: bytes of stack, rounded up to pages of 4096.
        timeout: seconds for the emulator; ten minutes by default, and one more a sample.

    Raises:
        ValueError: unknown target, or no tool; says what to install.
        RuntimeError: the compiler's complaint, or a fault of the program, with what and where.
        TimeoutError: the emulator did not end.
    """
    machine = edge_target(target)
    chain = chain or toolchains(machine)[0]
    at_hand = executors(machine)
    if emulator and emulator not in at_hand:
        raise ValueError(f"emulator {emulator!r} is not at hand for {machine.name}: use {', '.join(at_hand)}")
    name, execute = at_hand[emulator or next(iter(at_hand))]
    samples, board = samples_of(graph, codes), BOARDS[machine.name]
    with tempfile.TemporaryDirectory(prefix="hwsim-") as temporary:
        folder = Path(temporary)
        (folder / "hw_in").write_bytes(stream(graph, codes))
        image = build_firmware(graph, folder, machine, chain, flags, trace=trace, stack=stack)
        elf = read_elf(image)
        rows = execute(image, board, count=count, timeout=timeout or TIMEOUT + MORE * samples)
        used = stack_used(folder / "hw_report", elf, machine.name)
        values = split(graph, (folder / "hw_out").read_bytes(), samples, trace=trace)
    tool = f"{chain.name} {' '.join(flags)}, {name}"
    return EdgeRun(tool, values, None if rows is None else counts_of(elf, rows, samples), used)


def run_on_edge(graph: Graph, codes: Mapping[str, Codes], trace: bool, target: str) -> Iterator[Ran]:
    """The engine called `target`: what ships is counted, the build that shows every value is not."""
    ran = run_edge(graph, codes, target, trace=trace, count=not trace)
    yield Ran(ran.tool, ran.values, ran.counts.per_sample if ran.counts else None)
