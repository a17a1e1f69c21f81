"""GQA-LUT's genetic search as released: real breakpoints, chords of the function, rounding afterwards.

Source: arXiv:2403.19591, Algorithm 1 and Table 1; seed 42 gives the published tables. As published on purpose: the
fitness sees breakpoints before they are rounded, on a grid of 0.01 that leaves out the upper end, and the best of the
last population is taken. Genes and mutations draw from numpy's legacy generator, DEAP's selection and crossover from
Python's global one, which is put back afterwards.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from deap import algorithms, base, tools

from hwsim.tables import Stored

from .chords import chords, outer_points, stored_at_all_scales
from .task import Task

STEP = 0.01
FINEST = 6  # bits of the finest rounding mutation
GLOBAL = threading.Lock()  # of Python's global generator


@dataclass(frozen=True, kw_only=True)
class Genes:
    """What the paper sets per operation: grid, range of breakpoints, ends of the outer chords, rounding mutation."""

    grid: tuple[float, float]
    places: tuple[float, float]
    outer: tuple[float, float]
    coarsest: int | None = 0

    @classmethod
    def of(cls, task: Task) -> Genes:
        """The paper's settings where it has them for the function's own span, else the same idea."""
        span, outer = task.span, outer_points(task)
        if task.span != task.function.span:
            return cls(grid=span, places=span, outer=outer)
        match task.function.name, task.entries:
            case ("gelu", 8) | ("hswish", 16):
                return cls(grid=span, places=span, outer=outer, coarsest=2)
            case "exp", entries:
                return cls(grid=span, places=(-6.5, 0) if entries == 16 else span, outer=(-16, 0))
            case "reciprocal", _:
                return cls(grid=span, places=(0.625, 3.875), outer=span, coarsest=None)
            case "rsqrt", _:
                return cls(grid=span, places=(0.25, 3.875), outer=span, coarsest=None)
        return cls(grid=span, places=span, outer=outer)


class Error(base.Fitness):
    """One figure, to be minimised."""

    weights = (-1.0,)


class Individual(list):
    """Breakpoints with a fitness, as DEAP wants them."""

    def __init__(self, genes: Sequence[float]) -> None:
        super().__init__(genes)
        self.fitness = Error()

    def copy(self) -> Individual:
        """An individual of its own, much faster than DEAP's deep copy."""
        twin = Individual(self)
        twin.fitness.wvalues = self.fitness.wvalues
        return twin


@dataclass(frozen=True, kw_only=True)
class PaperSearch:
    """The paper's knobs (theta_c, theta_m, theta_r, Np, T); calling it fits."""

    population: int = 50
    generations: int = 500
    crossover: float = 0.7
    mutation: float = 0.2
    tournament: int = 3
    rounding_share: float = 0.05
    seed: int = 42

    def __call__(self, task: Task) -> dict[int, Stored]:
        """The best table of the last population, for all scales."""
        genes = Genes.of(task)
        rng = np.random.RandomState(self.seed)  # Why legacy: the published tables are made of its stream
        first = [Individual(rng.uniform(*genes.places, task.entries - 1)) for _ in range(self.population)]
        box = base.Toolbox()
        evaluate = Fitness(task, genes)
        box.register("evaluate", evaluate)
        box.register("map", lambda _, individuals: evaluate(individuals))  # a whole generation at once
        box.register("clone", Individual.copy)
        box.register("mate", tools.cxTwoPoint if task.entries > 2 else lambda a, b: (a, b))
        box.register("mutate", self.mutate, genes=genes, rng=rng)
        box.register("select", tools.selTournament, tournsize=self.tournament)
        with python_random(self.seed):
            last, _ = algorithms.eaSimple(first, box, self.crossover, self.mutation, self.generations, verbose=False)
        best = np.array([tools.selBest(last, 1)[0]])
        slopes, intercepts = chords(task, best, genes.outer)
        return stored_at_all_scales(task, best[0], slopes[0], intercepts[0])

    def mutate(self, individual: Individual, genes: Genes, rng: np.random.RandomState) -> tuple[Individual]:
        """Per gene and precision: round to it, or a Gaussian step; without rounding, a step for one gene in ten."""
        low, high = genes.places
        for g, value in enumerate(individual):
            for j in range(FINEST if genes.coarsest is None else genes.coarsest, FINEST + 1):
                p = rng.uniform()
                if genes.coarsest is not None and self.rounding_share * j <= p < self.rounding_share * (j + 1):
                    value = round(value * 2**j) / 2**j
                elif p >= 0.9:
                    value += rng.normal(0, 0.2)
            individual[g] = min(max(value, low), high)
        return (individual,)


class Fitness:
    """Mean square error on the paper's grid, of a generation at once; sorts individuals in place, as the paper does."""

    def __init__(self, task: Task, genes: Genes) -> None:
        self.task, self.outer = task, genes.outer
        self.x = np.arange(*genes.grid, STEP)
        self.y = np.asarray(task.function.fn(self.x), np.float64)

    def __call__(self, individuals: list[Individual]) -> list[tuple[float]]:
        """One fitness an individual."""
        for individual in individuals:
            individual.sort()
        if not individuals:
            return []
        points = np.array(individuals)
        slopes, intercepts = (line / self.task.one for line in chords(self.task, points, self.outer))
        found = []
        for p, k, b in zip(points, slopes, intercepts, strict=True):
            i = np.searchsorted(p, self.x, side="right")
            found.append((float(np.mean((k[i] * self.x + b[i] - self.y) ** 2)),))
        return found


@contextlib.contextmanager
def python_random(seed: int) -> Iterator[None]:
    """Python's global generator from `seed`; its own state comes back. One thread at a time has it."""
    with GLOBAL:
        before = random.getstate()
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(before)
