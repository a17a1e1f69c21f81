"""How good can a table be? The best one of each scale by dynamic programming over its codes, and the gap to it.

Why it certifies: every table in the same coefficient format is one partition of the codes into runs, each with a line;
the program takes the best of all partitions and, for each run, of all lines. A table that shares its lines over scales
is one of the candidates at every scale, so the mean of the optima is a lower bound for it. With the codes of all scales
on one real axis the same program gives the best table whose breakpoints are the same reals at every scale. Past 1024
codes (inputs of more than 10 bits) runs are made of whole blocks of codes, and a block with a breakpoint is free: a
lower bound again.
Why `tails`: the error is taken inside the span, codes outside must still give the function, so the outer lines are its.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from hwsim.formats import Reals
from hwsim.ops import Pwl
from hwsim.qtensor import QType
from hwsim.rounding import Ints
from hwsim.segments import best_partition, line_error, moments, refine, run_errors
from hwsim.tables import Stored, Table

from .task import Task

POINTS = 1024


class Optimum(NamedTuple):
    """The best table found for one scale, its mean square error, and a bound no table of that scale can beat."""

    stored: Stored
    mse: float
    bound: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """How well one scale is served: `mse` and `max_error` in units of the function, over `codes` codes."""

    scale: int
    codes: int
    mse: float
    max_error: float
    bound: float


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A table and its certificate.

    Args:
        task: what was asked for.
        method, seed: how it was found.
        stored: the table of each scale.
    """

    task: Task
    method: str
    seed: int | None
    stored: Mapping[int, Stored]

    def table(self, n: int, out: QType | None = None) -> Pwl:
        """The op for inputs at step ``2**-n``, exact or in type `out`; see `hwsim.tables.Table.at`."""
        return self.made.at(n, out)

    @cached_property
    def made(self) -> Table:
        """What hardware keeps."""
        return self.task.made(self.stored)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One a scale; every error comes from `Pwl.run`."""
        rows = []
        for n in self.task.scales:
            e = self.task.errors(n, self.table(n))
            bound = optimum(self.task.alone(n)).bound
            rows.append(
                Row(scale=n, codes=e.size, mse=float(np.mean(e * e)), max_error=float(np.abs(e).max()), bound=bound)
            )
        return tuple(rows)

    @property
    def mse(self) -> float:
        """Mean of the scales' mean square errors."""
        return float(np.mean([r.mse for r in self.rows]))

    @property
    def max_error(self) -> float:
        """Largest error of all scales."""
        return max(r.max_error for r in self.rows)

    @property
    def bound(self) -> float:
        """No table in this format, with the function's own lines outside the span, has a smaller `mse`."""
        return float(np.mean([r.bound for r in self.rows]))

    @property
    def common(self) -> float | None:
        """The least `mse` of shared lines with the same real breakpoints at every scale; None past 1024 inputs."""
        return common_optimum(self.task).mse

    @property
    def gap(self) -> float:
        """``mse / bound - 1``: 0 is certified optimal, < 0 happens with other outer lines alone."""
        return excess(self.mse, self.bound)

    def __str__(self) -> str:
        seed = "" if self.seed is None else f", seed {self.seed}"
        return (
            f"{self.task.function.name}, {self.task.entries} entries, {self.method}{seed}: "
            f"mse {self.mse:.3g}, bound {self.bound:.3g}, largest error {self.max_error:.3g}"
        )


def excess(mse: float, bound: float) -> float:
    """``mse / bound - 1``, 0 where both are equal but for the rounding of float64."""
    if abs(mse - bound) <= bound * 1e-9 + 1e-15:
        return 0.0
    return mse / bound - 1 if bound else float("inf")


class Common(NamedTuple):
    """Lines of the best table with the same real breakpoints at every scale; its error where that is exact."""

    slopes: Ints
    intercepts: Ints
    mse: float | None


class Points:
    """The codes of all scales as points, one grid after another; every scale weighs the same."""

    def __init__(self, task: Task) -> None:
        x = [task.reals(n) for n in task.scales]
        self.x, self.y = np.concatenate(x), np.concatenate([task.targets(n) for n in task.scales]) * task.one
        self.starts = np.cumsum([0, *map(len, x)])
        self.weights = np.array([1 / (len(part) * len(x)) for part in x])
        self.w = np.repeat(self.weights, np.diff(self.starts))


