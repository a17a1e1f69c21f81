"""Which points are measured: all of them, random ones, or those that NSGA-II breeds for the Pareto front.

A search is a generator of lists of points; it is sent their rows. It depends on the space, the seed and the rows
alone, so a sweep that goes on, or runs elsewhere, takes the same way.

Source: NSGA-II, Deb et al. 2002, doi:10.1109/4235.996017, its selection by DEAP; the genome is the list of choices.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence

from .bench import Row
from .space import At, Space

GRID_MOST = 100_000
POINTS = 200  # of random and nsga2, where none are given
POPULATION = 24
TRIES = 50  # mutations in search of a point that is new
SEARCHES = ("grid", "random", "nsga2")
MAXIMIZED = ("accuracy", "same", "sqnr_db", "utilisation")
"""Figures of which more is better; of all others less is."""

Search = Generator[list[At], list[Row], None]


def search_named(name: str, space: Space, points: int | None, seed: int, objectives: Sequence[str]) -> Search:
    """The search; ValueError for an unknown name, or a number of points that it cannot have."""
    if points is not None and (name == "grid" or points < 1):
        raise ValueError(f"sweep: points = {points}: a grid has all {space.size} of the space, others one or more")
    match name:
        case "grid":
            return grid(space)
        case "random":
            return at_random(space, points or POINTS, seed)
        case "nsga2":
            return nsga2(space, points or POINTS, seed, objectives)
    raise ValueError(f"sweep: search {name!r} is unknown: use one of {', '.join(SEARCHES)}")


def planned(name: str, space: Space, points: int | None) -> int:
    """How many points a search measures at most."""
    return space.size if name == "grid" else min(points or POINTS, space.size)


def grid(space: Space) -> Search:
    """All points."""
    if space.size > GRID_MOST:
        raise ValueError(f"sweep: a grid of {space.size} points is over {GRID_MOST}; use the search random or nsga2")
    yield list(space.grid())


def at_random(space: Space, points: int, seed: int) -> Search:
    """Different points, each as likely as any other."""
    rng = random.Random(seed)
    yield [point_at(space, i) for i in sorted(different(rng, space.size, min(points, space.size)))]


def different(rng: random.Random, size: int, count: int) -> set[int]:
    """`count` of the numbers below `size`, which may be larger than an index is."""
    if size <= GRID_MOST:
        return set(rng.sample(range(size), count))
    found: set[int] = set()
    while len(found) < count:
        found.add(rng.randrange(size))
    return found


def point_at(space: Space, number: int) -> At:
    """Point `number` of the grid."""
    at: list[int] = []
    for axis in reversed(space.axes):
        number, i = divmod(number, len(axis.values))
        at.append(i)
    return tuple(reversed(at))


def nsga2(space: Space, points: int, seed: int, objectives: Sequence[str]) -> Search:
    """Generations, until so many points are measured or no new ones are found."""
    from deap import tools  # Why here: grids and random points need none

    rng = random.Random(seed)
    budget = min(points, space.size)
    first = different(rng, space.size, min(POPULATION, budget))
    rows: dict[At, Row] = {}
    wanted = [point_at(space, i) for i in sorted(first)]
    parents: list[Individual] = []
    while wanted:
        rows |= zip(wanted, (yield wanted), strict=True)
        born = [Individual(at, rows[at], objectives) for at in wanted if fit(rows[at], objectives)]
        parents = tools.selNSGA2(parents + born, min(POPULATION, len(parents) + len(born)))
        wanted = list(children(space, rng, parents, rows, min(POPULATION, budget - len(rows))))


class Individual(list):
    """A genome with a fitness, as DEAP wants them."""

    def __init__(self, at: At, row: Row, objectives: Sequence[str]) -> None:
        """Measured."""
        from deap import base

        super().__init__(at)
        weights = tuple(1.0 if o in MAXIMIZED else -1.0 for o in objectives)
        self.fitness = type("Objectives", (base.Fitness,), {"weights": weights})(tuple(row[o] for o in objectives))


def fit(row: Row, objectives: Sequence[str]) -> bool:
    """Whether a row has all its objectives. Why not a penalty: a point that cannot be is no parent."""
    return not row["refused"] and all(row.get(o) is not None for o in objectives)


def children(
    space: Space, rng: random.Random, parents: Sequence[Individual], rows: dict[At, Row], count: int
) -> Iterator[At]:
    """New points: uniform crossover of two winners, then one choice in so many as there are is another."""
    seen = set(rows)
    for _ in range(count):
        for attempt in range(TRIES):
            if attempt < TRIES // 2 and parents:
                a, b = winner(rng, parents), winner(rng, parents)
                genes = [rng.choice(pair) for pair in zip(a, b, strict=True)]
            else:  # Why: a front that bred all its neighbours would stop the search
                genes = [rng.randrange(len(axis.values)) for axis in space.axes]
            for i, axis in enumerate(space.axes):
                if rng.random() * len(space.axes) < 1:
                    genes[i] = rng.randrange(len(axis.values))
            if (at := tuple(genes)) not in seen:
                seen.add(at)
                yield at
                break


def winner(rng: random.Random, parents: Sequence[Individual]) -> Individual:
    """Of two the one that dominates, else the one where the front is emptier."""
    a, b = rng.choice(parents), rng.choice(parents)
    if a.fitness.dominates(b.fitness):
        return a
    if b.fitness.dominates(a.fitness):
        return b
    return max(a, b, key=lambda x: x.fitness.crowding_dist)


def front_of(rows: Sequence[Row], objectives: Sequence[str]) -> list[int]:
    """Numbers of the rows that no other row beats: as good everywhere and better somewhere."""
    costs = {i: costs_of(r, objectives) for i, r in enumerate(rows) if fit(r, objectives)}
    ranked, kept = sorted(costs, key=lambda i: (costs[i], i)), []
    for i in ranked:  # Why sorted: who beats a row stands before it
        beaten = any(
            costs[j] != costs[i] and all(x <= y for x, y in zip(costs[j], costs[i], strict=True)) for j in kept
        )
        if not beaten:
            kept.append(i)
    return kept


def costs_of(row: Row, objectives: Sequence[str]) -> tuple[float, ...]:
    """Figures that shall be small."""
    return tuple(-row[o] if o in MAXIMIZED else row[o] for o in objectives)
