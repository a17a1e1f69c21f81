"""Run a graph: one loop over its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import Codes
from .graph import Graph, Node, Value
from .inputs import input_arrays, input_codes

ENGINES = ("numpy", "numba")


def simulate(
    graph: Graph,
    inputs: Mapping[str, NDArray[Any]],
    *,
    engine: str = "numba",
    trace: bool = False,
    threads: int = 1,
) -> dict[str, Codes]:
    """Codes of the outputs of `graph`.

    Args:
        graph: the integer graph.
        inputs: one array an input, first axis samples where the input is batched. Integer arrays are codes;
            float arrays are reals and are quantized with the input's type (half to even); a mask takes bools too.
        engine: ``numpy`` is the definition, ``numba`` the same bits faster.
        trace: keep every computed value, not the outputs alone.
        threads: how many samples ``numba`` works on at a time; the codes do not depend on it.

    Returns:
        name -> codes, each in its format's container.

    Raises:
        ValueError: missing or extra inputs, wrong shape or dtype, codes outside the format, NaN or Inf.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is unknown: use one of {', '.join(ENGINES)}")
    if type(threads) is not int or threads < 1:
        raise ValueError(f"threads {threads!r} must be an integer >= 1")
    if engine == "numba" and graph.inputs and all(v.type.batched for v in graph.inputs):
        return _run_plan(graph, inputs, trace, threads)
    return _run(graph, input_codes(graph, inputs), engine, asked(graph, trace))


def asked(graph: Graph, trace: bool) -> list[Value]:
    """Values that `simulate` returns, in order."""
    return [*(graph.inputs if trace else ()), *graph.results(trace=trace)]


def _run_plan(graph: Graph, inputs: Mapping[str, NDArray[Any]], trace: bool, threads: int) -> dict[str, Codes]:
    """By the graph's plan, which encodes reals on its way."""
    from .kernels.encoding import encodes
    from .kernels.plans import plan_of

    plan = plan_of(graph, trace)
    try:
        return plan.run(input_arrays(graph, inputs, encodes), threads)
    except ValueError:
        input_codes(graph, inputs)  # says what is wrong, and of several faults the first
        raise


def _run(graph: Graph, given: Mapping[str, Codes], engine: str, wanted: Sequence[Value]) -> dict[str, Codes]:
    """The definition of a run: one loop over the nodes."""
    constants = {name: t.codes for name, t in graph.constants.items()}
    values, names = {**constants, **given}, {v.name for v in wanted}
    last = {v.name: i for i, n in enumerate(graph.nodes) for v in n.ins}
    for i, node in enumerate(graph.nodes):
        for value, result in zip(node.outs, run_node(node, engine, *(values[v.name] for v in node.ins)), strict=True):
            values[value.name] = result
        for v in node.ins:  # free what nobody reads any more
            if last[v.name] == i and v.name not in names:
                values.pop(v.name, None)
    return {v.name: np.array(values[v.name], order="C") for v in wanted}


def run_node(node: Node, engine: str, *codes: Codes | None) -> tuple[Codes, ...]:
    """Results of one node on one engine."""
    run = getattr(node.op, "run_fast", node.op.run) if engine == "numba" else node.op.run
    result = run(tuple(v.type for v in node.ins), *codes)
    return result if isinstance(result, tuple) else (result,)
