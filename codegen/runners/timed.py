"""Engines that can be asked for the same inference again and again: our C compiled for this machine."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwsim.formats import Codes
from hwsim.graph import Graph

from ..c import emit_c, interface
from ..program import ports_of, prefix_of
from ..render import render

Step = Callable[[Mapping[str, Codes]], dict[str, Codes]]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """An engine with a model in it.

    Args:
        name: in words.
        caller: which engine's calls cost what an empty model in it costs; empty for C, which loops by itself.
        step: one inference: codes of the inputs that are no states to codes of the outputs, by name, shape (1, ...).
            What the model keeps lives on.
        repeat: that many inferences on the last inputs, and nothing else.
    """

    name: str
    caller: str = ""
    step: Step
    repeat: Callable[[int], object]


def timed_c(
    graph: Graph, folder: Path, compiler: Sequence[str], flags: Sequence[str], *, target: str, name: str
) -> Timed:
    """Our C as a shared object. Why: engines in one process can take turns.

    Args:
        graph: the integer graph.
        folder: for sources and the object, which must outlive the engine.
        compiler: command.
        flags: how to optimise.
        target: see `codegen.targets`.
        name: in words.

    Raises:
        RuntimeError: the compiler's complaint.
    """
    repeat = getattr(ctypes.CDLL(str(_shared(graph, folder, compiler, flags, target))), f"{prefix_of(graph)}_repeat")
    buffers = {v.name: np.zeros((1, *v.type.sample_shape), v.type.fmt.dtype) for _, v in ports_of(graph)}
    pointers = [ctypes.c_void_p(buffers[v.name].ctypes.data) for _, v in ports_of(graph)]
    for state, s in graph.states.items():
        buffers[state][0] = s.initial

    def again(times: int) -> None:
        repeat(times, *pointers)
        for state, s in graph.states.items() if times % 2 else ():  # the buffers have changed places
            buffers[state][:] = buffers[s.output]

    def step(codes: Mapping[str, Codes]) -> dict[str, Codes]:
        for value, x in codes.items():
            buffers[value][:] = x
        again(1)
        return {v.name: buffers[v.name].copy() for v in graph.outputs}

    return Timed(name=name, step=step, repeat=again)


def _shared(graph: Graph, folder: Path, compiler: Sequence[str], flags: Sequence[str], target: str) -> Path:
    sources, ports = emit_c(graph, target=target), interface(graph)
    names = {v.name: port for port, v in ports_of(graph)}
    kinds = {p["name"]: p["ctype"] for p in ports["inputs"]}
    states = [(kinds[names[state]], names[state], names[s.output]) for state, s in graph.states.items()]
    sources["hw_repeat.c"] = render("c", "repeat", prefix=prefix_of(graph), states=states, **ports)
    for file, text in sources.items():
        (folder / file).write_text(text)
    files = [str(folder / file) for file in sources if file.endswith(".c")]
    command = [*compiler, *flags, "-shared", "-fPIC", "-o", str(folder / "model.so"), *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{' '.join([*compiler, *flags])} refused the generated C: {done.stderr[:2000]}")
    return folder / "model.so"
