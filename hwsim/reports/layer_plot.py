"""Layers of a model beside each other: signal over noise, accumulators against their bounds, energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..costs.estimates import KINDS, Estimate
from ..costs.needs import PRODUCTS
from ..formats import IntFormat
from ..graph import Graph, Value
from ..ranges import Interval
from ..simulation import simulate
from . import wording as w
from .estimate import TITLES
from .fidelity import Comparison, batches
from .figure import COLORS, new_figure, tidy
from .layers import bits_needed

MOST, PARTS = 70, 40  # layers with a name of their own; else marks of where a part of the model begins


def plot_sqnr(found: Mapping[str, Comparison]) -> Any:
    """A Figure: SQNR of each value in the graph's order, moved ones left out, a line a comparison."""
    names = list(dict.fromkeys(n for c in found.values() for n, f in c.distinct().items() if f.sqnr_db is not None))
    if not names:
        raise ValueError("plot: no value has an SQNR; compare a graph with its float model: hwsim.reports.compare")
    named = len(names) <= MOST
    figure = new_figure(min(max(6.0, 0.2 * len(names) + 1.5), 13), 3.6 if named else 2.8)
    at = figure.subplots()
    for i, (title, c) in enumerate(found.items()):
        known = [c.fidelity[n].sqnr_db if n in c.fidelity else None for n in names]
        y = [np.nan if v is None else v for v in known]
        at.plot(range(len(names)), y, ".-", color=COLORS[i % len(COLORS)], linewidth=1, markersize=5, label=title)
    _name(at, names, named)
    at.set_ylabel("SQNR against float, dB", fontsize=9)
    at.grid(axis="y", alpha=0.3)
    if len(found) > 1:
        at.legend(frameon=False, fontsize=8)
    return figure


def plot_accumulators(graph: Graph, inputs: Mapping[str, NDArray[Any]] | None = None) -> Any:
    """A Figure: bits of each accumulator: what it has, what its proof needs, what samples reached."""
    made = [n.outs[0] for n in graph.nodes if isinstance(n.op, PRODUCTS) and isinstance(n.outs[0].type.fmt, IntFormat)]
    if not made:
        raise ValueError(f"plot: graph {graph.name[:60]!r} has no matmul or convolution with an integer accumulator")
    figure = new_figure(7.5, 0.2 * len(made) + 1.3)
    at, places = figure.subplots(), np.arange(len(made))
    at.barh(
        places, [v.type.fmt.bits for v in made], 0.8, color="none", edgecolor="#999999", linewidth=0.6, label="declared"
    )
    proven = [bits_needed(graph.reach[v.name], v.type.fmt) for v in made]
    at.barh(places, proven, 0.8, color=COLORS[0], alpha=0.45, label="proven to be enough for any input")
    if inputs is not None:
        samples, seen = reached(graph, made, inputs)
        label = f"reached in {samples:,} sample{'s' * (samples != 1)}"
        at.barh(places, seen, 0.4, color=COLORS[1], label=label)
    at.set_yticks(places, [w.name(v.name, 40) for v in made], fontsize=7, parse_math=False)
    at.set_ylim(len(made) - 0.4, -0.6)
    at.set_xlabel("bits of the accumulator")
    tidy(at)
    at.tick_params(axis="y", labelsize=7)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def reached(graph: Graph, values: Sequence[Value], inputs: Mapping[str, NDArray[Any]]) -> tuple[int, list[int]]:
    """How many samples, and the bits of the largest result of each value; sums on the way there are not seen."""
    found: dict[str, Interval] = {}
    samples = 0
    for batch, size in batches(graph, inputs):
        samples += size
        codes = simulate(graph, batch, trace=True)
        for v in values:
            now = Interval(int(codes[v.name].min()), int(codes[v.name].max()))
            found[v.name] = found[v.name].union(now) if v.name in found else now
    return samples, [bits_needed(found[v.name], v.type.fmt) for v in values]


def plot_energy(estimates: Sequence[Estimate]) -> Any:
    """A Figure: of one estimate a bar a layer, of several a bar each; parts are kinds of energy."""
    if not estimates or not all(e.energy for e in estimates):
        raise ValueError("plot: an estimate without samples has no energy; give inputs to hwsim.estimate")
    kinds = [k for k in KINDS if any(k in e.whole.energy for e in estimates)]
    rows = estimates[0].layers if len(estimates) == 1 else [e.whole for e in estimates]
    if len(estimates) == 1:
        names = [x.name for x in rows]
        title = f"{estimates[0].model} on {estimates[0].machine.hardware.name}: energy of a sample"
    else:
        names, title = [f"{e.model}, {e.machine.hardware.name}" for e in estimates], "energy of a sample"
    figure = new_figure(8, 0.2 * len(rows) + 1.4, w.name(title, 120))
    at, places, left = figure.subplots(), np.arange(len(rows)), np.zeros(len(rows))
    unit, prefix = (1e6, "µJ") if max(x.picojoules for x in rows) >= 1e5 else (1e3, "nJ")
    for i, k in enumerate(kinds):
        part = np.array([x.energy[k].value / unit if k in x.energy else 0.0 for x in rows])
        at.barh(places, part, 0.8, left=left, color=COLORS[i % len(COLORS)], label=TITLES.get(k, k))
        left += part
    at.set_yticks(places, [w.name(n, 40) for n in names], parse_math=False)
    at.set_ylim(len(rows) - 0.4, -0.6)
    at.set_xlabel(prefix)
    tidy(at)
    at.tick_params(axis="y", labelsize=7)
    figure.legend(loc="outside lower center", ncols=len(kinds), fontsize=8, frameon=False)
    return figure


def _name(at: Any, names: Sequence[str], named: bool) -> None:
    """Names under a line where there is room, else numbers."""
    tidy(at)
    if named:
        at.set_xticks(range(len(names)), [w.name(n, 28) for n in names], rotation=90, fontsize=7, parse_math=False)
    else:
        starts = _parts(names)
        at.set_xticks(list(starts), [w.name(n, 28) for n in starts.values()], rotation=90, fontsize=7, parse_math=False)
        at.set_xlabel(f"{len(names)} values, in the graph's order; names where a part begins")
    at.margins(x=0.01)


def _parts(names: Sequence[str]) -> dict[int, str]:
    """Where names begin with other words than the one before, as finely as `PARTS` marks allow."""
    split, best = [n.split(".") for n in names], dict[int, str]()
    for depth in range(1, 1 + max(map(len, split))):
        heads = [".".join(s[:depth]) for s in split]
        starts = {i: h for i, h in enumerate(heads) if not i or heads[i - 1] != h}
        if len(starts) <= PARTS:
            best = starts
    return best
