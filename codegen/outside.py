"""An outside model in the engine that it was made for, beside ours: where, by how much and why do they differ?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes
from hwsim.graph import Graph, Value
from hwsim.inputs import as_codes
from hwsim.store import load

from .explanation import Explanation, explain_codes
from .runners import RUNNERS

Named = dict[str, Codes]


def _litert(data: bytes, graph: Graph, inputs: Mapping[str, Codes]) -> Named:
    from .runners.litert import run_litert

    return _tensors(run_litert, data, graph, inputs)


def _tflm(data: bytes, graph: Graph, inputs: Mapping[str, Codes]) -> Named:
    from .runners.tflm import run_tflm

    return _tensors(run_tflm, data, graph, inputs)


def _ort(data: bytes, graph: Graph, inputs: Mapping[str, Codes]) -> Named:
    """Only codes are asked for: an exposed real would hinder the fusions whose arithmetic is in question."""
    from .onnx_file import integer_results
    from .runners.ort_model import run_ort_model

    taken, made, batch = integer_results(data)
    wanted = {v.name: v.type.fmt.dtype for n in graph.nodes for v in n.outs if v.name in made}
    feeds = {v.name: inputs[v.name] if v.name in taken else reals(v, inputs[v.name]) for v in graph.inputs}
    samples = len(next(iter(feeds.values())))
    if batch and samples % batch:
        raise ValueError(f"ort: the file takes {batch} samples at once; {samples} are no multiple of it")
    steps = range(0, samples, batch or samples)
    parts = [run_ort_model(data, {k: x[i : i + (batch or samples)] for k, x in feeds.items()}, wanted) for i in steps]
    return {name: np.concatenate([p[name] for p in parts]) for name in wanted}


def reals(v: Value, codes: Codes) -> NDArray[np.float32]:
    """Float32 numbers that QuantizeLinear turns into `codes`."""
    t = v.type
    return np.asarray((t.fmt.to_int(codes) - t.along_axis(t.zero_point)) * t.along_axis(t.lsb), np.float32)


def _tensors(run: Callable[..., Named], data: bytes, graph: Graph, inputs: Mapping[str, Codes]) -> Named:
    """Samples one after another: each is a step where the model has states."""
    given = [inputs[v.name][:, None] for v in graph.inputs if v.name not in graph.states]
    found = run(data, given)
    return {name: x.reshape(len(x), *x.shape[2:]) if x.ndim > 1 else x for name, x in found.items()}


OUTSIDE: dict[str, tuple[str, Callable[[bytes, Graph, Mapping[str, Codes]], Named]]] = {
    "litert": (".tflite", _litert),
    "tflm": (".tflite", _tflm),
    "ort": (".onnx", _ort),
}
"""Engine -> the files that it takes, and how it runs them; every other engine runs what we emit."""
READERS = (".qg", ".tflite", ".onnx")


def explain(
    model: str | os.PathLike[str],
    inputs: Mapping[str, NDArray[Any]],
    *,
    against: str,
    contract: str = "",
) -> Explanation:
    """Run a model in another engine and here, and explain the first difference.

    Args:
        model: a quantized ``.tflite`` or ``.onnx``, or a ``.qg``.
        inputs: codes or reals of the inputs that are no states, first axis samples; where the model has states, the
            samples are the steps of one sequence.
        against: ``litert``, ``tflm`` (the ``.tflite`` itself), ``ort`` (an ``.onnx`` itself), or an engine that runs
            what we emit: ``c``, ``numba``, ``onnx_reference``, for a ``.tflite`` or a ``.qg`` ``ort`` too.
        contract: how we read a ``.tflite``, see `codegen.read_tflite`.

    Raises:
        ValueError: an unknown engine, one that does not take such a file, bad inputs, a file that cannot be read.
    """
    path = Path(model)
    return explain_graph(path, read_graph(path, contract), inputs, against)


def explain_graph(path: Path, graph: Graph, inputs: Mapping[str, NDArray[Any]], against: str) -> Explanation:
    """`explain` of a file that has been read as `graph`."""
    given = {v: inputs[v.name] for v in graph.inputs if v.name in inputs}
    wanted = [v.name for v in graph.inputs if v.name not in graph.states]
    if sorted(inputs) != sorted(wanted):
        raise ValueError(f"inputs are {sorted(inputs)}, {path.name} has {sorted(wanted)}")
    codes = {v.name: as_codes(v, x) for v, x in given.items()}
    if len({len(x) for x in codes.values()}) != 1:
        raise ValueError(f"numbers of samples must be equal, got { {n: len(x) for n, x in codes.items()} }")
    complete, theirs = _codes(path, graph, against, codes)
    return explain_codes(graph, against, complete, theirs)


def read_graph(path: Path, contract: str = "") -> Graph:
    """The integer graph of a ``.qg`` or of a quantized outside model; ValueError for any other file."""
    suffix = path.suffix.lower()
    if contract and suffix != ".tflite":
        raise ValueError(f"{path.name}: a contract can be chosen for a .tflite alone; this file says its own")
    if suffix == ".tflite":
        from .tflite_reader import read_tflite

        return read_tflite(path, contract or "tfl_single")
    if suffix == ".qg":
        return load(path)
    if suffix == ".onnx":
        from .onnx_reader import read_onnx

        read = read_onnx(path)
        if isinstance(read, Graph):
            return read
        raise ValueError(
            f"{path.name}: is a float model; quantize it first, hwsim build {path.name} --calibrate data.npz"
        )
    raise ValueError(f"{path.name}: is none of {', '.join(READERS)}")


def _codes(path: Path, graph: Graph, engine: str, inputs: Mapping[str, Codes]) -> tuple[Named, Named]:
    """Codes of every input, states included, and of all that the engine computed."""
    suffix, run = OUTSIDE.get(engine, ("", None))
    if run and (engine not in RUNNERS or path.suffix.lower() == suffix):
        if path.suffix.lower() != suffix:
            raise ValueError(f"{engine} runs {suffix} files, {path.name} is none")
        theirs = run(path.read_bytes(), graph, inputs)
        return {**inputs, **_before(graph, theirs)}, theirs
    if engine not in RUNNERS:
        raise ValueError(f"engine {engine!r} is unknown: use one of {', '.join(dict.fromkeys((*OUTSIDE, *RUNNERS)))}")
    samples = len(next(iter(inputs.values())))
    start = {n: np.repeat(s.initial[None], samples, 0) for n, s in graph.states.items()}
    *_, ran = RUNNERS[engine](graph, {**inputs, **start}, True)
    return {**inputs, **start}, ran.values


def _before(graph: Graph, theirs: Named) -> Named:
    """States before each step: the initial ones, then what the engine left."""
    return {
        name: np.concatenate([s.initial[None], theirs[s.output][:-1].reshape(-1, *s.initial.shape)])
        for name, s in graph.states.items()
    }
