"""What tables are compared with: uniform breakpoints, continuous least squares, NN-LUT; all rounded after the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.formats import Reals
from hwsim.tables import Stored

from .chords import chords, outer_points, stored_at_all_scales
from .task import Task

STEP = 0.01


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Chords between breakpoints at equal distances."""

    def __call__(self, task: Task) -> dict[int, Stored]:
        """The table, for all scales."""
        points = np.linspace(*task.span, task.entries + 1)[1:-1]
        slopes, intercepts = chords(task, points[None], outer_points(task))
        return stored_at_all_scales(task, points, slopes[0], intercepts[0])


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """Continuous least squares: best values at the knots, and knots moved one at a time while that helps.

    Args:
        rounds: how often the step of a knot is halved.
    """

    rounds: int = 7

    def __call__(self, task: Task) -> dict[int, Stored]:
        """The table, for all scales."""
        x = np.arange(*task.span, STEP)
        y = np.asarray(task.function.fn(x), np.float64)
        knots = np.linspace(*task.span, task.entries + 1)[1:-1]
        error, weights = least_squares(x, y, knots)
        step = (task.span[1] - task.span[0]) / task.entries
        for _ in range(self.rounds):
            step, moved = step / 2, True
            while moved:
                moved = False
                for i in range(knots.size):
                    for way in (step, -step):
                        other = knots.copy()
                        other[i] += way
                        if not task.span[0] < other[i] < task.span[1]:
                            continue
                        other.sort()
                        e, w = least_squares(x, y, other)
                        if e < error * (1 - 1e-6):
                            error, weights, knots, moved = e, w, other, True
        slopes = weights[1] + np.concatenate([[0], np.cumsum(weights[2:])])
        intercepts = weights[0] - np.concatenate([[0], np.cumsum(weights[2:] * knots)])
        return stored_at_all_scales(task, knots, np.round(slopes * task.one), np.round(intercepts * task.one))


def least_squares(x: Reals, y: Reals, knots: Reals) -> tuple[float, Reals]:
    """Least mean square error of ``w0 + w1 x + sum(w[i + 2] * max(x - knots[i], 0))``, and w."""
    basis = np.concatenate([np.ones((1, x.size)), x[None], np.maximum(x - knots[:, None], 0)])
    ridge = 1e-9 * x.size * np.eye(len(basis))
    w = np.linalg.solve(basis @ basis.T + ridge, basis @ y)
    return float(np.mean((w @ basis - y) ** 2)), w


@dataclass(frozen=True, kw_only=True)
class NnLut:
    """A hidden layer of entries - 1 ReLUs, trained on random samples with an L1 loss by Adam, read as a table.

    Source: arXiv:2112.02191. Widths, optimizer and loss are the paper's; rate and steps are ours.
    """

    samples: int = 100_000
    batch: int = 1000
    epochs: int = 30
    rate: float = 0.01
    seed: int = 0

    def __call__(self, task: Task) -> dict[int, Stored]:
        """The table, for all scales."""
        rng = np.random.default_rng(self.seed)
        x = rng.uniform(*task.span, self.samples)
        y = np.asarray(task.function.fn(x), np.float64)
        hidden = task.entries - 1
        w = np.where(rng.random(hidden) < 0.5, -1.0, 1.0)
        kinks = rng.uniform(*task.span, hidden)
        net = np.concatenate([w, -w * kinks, rng.normal(0, 0.3, hidden), [float(y.mean())]])
        net = self.train(net, x, y, rng)
        return stored_at_all_scales(task, *table_of(net, task.span, task.one))

    def train(self, net: Reals, x: Reals, y: Reals, rng: np.random.Generator) -> Reals:
        """Adam, its rate falling to 0 along half a cosine."""
        first, second, steps = np.zeros_like(net), np.zeros_like(net), self.epochs * (x.size // self.batch)
        for t in range(steps):
            some = rng.integers(0, x.size, self.batch)
            slope = gradient(net, x[some], y[some])
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            mean, spread = first / (1 - 0.9 ** (t + 1)), second / (1 - 0.999 ** (t + 1))
            rate = self.rate * 0.5 * (1 + np.cos(np.pi * t / steps))
            net = net - rate * mean / (np.sqrt(spread) + 1e-8)
        return net


def gradient(net: Reals, x: Reals, y: Reals) -> Reals:
    """Of the mean absolute error of ``sum(a * relu(w * x + c)) + d`` by (w, c, a, d)."""
    w, c, a = np.split(net[:-1], 3)
    before = np.outer(w, x) + c[:, None]
    active = before > 0
    hidden = before * active
    sign = np.sign(a @ hidden + net[-1] - y) / x.size
    back = active * sign
    return np.concatenate([a * (back @ x), a * back.sum(1), hidden @ sign, [sign.sum()]])


def table_of(net: Reals, span: tuple[float, float], one: int) -> tuple[Reals, Reals, Reals]:
    """Breakpoints, slopes and intercepts of the net: the same function, lines rounded to units of ``1 / one``."""
    w, c, a = np.split(net[:-1], 3)
    kinks = np.sort(np.clip(-c / np.where(w == 0, 1e-12, w), *span))
    inside = np.concatenate([[span[0]], kinks, [span[1]]])
    active = np.outer((inside[1:] + inside[:-1]) / 2, w) + c > 0
    return kinks, np.round(active @ (a * w) * one), np.round((active @ (a * c) + net[-1]) * one)
