"""Generated folders on disk, and commands that are run in them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from codegen import emit_c_folder
from codegen.program import ports_of
from hwsim.graph import Graph
from hwsim.simulation import simulate

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wcast-align", "-Wundef", "-pedantic", "-Werror")


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def folder_of(path: Path, graph: Graph, inputs: Mapping[str, Any], **settings: Any) -> Path:
    return write(path, emit_c_folder(graph, samples=inputs, **settings))


def run(*command: object, cwd: Path, status: int | None = 0) -> str:
    """What a command writes; its status must be `status`, None takes any."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    assert status is None or done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def literals(values: Any) -> str:
    return "{" + ", ".join(str(int(v)) for v in np.asarray(values).reshape(-1)) + "}"


def first_sample(graph: Graph, inputs: Mapping[str, Any], at: int = 0) -> tuple[list[str], list[str], str]:
    """Declarations and arguments of sample `at`, and the condition that every output code is right."""
    want, checks, texts, arguments = simulate(graph, inputs), [], [], []
    ports = ports_of(graph)
    for k, (_, v) in enumerate(ports):
        name, ctype = f"{graph.name}_{at}_{k}", f"{v.type.fmt.dtype.name}_t"
        arguments.append(name)
        if k < len(graph.inputs):
            codes = inputs[v.name][at] if v.type.batched else inputs[v.name]
            texts.append(f"static const {ctype} {name}[] = {literals(codes)};")
            continue
        codes = want[v.name][at] if v.type.batched else want[v.name]
        texts += [f"static {ctype} {name}[{codes.size}];", f"static const {ctype} want_{name}[] = {literals(codes)};"]
        checks.append(f"memcmp({name}, want_{name}, sizeof {name}) == 0")
    return texts, arguments, " && ".join(checks)
