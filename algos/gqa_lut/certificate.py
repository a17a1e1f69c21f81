"""How good can a table be? The best one of each scale by dynamic programming over its codes, and the gap to it.

Why it certifies: every table in the same coefficient format is one partition of the codes into runs, each with a line;
the program takes the best of all partitions and, for each run, of all lines. A table that shares its lines over scales
is one of the candidates at every scale, so the mean of the optima is a lower bound for it. With the codes of all scales
on one real axis the same program gives the best table whose breakpoints are the same reals at every scale. Past 1024
codes (inputs of more than 10 bits) runs are made of whole blocks of codes, and a block with a breakpoint is free: a
lower bound again.
Why `tails`: the error is taken inside the span, codes outside must still give the function, so the outer lines are its.
Why pins: where a function says so (exp at 0) a run's line must pass through the point, so optima and bounds are those
of the tables that are exact there; a table of another method, which need not be, may lie below.
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
from hwsim.reports.table_plot import Curve
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
        """The op for inputs at step ``2**-n``, in type `out`, else the task's, else exact; see `Table.at`."""
        return self.made.at(n, self.task.out if out is None else out)

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
            bound = optimum(self.task.alone(n)).bound if self.task.out is None else self.task.floor(n)
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
        """No table that keeps to the function outside the span and at its `exact` points has a smaller `mse`.

        Where the result is rounded: none at all has. Why not the same bound: rounding may move a result towards the
        function, so a rounded table can be better than the optimum of those that are not.
        """
        return float(np.mean([r.bound for r in self.rows]))

    @cached_property
    def inexact(self) -> tuple[float, ...]:
        """Reals among the function's `exact` ones that this table, not rounded, misses though its format has them."""
        missed = set()
        for n in self.task.scales:
            off = self.task.pins(n) & (self.task.errors(n, self.made.at(n)) != 0)
            missed |= set(self.task.reals(n)[off].tolist())
        return tuple(sorted(missed))

    @property
    def common(self) -> float | None:
        """The least `mse` of shared lines with the same real breakpoints at every scale.

        None past 1024 inputs, and where the result is rounded.
        """
        return common_optimum(self.task).mse if self.task.out is None else None

    @property
    def unrounded(self) -> Fit:
        """The same table judged before its result is rounded."""
        return replace(self, task=replace(self.task, out=None))

    @property
    def gap(self) -> float:
        """``mse / bound - 1``: 0 is certified optimal; < 0 takes other outer lines, or `inexact` points."""
        return excess(self.mse, self.bound)

    def curve(self, n: int, label: str = "") -> Curve:
        """The table at step ``2**-n`` beside its function, for `hwsim.plot.curves`."""
        from .shown import curve

        return curve(self, n, label)

    def plot(self, *scales: int) -> Any:
        """A matplotlib Figure of function, table and error at some scales ``2**-n``, side by side."""
        from .shown import plot

        return plot(self, scales)

    def _repr_html_(self) -> str:
        from .shown import fit_html

        return fit_html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def __repr__(self) -> str:
        """One line; the certificate, which takes a while, is not asked for."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"Fit({self.task.function.name}, {self.task.entries} entries, {self.method}{seed})"

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
        self.pinned = np.concatenate([task.pins(n) for n in task.scales])
        self.worst = 4 * float(np.sum(self.y**2) + self.y.size * task.reach**2)  # more than a useful table's error
        self.penalty = np.where(self.pinned, self.worst, 0.0)
        self.reach, self.least = (
            task.reach,
            4.0 ** -max(task.scales) / 64,
        )  # two neighbouring codes: a quarter of step**2
        self.fixed = np.array([tail is not None for tail in task.tails], np.int64)

    @cached_property
    def sums(self) -> Reals:
        """`moments` of the points in this order."""
        return moments(self.w, self.x, self.y)

    def refined(self, slopes: Ints, intercepts: Ints) -> tuple[float, Ints]:
        """Better lines, in place; error and ends of their table. See `hwsim.segments.refine`."""
        error, ends = refine(
            self.x, self.y, self.penalty, self.sums, self.starts, self.weights, slopes, intercepts, self.fixed,
            self.reach, self.least,
        )  # fmt: skip
        return float(error), ends


def common_optimum(task: Task) -> Common:
    """Dynamic programming over the inputs of all scales on one axis."""
    return _common_optimum(replace(task, shared=True, out=None))


@lru_cache(maxsize=256)
def _common_optimum(task: Task) -> Common:
    points = Points(task)
    order = np.argsort(points.x, kind="stable")
    x = points.x[order]
    edges = np.flatnonzero(np.diff(x, prepend=-np.inf, append=np.inf))
    exact = edges.size <= POINTS + 1
    if not exact:
        edges = edges[np.linspace(0, edges.size - 1, POINTS + 1).astype(np.int64)]
    costs = Costs.of(task, points, order, edges)
    error, ends = costs.best(task, skip=False)
    return Common(*costs.lines(ends), max(error, 0.0) / task.one**2 if exact else None)


def optimum(task: Task) -> Optimum:
    """The best table of a task of one scale."""
    return _optimum(replace(task, shared=True, out=None))  # the same certificate either way


@lru_cache(maxsize=256)
def _optimum(task: Task) -> Optimum:
    (n,) = task.scales
    points = Points(task)
    size = points.x.size
    edges = np.arange(size + 1) if size <= POINTS else np.linspace(0, size, POINTS + 1).astype(np.int64)
    costs = Costs.of(task, points, np.arange(size), edges)
    _, ends = costs.best(task, skip=False)
    slopes, intercepts = costs.lines(ends)
    if edges.size > size:
        stored = stored_of(task, n, ends, slopes, intercepts)
        mse = float(
            np.mean(task.errors(n, task.made({n: stored}).at(n)) ** 2)
        )  # sums of squares lose digits, this does not
        return Optimum(stored, mse, mse)
    bound, _ = costs.best(task, skip=True)
    error, fine = points.refined(slopes, intercepts)
    return Optimum(stored_of(task, n, fine[0], slopes, intercepts), error / task.one**2, bound / task.one**2)


def forget() -> None:
    """Drop the optima that are kept, to take the time of a fit."""
    _optimum.cache_clear()
    _common_optimum.cache_clear()


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The best line of every run of blocks of points; a tail is the only line at its end.

    Args:
        errors: of the first, of an inner and of the last run, as `best_partition` takes them.
        slopes, intercepts: of the best line of each run.
        tails: see `Task.tails`.
    """

    errors: tuple[Reals, Reals, Reals]
    slopes: Ints
    intercepts: Ints
    tails: tuple[Any, Any]

    @classmethod
    def of(cls, task: Task, points: Points, order: Ints, edges: Ints) -> Costs:
        """Of blocks that begin at `edges` of the points taken in `order`."""
        x, y, pinned = points.x[order], points.y[order], points.pinned[order]
        sums = np.ascontiguousarray(moments(points.w[order], x, y)[:, edges])
        at = np.searchsorted(edges, np.flatnonzero(pinned), side="right") - 1
        inner, slopes, intercepts = run_errors(sums, task.reach, points.least, at, x[pinned], y[pinned])
        first, last = inner[0].copy(), inner[:, -1].copy()
        for j in range(first.size):
            for errors, tail, some in ((first, task.tails[0], at < j), (last, task.tails[1], at >= j)):
                if tail is not None:
                    s = sums[:, j] if errors is first else sums[:, -1] - sums[:, j]
                    passes = (tail[0] * x[pinned] + tail[1] == y[pinned])[some].all()
                    errors[j] = line_error(s, *tail) if passes else np.inf
        return cls(errors=(first, inner, last), slopes=slopes, intercepts=intercepts, tails=task.tails)

    def best(self, task: Task, *, skip: bool) -> tuple[float, Ints]:
        """Error and ends of the best partition; ValueError where no table is exact where it must be."""
        error, ends = best_partition(*self.errors, task.entries, skip)
        if not np.isfinite(error):
            f = task.function
            raise ValueError(
                f"fit: no {task.entries} lines of {task.bits} bits give {f.name} exactly at all of {f.exact}"
            )
        return error, ends

    def lines(self, ends: Ints) -> tuple[Ints, Ints]:
        """Slope and intercept of each run; an empty run repeats its neighbour, so that codes outside find a line."""
        starts = np.concatenate([[0], ends[:-1]])
        pairs = list(zip(starts, ends, strict=True))
        chosen = np.array([[line[i, j] for i, j in pairs] for line in (self.slopes, self.intercepts)], np.int64)
        filled = np.flatnonzero(starts < ends)
        source = filled[np.clip(np.searchsorted(filled, np.arange(ends.size)), 0, filled.size - 1)]
        chosen = chosen[:, source]
        for at, tail in zip((0, -1), self.tails, strict=True):
            if tail is not None:
                chosen[:, at] = tail
        return chosen[0].copy(), chosen[1].copy()


def stored_of(task: Task, n: int, ends: Ints, slopes: Ints, intercepts: Ints) -> Stored:
    """The table whose runs of codes end before `ends`; a run that begins past the last code is never reached."""
    codes = task.codes(n)
    places = np.append(codes, codes[-1] + 1)[ends[:-1]]
    return Stored(tuple(places.tolist()), tuple(slopes.tolist()), tuple(intercepts.tolist()))
