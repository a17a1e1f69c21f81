"""What a worker process does: points -> rows of figures; what points share is made once a process."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import sqrt
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hwsim import Graph, QTensor, Recipe, estimate, lowering, simulate
from hwsim.costs.hardware_file import hardware_named
from hwsim.costs.narrowing import narrowed
from hwsim.formats import format_named
from hwsim.front import FrontGraph
from hwsim.lowering.layout import as_stored
from hwsim.quantization import Settled, settle
from hwsim.reports.fidelity import score_output
from hwsim.tables import Table

from ..gqa_lut import tables
from .space import METHODS, At, Space, table_choice

Arrays = Mapping[str, NDArray[Any]]
Measure = Callable[[Graph], Mapping[str, float]]
Row = dict[str, Any]
T = TypeVar("T")
KEPT = 8  # graphs at once
BATCH = 256  # samples simulated at once
REASON = 240  # characters


@dataclass(frozen=True, kw_only=True)
class Work:
    """All that a worker needs; it is sent pickled.

    Args:
        space: what the points mean.
        front: the float model.
        batches: calibration data.
        inputs: samples that quality is measured on.
        labels: their classes, where known.
        energy_samples: the first of them, that toggle rates are taken from.
        measures: more figures of a graph, such as flash and RAM.
    """

    space: Space
    front: FrontGraph
    batches: Sequence[Arrays]
    inputs: Arrays
    labels: NDArray[Any] | None
    energy_samples: int
    measures: tuple[Measure, ...]


@lru_cache(maxsize=1)
def bench_of(packed: bytes) -> Bench:
    """The bench of this process for a pickled `Work`."""
    return Bench(pickle.loads(packed))


def rows_of(packed: bytes, points: Sequence[At]) -> tuple[list[Row], float]:
    """A row a point, and the CPU seconds that they took."""
    start = time.process_time()
    bench = bench_of(packed)
    return [bench.row(at) for at in points], time.process_time() - start


class Bench:
    """One model on one data set; caches are by recipe, so that points may come in any order."""

    def __init__(self, work: Work) -> None:
        """Nothing is computed before it is needed."""
        self.work = work
        self.known: dict[str, dict[Any, Any]] = {}
        self.some = {name: x[: work.energy_samples] for name, x in work.inputs.items()}

    def once(self, kind: str, key: Any, make: Callable[[], T], most: int = KEPT) -> T:
        """What `make` gives, kept by key; a ValueError is kept too and raised again."""
        kept = self.known.setdefault(kind, {})
        if key not in kept:
            if len(kept) >= most:
                del kept[next(iter(kept))]
            try:
                kept[key] = make()
            except ValueError as e:
                kept[key] = e
        if isinstance(found := kept[key], ValueError):
            raise ValueError(str(found))
        return found

    def row(self, at: At) -> Row:
        """Settings and figures of a point; `refused` says in one line why some are missing, else it is empty."""
        row: Row = self.work.space.named(at)
        try:
            recipe, choice, hardware = self.work.space.recipe(at)
            recipe = replace(recipe, tables=self.tables(choice, recipe)) if choice else recipe
            key = repr(recipe.to_dict())
            graph = self.once("graph", key, lambda: self.graph(recipe))
            row |= self.once("figures", key, lambda: self.figures(graph))
            row |= self.costs(graph, hardware)
        except ValueError as e:
            return row | {"refused": shortened(str(e))}
        return row | {"refused": ""}

    def tables(self, choice: Any, recipe: Recipe) -> Mapping[str, Table]:
        """Fitted tables of all functions, or none: a table entry a code."""
        if (wanted := table_choice(choice)) is None:
            return {}
        entries, how = wanted
        key = (entries, how, recipe.activations, recipe.softmax)

        def make() -> Mapping[str, Table]:
            fmt = format_named(recipe.activations)
            return tables(entries=entries, fmt=fmt, softmax=recipe.softmax, shared=how != "each", method=METHODS[how])

        return self.once("tables", key, make, 64)

    def graph(self, recipe: Recipe) -> Graph:
        """Calibrated and lowered."""
        settled = self.once("settled", repr(calibrated_by(recipe).to_dict()), lambda: self.settled(recipe), 16)
        return lowering.lower(settled.front, settled.ranges, recipe)

    def settled(self, recipe: Recipe) -> Settled:
        """Ranges of one recipe, or of all those that see the same."""
        return settle(self.work.front, self.work.batches, recipe)

    def figures(self, graph: Graph) -> Row:
        """Accuracy with its standard error, answers as float's, SQNR of the first output, and further measures."""
        labels, found = self.work.labels, {}
        score, (given, wanted) = score_output(graph), (self.outputs(graph), self.floats(graph))
        if score is not None and labels is not None:
            right = float(np.mean(given.argmax(-1) == labels))
            found = {"accuracy": right, "accuracy_se": sqrt(right * (1 - right) / len(labels))}
        if score is not None:
            found["same"] = float(np.mean(given.argmax(-1) == wanted.argmax(-1)))
        signal, noise = float(np.square(wanted).sum()), float(np.square(wanted - given).sum())
        found["sqnr_db"] = round(10 * float(np.log10(signal / noise)), 2) if signal > 0 < noise else None
        for measure in self.work.measures:
            found |= measure(graph)
        return found

    def outputs(self, graph: Graph) -> NDArray[np.float64]:
        """The first output of all samples."""
        out, batched = graph.outputs[0], {v.name for v in graph.inputs if v.type.batched}
        count = len(next(iter(self.work.inputs.values())))
        parts = []
        for i in range(0, count, BATCH):
            some = {k: x[i : i + BATCH] if k in batched else x for k, x in self.work.inputs.items()}
            parts.append(QTensor(out.type, simulate(graph, some)[out.name]).dequantize())
        return np.concatenate(parts)

    def floats(self, graph: Graph) -> NDArray[np.float64]:
        """What the float model gives, laid out as the graph's output is."""

        def make() -> NDArray[Any]:
            front, inputs = self.work.front, self.work.inputs
            count = len(next(iter(inputs.values())))
            starts = range(0, count, BATCH)
            parts = [front.evaluate({k: x[i : i + BATCH] for k, x in inputs.items()}) for i in starts]
            return np.concatenate([p[front.outputs[0]] for p in parts])

        plain = self.once("floats", "", make)
        stored = as_stored(plain, graph, graph.outputs[0])
        return np.asarray(plain if stored is None else stored, np.float64)

    def costs(self, graph: Graph, name: str) -> Row:
        """Area, energy and latency on one hardware; ``:narrow`` fits its accumulators to the graph."""
        plain, _, how = name.partition(":")
        if how not in ("", "narrow"):
            raise ValueError(f"hardware {name!r}: behind the colon stands 'narrow' or nothing")
        hardware = hardware_named(plain)
        e = estimate(graph, narrowed(graph, hardware) if how else hardware, self.some)
        if (unit := e.logic_area.unit) != "um2":
            raise ValueError(f"hardware {name!r}: its areas are in {unit}, a sweep compares um2")
        return {
            "area_mm2": (e.logic_area.value + e.sram_area.value) / 1e6,
            "logic_mm2": e.logic_area.value / 1e6,
            "energy_uj": e.whole.picojoules / 1e6,
            "latency_ms": e.latency_s * 1e3,
            "utilisation": e.utilisation,
        }


def shortened(reason: str) -> str:
    """One line: the first of what is wrong. Why: hardware may refuse every node of a model."""
    text = " ".join(reason.split())
    return text if len(text) <= REASON else f"{text[: REASON - 3].rstrip()} .."


def calibrated_by(recipe: Recipe) -> Recipe:
    """Of a recipe what ranges depend on. Why: min-max sees values alone, never their types."""
    plain = recipe.observer == "minmax" and recipe.equalize == "none" and not recipe.bias_correction
    if not plain or any("observer" in s for _, s in recipe.overrides):
        return recipe
    layers = tuple((p, {k: v for k, v in s.items() if k == "operands"}) for p, s in recipe.overrides)
    return Recipe(operands=recipe.operands, overrides=layers)
