"""LiteRT, TFLM and ONNX Runtime as engines that can be timed, one thread each, and an empty model in each of them."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hwsim.formats import INT8, Codes
from hwsim.graph import Graph, Value
from hwsim.ops import Reshape
from hwsim.qtensor import BATCH, QType, encode

from ..onnx_text import emit_onnx
from ..outside import reals
from ..tflite.context import FORMATS, Tensor
from ..tflite.empty import SIZE, empty_model
from ..tflite.schema import subgraphs
from ..views.onnx_types import carrier
from .tflm import ARENA
from .timed import Timed

CALLERS = ("LiteRT", "TFLM", "ONNX Runtime")
LITERT = {
    "LiteRT, XNNPACK": "AUTO",
    "LiteRT, built-in": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "LiteRT, reference": "BUILTIN_REF",
}
"""Name -> attribute of ``OpResolverType``."""


def timed_litert(model: bytes, resolver: str) -> Timed:
    """A ``.tflite`` in LiteRT; `resolver` is a key of `LITERT`."""
    from ai_edge_litert import interpreter as litert

    kind = getattr(litert.OpResolverType, LITERT[resolver])
    engine = litert.Interpreter(model_content=model, experimental_op_resolver_type=kind, num_threads=1)
    engine.allocate_tensors()
    ins, outs = _ends(model)

    def step(codes: Mapping[str, Codes]) -> dict[str, Codes]:
        for t in ins:
            engine.set_tensor(t.index, codes[t.name].reshape(t.shape))
        engine.invoke()
        return {t.name: engine.get_tensor(t.index) for t in outs}

    def repeat(times: int) -> None:
        for _ in range(times):
            engine.invoke()

    return Timed(name=resolver, caller=CALLERS[0], step=step, repeat=repeat)


def timed_tflm(model: bytes) -> Timed:
    """A ``.tflite`` in TFLM."""
    engine, (ins, outs) = _tflm(model), _ends(model)

    def step(codes: Mapping[str, Codes]) -> dict[str, Codes]:
        for i, t in enumerate(ins):
            engine.set_input(codes[t.name].reshape(t.shape), i)
        engine.invoke()
        return {t.name: np.array(engine.get_output(i)) for i, t in enumerate(outs)}

    def repeat(times: int) -> None:
        for _ in range(times):
            engine.invoke()

    return Timed(name=CALLERS[1], caller=CALLERS[1], step=step, repeat=repeat)


def _ends(model: bytes) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs of the main subgraph; ValueError where one has no codes."""
    main = subgraphs(model)[0]
    ins, outs = ([main.tensors[i] for i in ends] for ends in (main.inputs, main.outputs))
    if real := [f"{t.name[:60]!r} {t.kind}" for t in (*ins, *outs) if t.kind not in FORMATS]:
        raise ValueError(f"to be timed, the .tflite must take and give codes, not {', '.join(real)}")
    return ins, outs


def _tflm(model: bytes) -> Any:
    from tflite_micro.python.tflite_micro import runtime

    return runtime.Interpreter.from_bytes(model, arena_size=ARENA)


def timed_ort(model: bytes, graph: Graph, name: str, *, real: bool = False) -> Timed:
    """An ONNX form of `graph` in ONNX Runtime, all optimisations.

    Args:
        model: content of the file, whose inputs and outputs have the graph's names.
        graph: the integer graph, without states.
        name: in words.
        real: the model takes and gives float32 numbers, not codes.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for v in graph.outputs:
        binding.bind_output(v.name)

    def step(codes: Mapping[str, Codes]) -> dict[str, Codes]:
        for v in graph.inputs:
            fed = reals(v, codes[v.name]) if real else codes[v.name].astype(carrier(v.type.fmt).dtype)
            binding.bind_ortvalue_input(v.name, ort.OrtValue.ortvalue_from_numpy(fed))
        session.run_with_iobinding(binding)
        results = zip(graph.outputs, binding.get_outputs(), strict=True)
        return {v.name: _codes(v, y.numpy()) if real else y.numpy() for v, y in results}

    def repeat(times: int) -> None:
        for _ in range(times):
            session.run_with_iobinding(binding)

    return Timed(name=name, caller=CALLERS[2], step=step, repeat=repeat)


def _codes(v: Value, real: Codes) -> Codes:
    return encode(np.asarray(real, np.float64), v.type.reshaped(real.shape))


def empty(caller: str) -> Timed:
    """A model without operators (in ONNX Runtime: a copy of four bytes); `caller` is one of `CALLERS`."""
    graph = Graph("empty")
    graph.output(graph.add(Reshape(shape=(SIZE,)), graph.input("x", QType((BATCH, SIZE), INT8))))
    if caller == CALLERS[2]:
        timed = timed_ort(emit_onnx(graph).SerializeToString(), graph, caller)
    else:
        timed = timed_tflm(empty_model()) if caller == CALLERS[1] else timed_litert(empty_model(), next(iter(LITERT)))
    timed.step({"x": np.zeros((1, SIZE), np.int8)})
    return timed


def tflm_arena(model: bytes) -> dict[str, int]:
    """Bytes of TFLM's arena where pointers take 8 bytes: ``total``, ``head`` (tensors), ``tail`` (all else)."""
    engine = _tflm(model)
    engine.invoke()
    said = _stderr_of(engine.print_allocations)
    return {part: int(n) for part, n in re.findall(r"Arena allocation (\w+) (\d+) bytes", said)}


def _stderr_of(say: Callable[[], object]) -> str:
    """What C code in `say` writes to the process's stderr."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            say()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        return file.read().decode(errors="replace")
