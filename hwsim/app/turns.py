"""Engines take turns: what one inference costs each of them, while the machine is as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from time import process_time

BATCH = 3e-3
"""Seconds of one turn, at least: the clock and the loop around an engine's calls count for nothing then."""
Repeat = Callable[[int], object]


@contextmanager
def one_core() -> Iterator[int]:
    """This thread, and those it starts meanwhile, on one core; its number. Where the system has no such call, -1."""
    if not hasattr(os, "sched_setaffinity"):
        yield -1
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {max(before)})
        yield max(before)
    finally:
        os.sched_setaffinity(0, before)


def take_turns(engines: Sequence[Repeat], rounds: int) -> list[list[float]]:
    """CPU seconds of one inference, of each engine in each round, all threads of the process included.

    Why CPU seconds: what else the machine does counts less. Each round begins with another engine.
    """
    times = [_enough(e) for e in engines]
    seconds: list[list[float]] = [[] for _ in engines]
    for r in range(rounds):
        for i in range(len(engines)):
            k = (i + r) % len(engines)
            seconds[k].append(_spent(engines[k], times[k]) / times[k])
    return seconds


def _enough(repeat: Repeat) -> int:
    """How often to run, so that a turn takes `BATCH`; warms the engine up."""
    times = 1
    while (spent := _spent(repeat, times)) < BATCH / 4:
        times *= 4
    return max(1, ceil(times * BATCH / spent))


def _spent(repeat: Repeat, times: int) -> float:
    start = process_time()
    repeat(times)
    return process_time() - start
