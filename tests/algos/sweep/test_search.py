import itertools
import random

import pytest

from algos.sweep.search import children, different, front_of, planned, point_at, search_named
from algos.sweep.space import Axis, Space
from hwsim import Recipe
from tests.compare import assert_refused

SPACE = Space(axes=tuple(Axis(name=f"a{i}", values=tuple(range(6))) for i in range(5)), base=Recipe())
GOALS = ("accuracy", "energy_uj")


def row(at):
    """A front that is known: accuracy is bought with the first two genes, all others must be 0."""
    waste = sum(at[2:])
    return {"accuracy": at[0] + at[1], "energy_uj": at[0] ** 2 + at[1] ** 2 + waste, "refused": "no" * (at[4] == 5)}


def played(search, row=row):
    """All points that a search asks for."""
    found, rows = [], None
    while True:
        try:
            wanted = search.send(rows)
        except StopIteration:
            return found
        found += wanted
        rows = [row(at) for at in wanted]


def test_the_front_is_that_of_the_definition():
    rows = [row(at) for at in SPACE.grid()]
    some = rows[::17]
    costs = [(-r["accuracy"], r["energy_uj"]) for r in some]
    wanted = [
        i
        for i, c in enumerate(costs)
        if not some[i]["refused"]
        and not any(
            d != c and d[0] <= c[0] and d[1] <= c[1] for d, r in zip(costs, some, strict=True) if not r["refused"]
        )
    ]
    assert sorted(front_of(some, GOALS)) == wanted
    assert front_of([{"refused": "", "accuracy": None, "energy_uj": 1}], GOALS) == []


@pytest.mark.parametrize("name", ["random", "nsga2"])
def test_points_are_new_and_the_seed_decides(name):
    pytest.importorskip("deap")
    runs = [played(search_named(name, SPACE, 150, seed, GOALS)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert len(set(runs[0])) == len(runs[0]) == 150 == planned(name, SPACE, 150)


def test_nsga2_finds_more_of_the_front_than_chance():
    pytest.importorskip("deap")
    every = list(SPACE.grid())
    best = {every[i] for i in front_of([row(at) for at in every], GOALS)}
    bred, drawn = (set(played(search_named(n, SPACE, 400, 3, GOALS))) for n in ("nsga2", "random"))
    assert len(bred & best) >= 0.8 * len(best) > 2 * len(drawn & best)


@pytest.mark.parametrize("name", ["random", "nsga2"])
def test_small_spaces_end(name):
    pytest.importorskip("deap")
    small = Space(axes=SPACE.axes[:2], base=Recipe())
    found = played(search_named(name, small, 100, 0, GOALS), lambda at: row((*at, 0, 0, 0)))
    assert sorted(found) == sorted(itertools.product(range(6), repeat=2))


def test_large_spaces():
    huge = Space(axes=tuple(Axis(name=str(i), values=tuple(range(10))) for i in range(40)), base=Recipe())
    numbers = different(random.Random(0), huge.size, 5)
    assert {sum(d * 10 ** (39 - k) for k, d in enumerate(point_at(huge, n))) for n in numbers} == numbers
    assert len(list(children(huge, random.Random(0), [], {}, 3))) == 3
    assert_refused(lambda: next(search_named("grid", huge, None, 0, GOALS)), "100000", "random")


def test_refusals():
    assert_refused(lambda: search_named("tabu", SPACE, None, 0, GOALS), "tabu", "nsga2")
    assert_refused(lambda: search_named("grid", SPACE, 5, 0, GOALS), "points", "grid")
    assert_refused(lambda: search_named("random", SPACE, 0, 0, GOALS), "points = 0")
