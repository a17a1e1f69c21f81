"""Build a bare-metal image: generated C, the driver, and the little that a machine without a system needs."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from hwsim.graph import Graph

from ...targets import Target
from ..c import STRICT
from ..driver import DRIVER, sources
from .boards import BOARDS, linker_script
from .toolchains import Toolchain

HEADERS = ("host.h", "stdio.h")
MEMORY = "memory.c"


def build_firmware(
    graph: Graph, folder: Path, target: Target, chain: Toolchain, flags: Sequence[str], *, trace: bool, stack: int
) -> Path:
    """The path of an image that runs all samples of ``hw_in`` and writes ``hw_out`` and ``hw_report``.

    Args:
        graph: what runs.
        folder: where everything is written.
        target: a bare-metal target.
        chain: its compiler.
        flags: of the generated C, such as ``-O3``.
        trace: the build that shows every value.
        stack: bytes of stack.

    Raises:
        RuntimeError: what the compiler or the linker complains of.
    """
    objects = compile_model(graph, folder, target, chain, flags, trace=trace)
    start = "start_riscv.c" if target.name.startswith("riscv") else "start_arm.c"
    objects += compile_bare((MEMORY, "host.c", start), folder, chain)
    return link(objects, folder, target, chain, entry="hw_reset", stack=stack)


def compile_model(
    graph: Graph, folder: Path, target: Target, chain: Toolchain, flags: Sequence[str], *, trace: bool
) -> list[Path]:
    """Objects of the generated C and of its driver, the driver last; every warning is an error."""
    texts = sources(graph, target=target.name, trace=trace) | {name: _bare(name) for name in HEADERS}
    for name, text in texts.items():
        (folder / name).write_text(text)
    names = sorted((n for n in texts if n.endswith(".c")), key=lambda n: n == DRIVER)
    return _compile(names, folder, chain, (*STRICT, *flags))


def compile_bare(names: Sequence[str], folder: Path, chain: Toolchain) -> list[Path]:
    """Objects of our own files."""
    for name in names:
        (folder / name).write_text(_bare(name))
    return _compile(names, folder, chain, ("-O2",))


def link(objects: Sequence[Path], folder: Path, target: Target, chain: Toolchain, *, entry: str, stack: int) -> Path:
    """An image of `objects` and the compiler's own arithmetic, nothing else; what `entry` does not need is left out."""
    (folder / "board.ld").write_text(linker_script(BOARDS[target.name], stack))
    image = folder / f"{entry}.elf"
    options = ("-nostdlib", "-Wl,-T,board.ld", "-Wl,--gc-sections", f"-Wl,-e,{entry}", f"-Wl,-u,{entry}")
    command = [*chain.command, *options, "-o", image.name, *(o.name for o in objects)]
    for libraries in chain.libraries[:-1]:
        if not subprocess.run([*command, *libraries], capture_output=True, cwd=folder).returncode:
            return image
    _run([*command, *chain.libraries[-1]], folder)
    return image


def _bare(name: str) -> str:
    return (files(__package__) / "bare" / name).read_text()


def _compile(names: Sequence[str], folder: Path, chain: Toolchain, flags: Sequence[str]) -> list[Path]:
    for together in [names] if chain.gcc else [[name] for name in names]:  # zig makes one object a call
        _run([*chain.command, *chain.freestanding, *flags, "-I.", "-c", *together], folder)
    return [(folder / name).with_suffix(".o") for name in names]


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        told = done.stderr.strip() or done.stdout.strip()
        if full := next((line for line in told.splitlines() if "overflowed by" in line), None):
            raise ValueError(f"the image does not fit its board: {full.strip()}")
        raise RuntimeError(f"{Path(command[0]).name}: {told[:2000]}")
