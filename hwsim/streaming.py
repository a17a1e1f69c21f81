"""Run a graph with states over sequences: each step's state outputs are the next step's state inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import Codes
from .graph import Graph
from .simulation import simulate

Step = Callable[[Graph, Mapping[str, NDArray[Any]]], Mapping[str, Codes]]


def stream(
    graph: Graph,
    inputs: Mapping[str, NDArray[Any]],
    *,
    states: Mapping[str, Codes] | None = None,
    trace: bool = False,
    step: Step | None = None,
) -> dict[str, Codes]:
    """Codes of every output at every step; a graph without states computes each step by itself.

    Args:
        graph: the integer graph; `Graph.states` names its memory.
        inputs: one array for each input that is no state, shape (steps, samples, ...): samples are independent
            sequences, each with states of its own. Codes or reals, as `simulate` takes them.
        states: codes to start from, shape (samples, ...), by input; default are the initial codes. The state outputs
            of the last step of an earlier call continue that call.
        trace: keep every computed value, not the outputs alone.
        step: runs one step, ``step(graph, inputs)``; default is `simulate`. Other engines go in here.

    Returns:
        name -> codes, shape (steps, samples, ...), state outputs included.

    Raises:
        ValueError: no steps, unequal numbers of steps or samples, unknown states; what `simulate` raises.
    """
    arrays = {name: np.asarray(x) for name, x in inputs.items()}
    sizes = {name: x.shape[:2] for name, x in arrays.items()}
    if len(set(sizes.values())) != 1 or any(len(s) < 2 or 0 in s for s in sizes.values()):
        raise ValueError(f"steps and samples must be equal, >= 1 and the first two axes of every input, got {sizes}")
    steps, samples = next(iter(sizes.values()))
    if strange := [name for name in (states or {}) if name not in graph.states]:
        raise ValueError(f"states {strange} are unknown, graph {graph.name[:60]!r} has {sorted(graph.states)}")
    now = {n: np.broadcast_to(s.initial, (samples, *s.initial.shape)) for n, s in graph.states.items()}
    now |= states or {}
    results: dict[str, list[Codes]] = {}
    for i in range(steps):
        given = {name: x[i] for name, x in arrays.items()} | now
        out = step(graph, given) if step else simulate(graph, given, trace=trace)
        for name, codes in out.items():
            results.setdefault(name, []).append(codes)
        now = {name: out[s.output] for name, s in graph.states.items()}
    return {name: np.stack(codes) for name, codes in results.items()}
