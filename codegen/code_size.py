"""Bytes of compiled code: of an image that is linked for a microcontroller, or of this machine's own objects."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hwsim.graph import Graph

from .c import emit_c
from .program import prefix_of
from .runners.c import compilers
from .targets import target_named

FLAGS = ("-O2",)


@dataclass(frozen=True, kw_only=True)
class CodeSize:
    """What a compiler made of a model.

    Args:
        tool: compiler and flags.
        code: bytes of instructions.
        flash, ram: bytes of the linked image, constants and arenas included; None where nothing is linked.
        stack: most bytes of stack of a call, None where the compiler does not say.
    """

    tool: str
    code: int
    flash: int | None
    ram: int | None
    stack: int | None


def code_size(graph: Graph, target: str) -> CodeSize:
    """Compile the release build.

    Raises:
        ValueError: unknown target, no compiler for it, or more than its board holds.
        RuntimeError: the compiler's complaint.
    """
    if not target_named(target).gcc:
        return _host(graph, target)
    from .runners.edge.image import image  # Why here: it needs what only cross compilers need

    made = image(graph, target, FLAGS)
    code = sum(size for _, size in made.functions)
    return CodeSize(tool=made.tool, code=code, flash=made.flash, ram=made.ram, stack=made.stack)


def _host(graph: Graph, target: str) -> CodeSize:
    found = compilers()
    if not found or not shutil.which("size"):
        raise ValueError("no C compiler with binutils found: install gcc (Debian: apt-get install gcc)")
    name, command = next(iter(found.items()))
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        for file, text in emit_c(graph, target=target).items():
            (Path(folder) / file).write_text(text)
        _run([*command, *FLAGS, "-std=c99", "-c", "-o", "model.o", f"{prefix_of(graph)}.c"], folder)
        sizes = _run(["size", "model.o"], folder).splitlines()[-1].split()
    return CodeSize(
        tool=f"{name} {' '.join(FLAGS)}, this machine", code=int(sizes[0]), flash=None, ram=None, stack=None
    )


def _run(command: list[str], folder: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name}: {done.stderr.strip()[:2000]}")
    return done.stdout
