"""Lines with integer coefficients through runs of points: the kernels that fit and certify piecewise-linear tables.

A line is ``slope * x + intercept``, both integers; its error over points with weights w is ``sum(w * (line - y)**2)``.
Points come sorted by x. Sums over a run are differences of `moments`, so any run costs the same. Some points may be
pinned: a line that has such a point in its run must pass through it exactly.

Why here: the fits are in `algos`, numba is in `hwsim` alone. `tests/algos/gqa_lut` compares each with brute force.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .formats import Reals
from .jit import jit


def moments(w: Reals, x: Reals, y: Reals) -> Reals:
    """Sums of w, wx, wxx, wy, wxy, wyy over the first 0, 1, ... points, shape (6, points + 1)."""
    rows = np.stack([w, w * x, w * x * x, w * y, w * x * y, w * y * y])
    return np.concatenate([np.zeros((6, 1)), np.cumsum(rows, axis=1)], axis=1)


@jit
def line_error(s: Any, slope: Any, intercept: Any) -> Any:
    """Error of one line over the points whose sums are `s`."""
    e = s[5] - 2 * slope * s[4] - 2 * intercept * s[3]
    e += slope * slope * s[2] + 2 * slope * intercept * s[1] + intercept * intercept * s[0]
    return max(e, 0.0)


@jit
def parabola(sxx: Any, sxy: Any, error: Any, least: Any) -> tuple[Any, Any, Any]:
    """``error - 2 slope sxy + slope**2 sxx`` as (sxx, middle, least error); 0 and flat where sxx is only noise."""
    if sxx <= least:
        return 0.0, 0.0, error
    return sxx, sxy / sxx, error - sxy * sxy / sxx


@jit
def best_line(s: Any, reach: Any, least: Any) -> tuple[Any, Any, Any]:
    """Least error and its line, for the points whose sums are `s`; slopes and intercepts in ``-reach..reach - 1``.

    `least` is below the variance of any two different x: what is less is one x, and the noise of its sums.

    Why this is exact: for one slope the error is a parabola of the intercept, so the nearest integer to its middle is
    best; without rounding the intercept it is a parabola of the slope, a bound that ends the walk away from its middle.
    """
    low, high = -reach, reach - 1
    mx, my = s[1] / s[0], s[3] / s[0]
    sxx, sxy = s[2] - mx * s[1], s[4] - mx * s[3]
    floor = s[5] - my * s[3]
    sxx, middle, floor = parabola(sxx, sxy, floor, least * s[0])
    start = min(max(int(np.rint(middle)), low), high)
    best, slope, intercept = np.inf, 0, 0
    for direction in (1, -1):
        k = start if direction == 1 else start - 1
        while low <= k <= high and floor + sxx * (k - middle) ** 2 < best:
            b = min(max(int(np.rint(my - k * mx)), low), high)
            r = my - k * mx - b
            e = max(floor, 0.0) + sxx * (k - middle) ** 2 + s[0] * r * r
            if e < best:
                best, slope, intercept = e, k, b
            if best <= 0.0:
                return best, slope, intercept
            k += direction
    return best, slope, intercept


@jit
def line_through(s: Any, px: Any, py: Any, reach: Any, least: Any) -> tuple[Any, Any, Any]:
    """`best_line` of those through every point (px, py) exactly; the error is infinite where there is none.

    Why this is exact: through one point the error is a parabola of the slope, so the first slope that passes on either
    side of its middle is the best of that side.
    """
    low, high = -reach, reach - 1
    x, y = px[0], py[0]
    sxx = s[2] - 2 * x * s[1] + x * x * s[0]
    sxy = s[4] - x * s[3] - y * s[1] + x * y * s[0]
    floor = s[5] - 2 * y * s[3] + y * y * s[0]
    sxx, middle, floor = parabola(sxx, sxy, floor, least * s[0])
    start = min(max(int(np.rint(middle)), low), high)
    best, slope, intercept = np.inf, 0, 0
    for direction in (1, -1):
        k = start if direction == 1 else start - 1
        passes = False
        while low <= k <= high and not passes:
            b = y - k * x
            passes = b == np.rint(b) and low <= b <= high
            for p in range(1, px.size):
                passes = passes and k * px[p] + b == py[p]
            e = max(floor, 0.0) + sxx * (k - middle) ** 2
            if passes and e < best:
                best, slope, intercept = e, k, int(b)
            k += direction
    return best, slope, intercept


@jit
def run_errors(sums: Any, reach: Any, least: Any, at: Any, px: Any, py: Any) -> tuple[Any, Any, Any]:
    """The best line of every run of points i..j-1.

    Args:
        sums: `moments` of the points.
        reach: see `best_line`.
        least: likewise.
        at: which points are pinned, in order, shape (pins,).
        px: their x, shape (pins,).
        py: their y, likewise.

    Returns:
        Errors, slopes and intercepts, each shape (points + 1, points + 1).
    """
    n = sums.shape[1]
    errors = np.full((n, n), np.inf)
    slopes, intercepts = np.zeros((n, n), np.int32), np.zeros((n, n), np.int32)
    for i in range(n):
        errors[i, i] = 0.0
        first = np.searchsorted(at, i)
        for j in range(i + 1, n):
            s = sums[:, j] - sums[:, i]
            if first < at.size and at[first] < j:
                inside = slice(first, np.searchsorted(at, j))
                errors[i, j], slopes[i, j], intercepts[i, j] = line_through(s, px[inside], py[inside], reach, least)
            else:
                errors[i, j], slopes[i, j], intercepts[i, j] = best_line(s, reach, least)
    return errors, slopes, intercepts


@jit
def best_partition(first: Any, inner: Any, last: Any, entries: Any, skip: Any) -> tuple[Any, Any]:
    """Dynamic programming: the least error of `entries` runs (empty ones count) that cover all points, and their ends.

    Args:
        first: errors of the first run, points 0..j-1, shape (points + 1,).
        last: errors of the last run, points i.., shape (points + 1,).
        inner: errors of the runs between, shape (points + 1, points + 1).
        entries: how many runs.
        skip: a run may begin one point late, that point free: a lower bound where a point stands for a block of codes.

    Returns:
        The error, and the end of each run, shape (entries,).
    """
    n = first.size
    cost, origin = first.copy(), np.zeros((entries, n), np.int64)
    for e in range(1, entries):
        new = np.full(n, np.inf)
        for i in range(n):
            reached = min(cost[i], cost[i - 1]) if skip and i > 0 else cost[i]
            for j in range(i, n) if e < entries - 1 else range(n - 1, n):
                total = reached + (inner[i, j] if e < entries - 1 else last[i])
                if total < new[j]:
                    new[j], origin[e, j] = total, i
        cost = new
    ends = np.empty(entries, np.int64)
    at = n - 1
    for e in range(entries - 1, -1, -1):
        ends[e] = at
        at = origin[e, at]
    return cost[n - 1], ends


@jit
def line_costs(x: Any, y: Any, penalty: Any, slopes: Any, intercepts: Any) -> Any:
    """Squared error of each line at each point, shape (points, lines); missing a point costs its `penalty` besides."""
    costs = np.empty((x.size, slopes.size))
    for q in range(x.size):
        for e in range(slopes.size):
            r = slopes[e] * x[q] + intercepts[e] - y[q]
            costs[q, e] = r * r
            if penalty[q] > 0.0 and r != 0.0:
                costs[q, e] += penalty[q]
    return costs


@jit
def best_ends(costs: Any, ends: Any) -> Any:
    """Where each line, in their order, is best left for the next: `ends` is filled, the sum of the costs returned.

    A line's run is ``ends[e - 1]..ends[e] - 1``; runs may be empty.
    """
    n, lines = costs.shape
    cost, origin = np.zeros(lines), np.zeros((n, lines), np.uint8)
    for q in range(n):
        least, at = np.inf, 0
        for e in range(lines):
            if cost[e] < least:
                least, at = cost[e], e
            cost[e] = least + costs[q, e]
            origin[q, e] = at
    e = int(np.argmin(cost))
    error = cost[e]
    ends[e:] = n
    for q in range(n - 1, -1, -1):
        before = origin[q, e]
        ends[before:e] = q
        e = before
    ends[:e] = 0
    return error


@jit
def refine(
    x: Any,
    y: Any,
    penalty: Any,
    sums: Any,
    starts: Any,
    weights: Any,
    slopes: Any,
    intercepts: Any,
    fixed: Any,
    reach: Any,
    least: Any,
) -> Any:
    """Alternate best ends on every grid and best lines for those ends, in place, until nothing improves.

    Args:
        x: points of all grids, one grid after another.
        y: what the lines shall give there.
        penalty: of a line that misses the point; > 0 where it is pinned, then more than any table's error.
        sums: `moments` of them, weighted.
        starts: where each grid begins and the last ends, shape (grids + 1,).
        weights: of a point of each grid, shape (grids,).
        slopes: of the lines, shape (entries,); changed.
        intercepts: likewise.
        fixed: how many lines at the left and at the right stay, shape (2,).
        reach: see `best_line`.
        least: likewise.

    Returns:
        The error and the ends, shape (grids, entries), counted from the grid's start.
    """
    grids, lines = weights.size, slopes.size
    ends, pins = np.zeros((grids, lines), np.int64), np.flatnonzero(penalty)
    before = np.inf
    while True:
        error = 0.0
        for g in range(grids):
            part = slice(starts[g], starts[g + 1])
            costs = line_costs(x[part], y[part], penalty[part], slopes, intercepts)
            error += weights[g] * best_ends(costs, ends[g])
        if not error < before * (1 - 1e-12):
            return error, ends
        before = error
        for e in range(fixed[0], lines - fixed[1]):
            s, mine = np.zeros(6), np.zeros(pins.size, np.bool_)
            for g in range(grids):
                i, j = starts[g] + (ends[g, e - 1] if e > 0 else 0), starts[g] + ends[g, e]
                s += sums[:, j] - sums[:, i]
                mine |= (i <= pins) & (pins < j)
            if s[0] <= 1e-12:
                continue
            if not mine.any():
                _, slopes[e], intercepts[e] = best_line(s, reach, least)
                continue
            found, slope, intercept = line_through(s, x[pins[mine]], y[pins[mine]], reach, least)
            if found < np.inf:
                slopes[e], intercepts[e] = slope, intercept
