"""Engines take turns: what one inference costs each of them, while the machine is as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil, inf
from time import process_time, sleep

BATCH = 3e-3
"""Seconds of one turn, at least: the clock and the loop around an engine's calls count for nothing then."""
TURN = 20e-3
"""The same where batch comes after batch: caches hold then what the engine itself left there."""
FEW = 3
"""Rounds of an engine whose turns outlast the patience."""
Repeat = Callable[[int], object]
Clock = Callable[[], float]


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


def take_turns(
    engines: Sequence[Repeat],
    rounds: int,
    *,
    clock: Clock = process_time,
    least: float = BATCH,
    patience: float = inf,
    rest: float = 0,
) -> list[list[float]]:
    """Seconds of one inference, of each engine in each round. Each round begins with another engine.

    Args:
        engines: what takes turns.
        rounds: turns of each.
        clock: CPU seconds of all threads of the process, since what else the machine does counts less there; for
            engines of several threads `time.perf_counter`.
        least: seconds of a turn; the longer, the less counts what the engine before left in the caches.
        patience: an engine of which a turn takes longer has the first `FEW` rounds alone.
        rest: seconds before a turn, in which threads of the engine before stop waiting for more work.
    """
    times = [_enough(e, clock, least) for e in engines]
    seconds: list[list[float]] = [[] for _ in engines]
    for r in range(rounds):
        for i in range(len(engines)):
            k = (i + r) % len(engines)
            if r >= FEW and seconds[k][0] * times[k] > patience:
                continue
            sleep(rest)
            seconds[k].append(_spent(engines[k], times[k], clock) / times[k])
    return seconds


def repeated(once: Callable[[], object]) -> Repeat:
    """What runs once, as turns want it."""

    def repeat(times: int) -> None:
        for _ in range(times):
            once()

    return repeat


def _enough(repeat: Repeat, clock: Clock, least: float) -> int:
    """How often to run, so that a turn takes so long; the first run, in which an engine gets ready, says nothing."""
    repeat(1)
    times = 1
    while (spent := _spent(repeat, times, clock)) < least / 4:
        times *= 4
    return max(1, ceil(times * least / spent))


def _spent(repeat: Repeat, times: int, clock: Clock) -> float:
    start = clock()
    repeat(times)
    return clock() - start
