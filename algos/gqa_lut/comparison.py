"""Our tables beside the published ones, the paper's search and NN-LUT: the cells, what is measured, the targets.

All errors are mean squares over every INT8 code inside the span, ties to the right, mean over the scales, output not
rounded. The seeds are 42 (the published tables), 1, 2, ... for the paper's search, and 0, 1, ... for ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .certificate import Fit, common_optimum, excess, forget, optimum
from .fitting import fit
from .task import Task


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One table that is compared.

    Args:
        function, entries: of which function, in how many segments.
        fraction, bits: fractional bits and width of slopes and intercepts.
        published: mean square error of the published table; None where none was published in this format.
    """

    function: str
    entries: int
    fraction: int = 6
    bits: int = 8
    published: float | None = None


# Source of `published`: the JSON files of github.com/PingchengDong/GQA-LUT (rsqrt: its commit d349832, whose slopes
# pass 8 bits), measured over all codes. For the reciprocal no table was released: the released search with seed 42.
CELLS = (
    Cell(function="gelu", entries=8, published=9.97e-5),
    Cell(function="gelu", entries=16, published=9.06e-5),
    Cell(function="hswish", entries=8, published=3.08e-4),
    Cell(function="hswish", entries=16, published=2.00e-4),
    Cell(function="exp", entries=8, published=1.22e-4),
    Cell(function="exp", entries=16, published=8.38e-5),
    Cell(function="reciprocal", entries=8, bits=9, published=4.3e-5),
    Cell(function="reciprocal", entries=16, bits=9, published=2.4e-5),
    Cell(function="rsqrt", entries=8, bits=9, published=3.3e-5),
    Cell(function="rsqrt", entries=16, bits=9, published=2.3e-5),
    Cell(function="reciprocal", entries=8, fraction=5),
    Cell(function="reciprocal", entries=16, fraction=5),
    Cell(function="rsqrt", entries=8, fraction=5),
    Cell(function="rsqrt", entries=16, fraction=5),
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was measured of a cell: mean square errors (a seed each, where there are several) and seconds.

    Args:
        cell: which one.
        paper, ours: of the paper's search and of ours.
        nn_lut: of NN-LUT.
        alone: of ours with slopes and intercepts of its own for each scale.
        bound: what no table of this format can beat; see `Fit.bound`.
        above: how far the mean of ours is above it, 0.1 meaning 10 %.
        optimal: whether `alone` is certified to be the optimum.
        exact: whether each of ours is exact where the function asks for it.
        paper_seconds: of one search, their mean.
        seconds: of one fit of ours, its certificate included, nothing remembered.
        certificate_seconds: of the optimum of one scale, the slowest.
    """

    cell: Cell
    paper: tuple[float, ...]
    nn_lut: float
    ours: tuple[float, ...]
    alone: float
    bound: float
    above: float
    optimal: bool
    exact: bool
    paper_seconds: float
    seconds: float
    certificate_seconds: float


def measure(cell: Cell, *, seeds: int, generations: int = 500) -> Result:
    """Fit a cell by every method; `generations` are those of the paper's search."""
    from .paper import PaperSearch  # needs deap

    task = Task.of(cell.function, cell.entries, fraction=cell.fraction, bits=cell.bits)
    settings = {"fraction": cell.fraction, "bits": cell.bits}
    fit(cell.function, 2, scales=(3, 4), **settings).rows  # noqa: B018  # numba compiles or loads before the clock runs
    forget()
    certificate_seconds = max(seconds(partial(optimum, task.alone(n)))[1] for n in task.scales)
    forget()
    first, ours_seconds = seconds(partial(certified, cell, 0, settings))
    ours = [first, *(certified(cell, seed, settings) for seed in range(1, seeds))]
    searches = [PaperSearch(seed=seed, generations=generations) for seed in (42, *range(1, seeds))]
    tables, times = zip(*(seconds(partial(search, task)) for search in searches), strict=True)
    alone = fit(cell.function, cell.entries, shared=False, **settings)
    return Result(
        cell=cell,
        paper=tuple(Fit(task=task, method="paper", seed=0, stored=stored).mse for stored in tables),
        nn_lut=fit(cell.function, cell.entries, method="nn-lut", **settings).mse,
        ours=tuple(f.mse for f in ours),
        alone=alone.mse,
        bound=first.bound,
        above=excess(float(np.mean([f.mse for f in ours])), first.bound),
        optimal=alone.gap == 0,
        exact=not any(f.inexact for f in ours),
        paper_seconds=float(np.mean(times)),
        seconds=ours_seconds,
        certificate_seconds=certificate_seconds,
    )


def measure_all(cells: Sequence[Cell], *, seeds: int, executor: Executor | None = None) -> Iterator[Result]:
    """`measure` of each cell, in order; the same errors with and without an executor."""
    one = partial(measure, seeds=seeds)
    return map(one, cells) if executor is None else executor.map(one, cells)


def certified(cell: Cell, seed: int, settings: dict[str, Any]) -> Fit:
    """Our fit, with the certificate computed."""
    got = fit(cell.function, cell.entries, seed=seed, **settings)
    assert got.rows
    assert common_optimum(got.task)
    return got


def seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns and how long it took."""
    begun = time.perf_counter()
    done = work()
    return done, time.perf_counter() - begun


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something our tables shall keep, in words, and how many of the `of` cells keep it."""

    what: str
    kept: int
    of: int


def targets(results: Sequence[Result]) -> list[Target]:
    """What shall hold, and where it does."""
    published = [r for r in results if r.cell.published is not None]
    rows = [
        ("no seed of ours above the published table", [max(r.ours) <= r.cell.published for r in published]),
        ("no seed of ours above any of the paper's search", [max(r.ours) <= min(r.paper) for r in results]),
        ("worst seed <= 1.05 x best", [max(r.ours) <= 1.05 * min(r.ours) for r in results]),
        ("one table a scale = certified optimum", [r.optimal for r in results]),
        ("exact where the function asks for it", [r.exact for r in results]),
        ("paper's search <= 1.2 s", [r.paper_seconds <= 1.2 for r in results]),
        ("certificate <= 2 s a scale", [r.certificate_seconds <= 2 for r in results]),
        ("our fit <= 1 s", [r.seconds <= 1 for r in results]),
    ]
    return [Target(what=what, kept=sum(kept), of=len(kept)) for what, kept in rows]
