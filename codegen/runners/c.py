"""Compile a Graph's C on this machine and run it as a program of its own: a crash there is an error here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hwsim.formats import Codes
from hwsim.graph import Graph, Value

from ..c import emit_c, interface
from ..program import prefix_of
from ..render import render

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compilers() -> dict[str, list[str]]:
    """Commands of the C compilers at hand: gcc, clang (or the clang inside `ziglang`), cc."""
    found = {name: [path] for name in ("gcc", "clang", "cc") if (path := shutil.which(name))}
    if "clang" not in found and _has_ziglang():
        found["clang"] = [sys.executable, "-m", "ziglang", "cc"]
    return found


def _has_ziglang() -> bool:
    try:
        import ziglang
    except ImportError:
        return False
    return bool(ziglang)


def run_c(graph: Graph, codes: Mapping[str, Codes], trace: bool) -> Iterator[tuple[str, dict[str, Codes]]]:
    """The first compiler found, -O2, all warnings errors."""
    found = compilers()
    if not found:
        raise ValueError(
            "no C compiler found: install gcc or clang (Debian: apt-get install gcc), or pip install ziglang"
        )
    name, command = next(iter(found.items()))
    yield f"{name} -O2 -std=c99", compile_and_run(graph, codes, command, ("-O2", *STRICT), trace=trace)


def compile_and_run(
    graph: Graph, codes: Mapping[str, Codes], compiler: Sequence[str], flags: Sequence[str], *, trace: bool
) -> dict[str, Codes]:
    """Outputs (and with `trace` every value) of the compiled program for all samples.

    Raises:
        RuntimeError: the compiler's or the program's first lines of complaint.
    """
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        program = build(graph, Path(folder), compiler, flags, trace=trace)
        samples = max((len(codes[v.name]) for v in graph.inputs if v.type.batched), default=1)
        done = subprocess.run([program], input=_stream(graph, codes, samples), capture_output=True)
    if done.returncode:
        raise RuntimeError(f"generated program exited {done.returncode}: {done.stderr.decode(errors='replace')[:800]}")
    return _split(graph, done.stdout, samples, trace=trace)


def build(graph: Graph, folder: Path, compiler: Sequence[str], flags: Sequence[str], *, trace: bool) -> Path:
    """Write sources and a driver into `folder`, compile; the program's path."""
    sources = emit_c(graph, trace=trace)
    sources["hw_driver.c"] = render("c", "driver", prefix=prefix_of(graph), trace=trace, **interface(graph))
    for name, text in sources.items():
        (folder / name).write_text(text)
    files = [str(folder / name) for name in sources if name.endswith(".c")]
    command = [*compiler, *flags, "-o", str(folder / "hw_program"), *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{' '.join(compiler[-1:])} refused the generated C: {done.stderr[:2000]}")
    return folder / "hw_program"


def _stream(graph: Graph, codes: Mapping[str, Codes], samples: int) -> bytes:
    """All inputs of sample 0, then of sample 1, ..."""
    if not graph.inputs:
        raise ValueError("the C runner needs a graph with at least one input")
    rows = []
    for v in graph.inputs:
        a = codes[v.name] if v.type.batched else np.broadcast_to(codes[v.name], (samples, *codes[v.name].shape))
        rows.append(np.asarray(a, order="C").reshape(samples, -1).view(np.uint8))
    return np.concatenate(rows, axis=1).tobytes()


def _split(graph: Graph, data: bytes, samples: int, *, trace: bool) -> dict[str, Codes]:
    """The program's output, sample by sample: with `trace` every computed value, then the outputs."""
    values = [*([v for n in graph.nodes for v in n.outs] if trace else []), *dict.fromkeys(graph.outputs)]
    sizes = [v.type.elements * v.type.fmt.dtype.itemsize for v in values]
    if len(data) != samples * sum(sizes):
        raise RuntimeError(f"generated program wrote {len(data)} bytes, expected {samples} x {sum(sizes)}")
    rows = np.frombuffer(data, np.uint8).reshape(samples, -1)
    ends = np.cumsum(sizes)
    return {v.name: _codes(v, rows[:, end - size : end]) for v, size, end in zip(values, sizes, ends, strict=True)}


def _codes(v: Value, raw: Codes) -> Codes:
    flat = np.asarray(raw, order="C").view(v.type.fmt.dtype)
    return flat.reshape(len(flat), *v.type.sample_shape) if v.type.batched else flat[0].reshape(v.type.sample_shape)
