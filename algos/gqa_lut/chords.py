"""Tables made of real breakpoints and lines: chords of the function, rounded after the fact, as the paper does."""

from __future__ import annotations

import numpy as np

from hwsim.formats import Reals
from hwsim.tables import Stored

from .task import Task

FAR = 1e4  # where an outer chord of a function with tails begins


def outer_points(task: Task) -> tuple[float, float]:
    """Where the first and the last chord end: far away along a tail, else at the ends of the span."""
    left, right = (tail is not None for tail in task.function.tails)
    return (-FAR if left else task.span[0]), (FAR if right else task.span[1])


def chords(task: Task, breakpoints: Reals, outer: tuple[float, float]) -> tuple[Reals, Reals]:
    """Slopes and intercepts, in units of ``2**-fraction``, of the function's chords between breakpoints in order.

    Args:
        task: names the function and the format.
        breakpoints: reals, shape (tables, entries - 1).
        outer: ends of the outer chords.

    Returns:
        Whole numbers, shape (tables, entries), each rounded half to even; a chord of width 0 is 0.
    """
    rows = len(breakpoints)
    ends = np.concatenate([np.full((rows, 1), outer[0]), breakpoints, np.full((rows, 1), outer[1])], axis=1)
    y, width = np.asarray(task.function.fn(ends), np.float64), np.diff(ends)
    some = width != 0
    k = np.divide(np.diff(y), width, out=np.zeros_like(width), where=some)
    b = np.where(some, y[:, :-1] - ends[:, :-1] * k, 0.0)
    return np.round(k * task.one), np.round(b * task.one)


def stored_at_all_scales(task: Task, breakpoints: Reals, slopes: Reals, intercepts: Reals) -> dict[int, Stored]:
    """One table, its real breakpoints rounded to codes for each scale.

    Raises:
        ValueError: a slope or an intercept does not fit the format.
    """
    largest = int(max(np.abs(slopes).max(), np.abs(intercepts).max()))
    for name, line in (("slope", slopes), ("intercept", intercepts)):
        bad = line[(line < -task.reach) | (line >= task.reach)]
        if bad.size:
            raise ValueError(
                f"fit: {name} {bad[0] / task.one:g} does not fit {task.bits} bits, {task.fraction} of them fractional; "
                f"take bits={largest.bit_length() + 1} or a smaller fraction"
            )
    lines = tuple(slopes.astype(int).tolist()), tuple(intercepts.astype(int).tolist())
    tables = {}
    for n in task.scales:
        places = np.clip(np.round(np.ldexp(breakpoints, n)), task.fmt.min_int, task.fmt.max_int + 1)
        tables[n] = Stored(tuple(places.astype(int).tolist()), *lines)
    return tables