def common_optimum(task: Task) -> Common:
    """Dynamic programming over the inputs of all scales on one axis."""
    return _common_optimum(replace(task, shared=True))


@lru_cache(maxsize=256)
def _common_optimum(task: Task) -> Common:
    points = Points(task)
    order = np.argsort(points.x, kind="stable")
    x = points.x[order]
    edges = np.flatnonzero(np.diff(x, prepend=-np.inf, append=np.inf))
    exact = edges.size <= POINTS + 1
    if not exact:
        edges = edges[np.linspace(0, edges.size - 1, POINTS + 1).astype(np.int64)]
    costs = partition_costs(moments(points.w[order], x, points.y[order])[:, edges], task.tails, task.reach)
    error, ends = best_partition(*costs[:3], task.entries, False)
    return Common(*lines_of(ends, costs[3:], task.tails), max(error, 0.0) / task.one**2 if exact else None)


def optimum(task: Task) -> Optimum:
    """The best table of a task of one scale."""
    return _optimum(replace(task, shared=True))  # the same certificate either way


@lru_cache(maxsize=256)
def _optimum(task: Task) -> Optimum:
    (n,) = task.scales
    x, y = task.reals(n), task.targets(n) * task.one
    sums = moments(np.full(x.size, 1 / x.size), x, y)
    edges = np.arange(x.size + 1) if x.size <= POINTS else np.linspace(0, x.size, POINTS + 1).astype(np.int64)
    costs = partition_costs(sums[:, edges], task.tails, task.reach)
    error, ends = best_partition(*costs[:3], task.entries, False)
    slopes, intercepts = lines_of(ends, costs[3:], task.tails)
    if edges.size > x.size:
        stored = stored_of(task, n, ends, slopes, intercepts)
        mse = float(
            np.mean(task.errors(n, task.made({n: stored}).at(n)) ** 2)
        )  # sums of squares lose digits, this does not
        return Optimum(stored, mse, mse)
    bound, _ = best_partition(*costs[:3], task.entries, True)
    grid, weights = np.array([0, x.size]), np.array([1 / x.size])
    error, fine = refine(x, y, sums, grid, weights, slopes, intercepts, fixed_of(task), task.reach)
    return Optimum(stored_of(task, n, fine[0], slopes, intercepts), error / task.one**2, bound / task.one**2)


def partition_costs(sums: Reals, tails: Any, reach: int) -> tuple[Any, ...]:
    """What `best_partition` needs, then slopes and intercepts of every run; a tail is the only line at its end."""
    inner, slopes, intercepts = run_errors(np.ascontiguousarray(sums), reach)
    first, last = inner[0].copy(), inner[:, -1].copy()
    for j in range(first.size):
        if tails[0] is not None:
            first[j] = line_error(sums[:, j], *tails[0])
        if tails[1] is not None:
            last[j] = line_error(sums[:, -1] - sums[:, j], *tails[1])
    return first, inner, last, slopes, intercepts


def lines_of(ends: Ints, lines: tuple[Any, Any], tails: Any) -> tuple[Ints, Ints]:
    """Slope and intercept of each run; an empty run repeats its neighbour, so that codes outside find a line."""
    starts = np.concatenate([[0], ends[:-1]])
    chosen = np.array([[line[i, j] for i, j in zip(starts, ends, strict=True)] for line in lines], np.int64)
    filled = np.flatnonzero(starts < ends)
    source = filled[np.clip(np.searchsorted(filled, np.arange(ends.size)), 0, filled.size - 1)]
    chosen = chosen[:, source]
    for at, tail in zip((0, -1), tails, strict=True):
        if tail is not None:
            chosen[:, at] = tail
    return chosen[0].copy(), chosen[1].copy()


def fixed_of(task: Task) -> Ints:
    """How many lines at the left and at the right are the function's own."""
    return np.array([tail is not None for tail in task.tails], np.int64)


def stored_of(task: Task, n: int, ends: Ints, slopes: Ints, intercepts: Ints) -> Stored:
    """The table whose runs of codes end before `ends`; a run that begins past the last code is never reached."""
    codes = task.codes(n)
    places = np.append(codes, codes[-1] + 1)[ends[:-1]]
    return Stored(tuple(places.tolist()), tuple(slopes.tolist()), tuple(intercepts.tolist()))
