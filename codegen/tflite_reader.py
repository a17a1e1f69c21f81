"""A quantized ``.tflite`` -> Graph, with the bits of the engine that a contract names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hwsim.graph import Graph

from .tflite.context import FORMATS, Operator, Reading, Subgraph
from .tflite.layers import LAYERS
from .tflite.movement import MOVEMENT
from .tflite.schema import subgraphs
from .tflite.state import STATE, finish
from .unsupported import Unsupported, problem

try:
    from .tflite.nonlinear import NONLINEAR
except ModuleNotFoundError:
    NONLINEAR = {}
CONVERTERS: dict[str, Callable[[Reading, Operator], None]] = {**LAYERS, **MOVEMENT, **STATE, **NONLINEAR}
ENGINES = {"tfl_single": "LiteRT's reference kernels", "tflm_double": "TFLM"}


def read_tflite(source: str | os.PathLike[str] | bytes, contract: str = "tfl_single") -> Graph:
    """The integer graph of an int8 model; values have the names of the file's tensors, the batch is ``N``.

    Args:
        source: path or content of the file.
        contract: ``tfl_single`` for the bits of LiteRT's reference kernels (``OpResolverType.BUILTIN_REF``),
            ``tflm_double`` for those of TFLM.

    Returns:
        Graph; variables are inputs and outputs, paired in `Graph.states`. A float input that is quantized at once and a
        float output that was just dequantized are the codes.

    Raises:
        Unsupported: everything that cannot be read, at once.
        ValueError: no valid file.
    """
    if contract not in ENGINES:
        raise ValueError(f"contract {contract!r} is unknown: use one of {', '.join(ENGINES)}")
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    what = "the .tflite" if isinstance(source, bytes) else Path(source).name
    found = subgraphs(data)
    if not found:
        raise ValueError(f"{what}: no subgraph")
    main, *others = found
    graph = Graph("model" if isinstance(source, bytes) else Path(source).stem)
    graph.recipe = {"read": "tflite", "contract": contract}
    return _read(what, Reading(graph=graph, contract=contract, tensors=main.tensors, others=tuple(others)), main)


def _read(what: str, r: Reading, main: Subgraph) -> Graph:
    problems = [_position(o) for o in main.operators if o.kind not in (*CONVERTERS, "DEQUANTIZE")]
    if problems:
        known = ", ".join(CONVERTERS)
        raise Unsupported(what, [problem(p, "is not taken", f"known: {known}") for p in problems])
    try:
        for i in main.inputs:
            if r.tensor(i).kind in FORMATS:
                r.values[i] = r.graph.input(r.name(i), r.type(i))
    except ValueError as e:
        raise ValueError(f"{what}: inputs: {e}") from None
    sources: dict[int, int] = {}  # of DEQUANTIZE: its result -> the codes
    for op in main.operators:
        _convert(what, r, op, sources)
    try:
        r.graph.output(*dict.fromkeys(r.value(sources.get(i, i)) for i in main.outputs))
        finish(r)
    except ValueError as e:
        raise ValueError(f"{what}: outputs: {e}") from None
    return r.graph


def _convert(what: str, r: Reading, op: Operator, sources: dict[int, int]) -> None:
    try:
        if op.kind == "DEQUANTIZE":
            sources[op.outs[0]] = op.ins[0]
        else:
            CONVERTERS[op.kind](r, op)
    except ValueError as e:
        raise Unsupported(what, [problem(_position(op), str(e))]) from None
    except (IndexError, KeyError, TypeError) as e:  # a damaged operator lacks inputs or options
        reason = f"lacks inputs, results or options: {type(e).__name__}: {e}"
        raise Unsupported(what, [problem(_position(op), reason)]) from None


def _position(op: Operator) -> str:
    return f"operator {op.index} {op.kind}"
