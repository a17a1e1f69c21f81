"""A quantized ``.tflite`` -> Graph, with the bits of the engine that a contract names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hwsim.graph import Graph

from .tflite.context import FORMATS, Operator, Reading, Subgraph
from .tflite.layers import LAYERS
from .tflite.movement import MOVEMENT
from .tflite.nonlinear import NONLINEAR
from .tflite.schema import subgraphs
from .tflite.state import STATE, finish
from .unsupported import Unsupported, problem

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
    main, *others = _subgraphs(what, data)
    graph = Graph("model" if isinstance(source, bytes) else Path(source).stem)
    graph.recipe = {"read": "tflite", "contract": contract}
    return _read(what, Reading(graph=graph, contract=contract, tensors=main.tensors, others=tuple(others)), main)


def _subgraphs(what: str, data: bytes) -> tuple[Subgraph, ...]:
    """At least one; errors name the file."""
    try:
        found = subgraphs(data)
    except Unsupported as e:
        raise Unsupported(what, e.problems) from None
    except ValueError as e:
        raise ValueError(f"{what}: {e}") from None
    if not found:
        raise ValueError(f"{what}: no subgraph")
    return found


def _read(what: str, r: Reading, main: Subgraph) -> Graph:
    if problems := [p for op in main.operators for p in _refused(r, op)]:
        raise Unsupported(what, problems)
    try:
        for i in main.inputs:
            if r.tensor(i).kind in FORMATS:
                r.values[i] = r.graph.input(r.name(i), r.type(i))
    except ValueError as e:
        raise ValueError(f"{what}: inputs: {e}") from None
    sources: dict[int, int] = {}  # of DEQUANTIZE: its result -> the codes
    lost: set[int] = set()  # what no operator could make, so that each cause is named once
    for op in main.operators:
        if lost.isdisjoint(op.ins):
            problems += _convert(r, op, sources)
        lost.update(i for i in op.outs if not (i in r.values or i in r.handles or i in sources))
    if problems:
        raise Unsupported(what, problems)
    try:
        r.graph.output(*dict.fromkeys(r.value(sources.get(i, i)) for i in main.outputs))
        finish(r)
    except ValueError as e:
        raise ValueError(f"{what}: outputs: {e}") from None
    return r.graph


def _refused(r: Reading, op: Operator) -> list[str]:
    """What can be said of an operator without what comes before it: an unknown kind, real numbers."""
    if op.kind not in (*CONVERTERS, "DEQUANTIZE"):
        return [problem(_position(op), "is not taken", f"known: {', '.join(CONVERTERS)}")]
    looked_at = {"QUANTIZE": op.outs, "DEQUANTIZE": op.ins}.get(op.kind, (*op.ins, *op.outs))
    found = [r.tensors[i] for i in looked_at if 0 <= i < len(r.tensors) and r.tensors[i].kind.startswith("FLOAT")]
    if not found:
        return []
    names = ", ".join(f"{t.name[:60]!r} {t.kind}" for t in found)
    return [problem(_position(op), f"computes with {names}", "quantize the whole model to integers")]


def _convert(r: Reading, op: Operator, sources: dict[int, int]) -> list[str]:
    """Add one operator to the graph; what is wrong with it."""
    try:
        if op.kind == "DEQUANTIZE":
            sources[op.outs[0]] = op.ins[0]
        else:
            CONVERTERS[op.kind](r, op)
    except ValueError as e:
        return [problem(_position(op), str(e))]
    except (IndexError, KeyError, TypeError) as e:  # a damaged operator lacks inputs or options
        return [problem(_position(op), f"lacks inputs, results or options: {type(e).__name__}: {e}")]
    return []


def _position(op: Operator) -> str:
    return f"operator {op.index} {op.kind}"
