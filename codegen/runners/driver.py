"""What the driver program reads and writes: all inputs of a sample, then all its results, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwsim.formats import Codes
from hwsim.graph import Graph, Value

from ..c import emit_c, interface
from ..program import prefix_of
from ..render import render

DRIVER = "hw_driver.c"


def sources(graph: Graph, *, target: str = "generic", trace: bool) -> dict[str, str]:
    """The generated C and a program that runs it over standard input: file name -> text."""
    driver = render("c", "driver", prefix=prefix_of(graph), trace=trace, **interface(graph))
    return emit_c(graph, target=target, trace=trace) | {DRIVER: driver}


def samples_of(graph: Graph, codes: Mapping[str, Codes]) -> int:
    """How many samples `codes` hold."""
    return max((len(codes[v.name]) for v in graph.inputs if v.type.batched), default=1)


def stream(graph: Graph, codes: Mapping[str, Codes]) -> bytes:
    """All inputs of sample 0, then of sample 1, ..."""
    if not graph.inputs:
        raise ValueError("the C runner needs a graph with at least one input")
    rows, samples = [], samples_of(graph, codes)
    for v in graph.inputs:
        a = codes[v.name] if v.type.batched else np.broadcast_to(codes[v.name], (samples, *codes[v.name].shape))
        rows.append(np.asarray(a, order="C").reshape(samples, -1).view(np.uint8))
    return np.concatenate(rows, axis=1).tobytes()


def split(graph: Graph, data: bytes, samples: int, *, trace: bool) -> dict[str, Codes]:
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
