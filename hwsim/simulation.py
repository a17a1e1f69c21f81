"""Run a graph: one loop over its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import UINT1, Codes
from .graph import Graph, Node, Value
from .qtensor import QType, check_codes, encode

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
    given = input_codes(graph, inputs, engine)
    wanted = tuple(graph.results(trace=trace))
    constants = {v.name: graph.constants[v.name].codes for v in wanted if v.name in graph.constants}
    if engine == "numba" and given and all(v.type.batched for v in graph.inputs):
        from .kernels.plans import plan_of

        plan = plan_of(graph, wanted, lambda node, *codes: run_node(node, "numba", *codes))
        results = plan.run(given, len(next(iter(given.values()))), threads)
    else:
        results = _run(graph, given, engine, {v.name for v in wanted})
    results |= {name: np.array(x, order="C") for name, x in (given | constants).items()}
    return {v.name: results[v.name] for v in (*(graph.inputs if trace else ()), *wanted)}


def _run(graph: Graph, env: Mapping[str, Codes], engine: str, wanted: set[str]) -> dict[str, Codes]:
    """The definition of a run: one loop over the nodes."""
    values = dict(env)
    last = {v.name: i for i, n in enumerate(graph.nodes) for v in n.ins}
    constants = {name: t.codes for name, t in graph.constants.items()}
    for i, node in enumerate(graph.nodes):
        codes = (constants.get(v.name, values.get(v.name)) for v in node.ins)
        for value, result in zip(node.outs, run_node(node, engine, *codes), strict=True):
            values[value.name] = result
        for v in node.ins:  # free what nobody reads any more
            if last[v.name] == i and v.name not in wanted:
                values.pop(v.name, None)
    return {name: np.array(values[name], order="C") for name in wanted & values.keys()}


def run_node(node: Node, engine: str, *codes: Codes | None) -> tuple[Codes, ...]:
    """Results of one node on one engine."""
    run = getattr(node.op, "run_fast", node.op.run) if engine == "numba" else node.op.run
    result = run(tuple(v.type for v in node.ins), *codes)
    return result if isinstance(result, tuple) else (result,)


def input_codes(graph: Graph, inputs: Mapping[str, NDArray[Any]], engine: str = "numpy") -> dict[str, Codes]:
    """Checked codes of every input; see `simulate`."""
    known = {v.name for v in graph.inputs}
    if set(inputs) != known:
        raise ValueError(f"inputs are {sorted(inputs)}, graph {graph.name[:60]!r} has {sorted(known)}")
    codes = {v.name: as_codes(v, inputs[v.name], engine) for v in graph.inputs}
    sizes = {v.name: len(codes[v.name]) for v in graph.inputs if v.type.batched}
    if len(set(sizes.values())) > 1 or 0 in sizes.values():
        raise ValueError(f"numbers of samples must be equal and >= 1, got {sizes}")
    return codes


def as_codes(value: Value, x: NDArray[Any], engine: str = "numpy") -> Codes:
    """Codes of an input from codes (integer dtype) or reals (float dtype), by dtype, never by guess."""
    x, t, what = np.asarray(x), value.type, f"input {value.name[:60]!r}"
    if x.shape[t.batched :] != t.sample_shape or x.ndim != len(t.shape):
        raise ValueError(f"{what}: shape {x.shape} does not match {t.shape}")
    if x.dtype.kind == "f" and engine == "numba" and (quick := _encoded(x, t)) is not None:
        return quick
    if x.dtype.kind == "f":
        if not np.isfinite(x).all():
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
            raise ValueError(f"{what}: {x[at]} at index {at}; only finite numbers can be quantized")
        if t.fmt == UINT1 and (strange := x[~np.isin(x, (0, t.scale))]).size:
            raise ValueError(f"{what}: holds {strange[0]:g} ({strange.size} such); a mask holds 0 and 1 alone")
        return encode(x.astype(np.float64), t)
    if x.dtype.kind == "b" and t.fmt == UINT1:
        x = x.astype(t.fmt.dtype)
    if x.dtype.kind not in "iu":
        raise ValueError(f"{what}: dtype {x.dtype}; give codes as integers or reals as floats")
    check_codes(x, t.fmt, what)
    return x.astype(t.fmt.dtype)


def _encoded(x: NDArray[Any], t: QType) -> Codes | None:
    """`as_codes` of reals, compiled; None where something is to be said of them."""
    from .kernels.encoding import encoded

    return None if t.fmt == UINT1 else encoded(x, t)
