"""Graph -> a folder that builds as it is: the C files, Makefile, CMakeLists.txt, an example, a self-test, a README."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim import __version__
from hwsim.formats import Codes
from hwsim.graph import Graph, Value
from hwsim.inputs import input_codes
from hwsim.simulation import simulate

from .c import emit_c, files, footprint, interface
from .program import Program, ports_of, prefix_of
from .render import render
from .targets import Target, target_named
from .views.c_view import ctype, literal

VECTORS = 4  # samples of the self-test
VECTOR_BYTES = 1 << 16  # fewer samples where they take more than this


def emit_c_folder(
    graph: Graph, *, samples: Mapping[str, NDArray[Any]], target: str = "generic", reentrant: bool = False
) -> dict[str, str]:
    """Every file of the folder: path -> text.

    Args:
        graph: the integer graph.
        samples: inputs as for `hwsim.simulate`; the first few become the vectors of the self-test.
        target: see `codegen.targets`.
        reentrant: see `codegen.emit_c`.

    Raises:
        ValueError: unknown target, bad samples.
    """
    machine = target_named(target)
    sources = emit_c(graph, target=target, reentrant=reentrant)
    view = _view(graph, machine, reentrant) | _vectors(graph, samples)
    view["headers"] = [name for name in sources if name.endswith(".h")]
    names = {
        "Makefile": "makefile",
        "CMakeLists.txt": "cmake",
        "README.md": "readme",
        "selftest.c": "selftest",
        "examples/main.c": "example",
    }
    return sources | {path: render("c", template, **view) for path, template in names.items()}


def emit_cmsis_nn(graph: Graph, *, target: str = "generic") -> dict[str, str]:
    """C whose convolutions, matrix products and pools are calls of CMSIS-NN, and a README: path -> text.

    Steps that no call can make keep our own C; CMSIS-NN itself is the user's.

    Raises:
        ValueError: unknown target, or no step can be a call.
    """
    program = Program.of(graph, target_named(target), trace=False, cmsis=True)
    sources = files(program)
    calls = Counter(step.cmsis["function"] for step in program.steps if step.cmsis)
    if not calls:
        raise ValueError(
            f"graph {graph.name[:60]!r}: no step can be a call of CMSIS-NN, which takes INT8 layers under tflm_double; "
            "use `hwsim emit c`, or build or read the model with --contract tflm_double"
        )
    view = _view(graph, program.target, reentrant=False)
    own = len(program.steps) - calls.total()
    return sources | {"README.md": render("c", "cmsis_readme", **view, calls=calls, own=own)}


def _view(graph: Graph, machine: Target, reentrant: bool) -> dict[str, Any]:
    """What is written around the model."""
    ports = interface(graph)
    for port, (_, v) in zip(ports["inputs"] + ports["outputs"], ports_of(graph), strict=True):
        port |= {"shape": " x ".join(map(str, v.type.sample_shape)) or "1", "format": v.type.fmt.name}
    names = [p["name"] for p in ports["inputs"] + ports["outputs"]]
    memory = ["&memory"] if reentrant else []
    command = machine.gcc[0] if machine.gcc else ""
    native = machine.kernels == "x86"
    return ports | {
        "version": __version__,
        "prefix": prefix_of(graph),
        "machine": machine.name,
        "cross": bool(machine.gcc),
        "compiler": command,
        "archiver": f"{command.removesuffix('gcc')}ar",
        "options": ("-ffreestanding", *machine.gcc[1:]) if machine.gcc else ("-march=native",) if native else (),
        "optimize": "-O3" if machine.kernels != "scalar" else "-O2",
        "context": {} if reentrant else None,
        "memory": footprint(graph, machine.name),
        "contracts": _contracts(graph),
        "buffers": memory + [f"buffer_{n}" for n in names],
        "arguments": memory
        + [f"in_{p['name']}[s]" for p in ports["inputs"]]
        + [f"got_{p['name']}" for p in ports["outputs"]],
    }


def _contracts(graph: Graph) -> list[str]:
    """Each contract once, as ``dyadic16 half_even``."""
    used = [c for n in graph.nodes if (c := getattr(n.op, "contract", None))]
    return list(dict.fromkeys(f"{c.name} {getattr(c, 'rounding', '')}".rstrip() for c in used))


def _vectors(graph: Graph, samples: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Arrays of the self-test: codes of inputs and of outputs, a few samples."""
    codes = input_codes(graph, samples)
    given = next((len(codes[v.name]) for v in graph.inputs if v.type.batched), 1)
    size = sum(v.type.elements * v.type.fmt.dtype.itemsize for _, v in ports_of(graph))
    n = max(1, min(given, VECTORS, VECTOR_BYTES // max(size, 1)))
    codes = {v.name: codes[v.name][:n] if v.type.batched else codes[v.name] for v in graph.inputs}
    want = simulate(graph, codes)
    ports = ports_of(graph)
    arrays = [_array(f"in_{name}", v, codes[v.name], n) for name, v in ports[: len(graph.inputs)]]
    arrays += [_array(f"want_{name}", v, want[v.name], n) for name, v in ports[len(graph.inputs) :]]
    return {"samples": n, "arrays": arrays}


def _array(name: str, v: Value, codes: Codes, samples: int) -> dict[str, Any]:
    rows = codes if v.type.batched else np.broadcast_to(codes, (samples, *codes.shape))
    texts = [[literal(int(c)) for c in np.asarray(row).reshape(-1)] for row in rows]
    lines = [[", ".join(t[i : i + 16]) for i in range(0, len(t), 16)] for t in texts]
    return {"name": name, "ctype": ctype(v.type.fmt), "size": v.type.elements, "samples": lines}
