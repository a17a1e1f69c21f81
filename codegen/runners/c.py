"""Compile a Graph's C on this machine and run it as a program of its own: a crash there is an error here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hwsim.formats import Codes
from hwsim.graph import Graph

from .driver import samples_of, sources, split, stream
from .ran import Ran

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compilers() -> dict[str, list[str]]:
    """Commands of the C compilers at hand: gcc, clang (or the clang inside `ziglang`), cc."""
    found = {name: [path] for name in ("gcc", "clang", "cc") if (path := shutil.which(name))}
    if "clang" not in found and has_ziglang():
        found["clang"] = [sys.executable, "-m", "ziglang", "cc"]
    return found


def has_ziglang() -> bool:
    """Whether the package that brings clang is installed."""
    try:
        import ziglang
    except ImportError:
        return False
    return bool(ziglang)


def run_c(
    graph: Graph, codes: Mapping[str, Codes], trace: bool, target: str = "generic", flags: Sequence[str] = ("-O2",)
) -> Iterator[Ran]:
    """The first compiler found, `flags`, all warnings errors; `target` is one that runs here."""
    found = compilers()
    if not found:
        raise ValueError(
            "no C compiler found: install gcc or clang (Debian: apt-get install gcc), or pip install ziglang"
        )
    name, command = next(iter(found.items()))
    values = compile_and_run(graph, codes, command, (*flags, *STRICT), trace=trace, target=target)
    yield Ran(f"{name} {' '.join(flags)} -std=c99", values)


def compile_and_run(
    graph: Graph,
    codes: Mapping[str, Codes],
    compiler: Sequence[str],
    flags: Sequence[str],
    *,
    trace: bool,
    target: str = "generic",
) -> dict[str, Codes]:
    """Outputs (and with `trace` every value) of the compiled program for all samples; `target` is one that runs here.

    Raises:
        RuntimeError: the compiler's or the program's first lines of complaint.
    """
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        program = build(graph, Path(folder), compiler, flags, trace=trace, target=target)
        done = subprocess.run([program], input=stream(graph, codes), capture_output=True)
    if done.returncode:
        raise RuntimeError(f"generated program exited {done.returncode}: {done.stderr.decode(errors='replace')[:800]}")
    return split(graph, done.stdout, samples_of(graph, codes), trace=trace)


def build(
    graph: Graph,
    folder: Path,
    compiler: Sequence[str],
    flags: Sequence[str],
    *,
    trace: bool,
    target: str = "generic",
) -> Path:
    """Write sources and a driver into `folder`, compile; the program's path."""
    texts = sources(graph, target=target, trace=trace)
    for name, text in texts.items():
        (folder / name).write_text(text)
    files = [str(folder / name) for name in texts if name.endswith(".c")]
    command = [*compiler, *flags, "-o", str(folder / "hw_program"), *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{' '.join(compiler[-1:])} refused the generated C: {done.stderr[:2000]}")
    return folder / "hw_program"
