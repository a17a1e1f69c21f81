"""Our search: the fitness is the table itself, over all codes of all scales, with everything rounded.

Alternates two exact steps, as Lloyd's quantizer does: for given lines the best breakpoints of every scale (dynamic
programming over lines), for given breakpoints the best integer line of every segment. It starts from the optimum with
the same real breakpoints at every scale and from the optima of single scales, then mutates and crosses the hall of
fame: nudged lines, a segment moved elsewhere, the left half of one table with the right half of another.

Where the result is rounded, tables are ranked by the rounded error, and their breakpoints are the best for it; lines
that are best before rounding are tried as often as mutants as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hwsim.rounding import Ints
from hwsim.segments import best_ends, line_costs
from hwsim.tables import Stored

from .certificate import Points, common_optimum, optimum, stored_of
from .task import Task


class Entry(NamedTuple):
    """A table in the hall of fame; its error is in units of ``4**-fraction``, its ends are counted from the grid's."""

    error: float
    slopes: Ints
    intercepts: Ints
    ends: Ints


@dataclass(frozen=True, kw_only=True)
class Search:
    """The knobs; calling it fits.

    Args:
        trials: tables tried after the seeds.
        work: codes evaluated once at most; many codes (INT16) mean fewer trials.
        fame: size of the hall of fame.
        seed: of the random generator.
    """

    trials: int = 300
    work: int = 1 << 20
    fame: int = 12
    seed: int = 0

    def __call__(self, task: Task) -> dict[int, Stored]:
        """The best table found, per scale."""
        if not task.shared:
            return {n: self(replace(task.alone(n), shared=True))[n] for n in task.scales}
        if len(task.scales) == 1 and task.out is None:
            return {n: optimum(task).stored for n in task.scales}
        tables = Tables(task)
        rng = np.random.default_rng(self.seed)
        hall: list[Entry] = []
        for lines in seeds(task):
            self.enter(hall, tables.refined(*lines))
        for _ in range(min(self.trials, self.work // tables.points.x.size)):
            lines = offspring(hall, tables.points.fixed, task.reach, rng)
            made = tables.refined if task.out is None or rng.random() < 0.5 else tables.as_they_are
            self.enter(hall, made(*lines))
        _, slopes, intercepts, ends = hall[0]
        return {n: stored_of(task, n, ends[g], slopes, intercepts) for g, n in enumerate(task.scales)}

    def enter(self, hall: list[Entry], table: Entry) -> None:
        """Keep the best tables, each error once, best first."""
        if any(abs(table[0] - known[0]) <= 1e-12 * known[0] for known in hall):
            return
        hall.append(table)
        hall.sort(key=lambda entry: entry[0])
        del hall[self.fame :]


class Tables:
    """Makes tables out of lines."""

    def __init__(self, task: Task) -> None:
        self.task, self.points = task, Points(task)

    def tailed(self, slopes: Ints, intercepts: Ints) -> tuple[Ints, Ints]:
        """Lines of their own, the function's where it has some."""
        slopes, intercepts = slopes.copy(), intercepts.copy()
        for at, tail in zip((0, -1), self.task.tails, strict=True):
            if tail is not None:
                slopes[at], intercepts[at] = tail
        return slopes, intercepts

    def refined(self, slopes: Ints, intercepts: Ints) -> Entry:
        """Error, slopes, intercepts and ends of the table that these lines lead to."""
        slopes, intercepts = self.tailed(slopes, intercepts)
        error, ends = self.points.refined(slopes, intercepts)
        return Entry(error, slopes, intercepts, ends) if self.task.out is None else self.rounded(slopes, intercepts)

    def as_they_are(self, slopes: Ints, intercepts: Ints) -> Entry:
        """The table of these lines and the tails."""
        return self.rounded(*self.tailed(slopes, intercepts))

    def rounded(self, slopes: Ints, intercepts: Ints) -> Entry:
        """The table of just these lines, left where it is best for the rounded result."""
        task, p, error = self.task, self.points, 0.0
        ends = np.zeros((len(task.scales), slopes.size), np.int64)
        for g, n in enumerate(task.scales):
            part = slice(p.starts[g], p.starts[g + 1])
            missed = line_costs(p.x[part], p.y[part], p.penalty[part], slopes, intercepts) >= p.worst
            costs = np.where(missed, p.worst, 0.0)
            for e, line in enumerate(zip(slopes.tolist(), intercepts.tolist(), strict=True)):
                alone = Stored((), (line[0],), (line[1],))
                y = task.values(n, task.made({n: alone}).at(n, task.out))
                costs[:, e] += (y * task.one - p.y[part]) ** 2
            error += p.weights[g] * best_ends(costs, ends[g])
        return Entry(float(error), slopes, intercepts, ends)


def seeds(task: Task) -> list[tuple[Ints, Ints]]:
    """Lines of the optimum with common breakpoints, then of the optimum of each scale."""
    alone = [optimum(task.alone(n)).stored for n in task.scales]
    return [common_optimum(task)[:2], *((np.array(s.slopes), np.array(s.intercepts)) for s in alone)]


def offspring(hall: list[Entry], fixed: Ints, reach: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """New lines from the hall of fame."""
    _, slopes, intercepts, _ = hall[int(rng.integers(len(hall)))]
    lines = np.stack([slopes, intercepts])
    first, last = int(fixed[0]), slopes.size - int(fixed[1])
    kind = rng.random()
    if kind < 0.3 and last - first > 1:
        mother = hall[int(rng.integers(len(hall)))]
        cut = int(rng.integers(first + 1, last))
        lines[:, cut:] = np.stack(mother[1:3])[:, cut:]
    elif kind < 0.6 and last - first > 1:
        gone, split = rng.integers(first, last, 2)
        kept = np.delete(lines, gone, axis=1)
        at = min(int(split), kept.shape[1] - 1)
        lines = np.insert(kept, max(at, first), kept[:, at], axis=1)
    if kind >= 0.3 and last > first:
        some = rng.integers(first, last, int(rng.integers(1, 4)))
        spread = 2.0 ** rng.integers(0, 5)
        lines[:, some] += np.rint(rng.normal(0, spread, (2, some.size))).astype(np.int64)
    lines = np.clip(lines, -reach, reach - 1)
    return lines[0].copy(), lines[1].copy()
