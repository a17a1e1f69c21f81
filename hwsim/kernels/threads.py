"""Threads that work beside the one that asks, each on cores of its own if there are enough."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import lru_cache
from threading import get_native_id


class Team:
    """Threads that are kept: starting them takes as long as a small network."""

    def __init__(self, size: int) -> None:
        self.size, self.ids = size, list[int]()
        self.pool = ThreadPoolExecutor(size, "hwsim", initializer=lambda: self.ids.append(get_native_id()))

    def run(self, work: Callable[[], None]) -> None:
        """`work` in each of them and in this one, until all are done; the first error is raised."""
        with _apart(self.ids, self.size):
            others = [self.pool.submit(work) for _ in range(self.size)]
            try:
                work()
            finally:
                wait(others)
        for other in others:
            other.result()


@lru_cache
def team(threads: int) -> Team:
    """The one of `threads` less the one that asks."""
    return Team(threads - 1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.cache_clear)  # threads do not live on in a fork


@contextmanager
def _apart(others: Sequence[int], size: int) -> Iterator[None]:
    """The cores of this thread are dealt out among it and `others`; afterwards it has all of them again.

    If there are not enough, or not all `size` others have been started yet, who inherit from this one, all share all.

    Why: a thread that wakes, at first or for Python's lock, is often put on the core of the one that woke it, and stays
    there for 10 ms, a whole batch of a small network, until the system sees that another core is free.
    """
    cores = _cores()
    hands = size + 1 if len(others) == size < len(cores) else 1
    for i, thread in enumerate(others if cores else (), start=1):
        _place(thread, cores[i % hands :: hands])
    if hands == 1:
        yield
        return
    try:
        _place(0, cores[::hands])
        yield
    finally:
        _place(0, cores)


def _cores() -> list[int]:
    """Those that this thread may use, the one it is on first; none where the system does not say."""
    where = _core_number()
    if where is None or not hasattr(os, "sched_getaffinity"):
        return []
    here, cores = where(), sorted(os.sched_getaffinity(0))
    at = cores.index(here) if here in cores else 0
    return cores[at:] + cores[:at]


@lru_cache
def _core_number() -> Callable[[], int] | None:
    return getattr(ctypes.CDLL(None), "sched_getcpu", None) if os.name == "posix" else None


def _place(thread: int, cores: Sequence[int]) -> None:
    with suppress(OSError):  # a hint: where it is not allowed, or the thread has ended, codes are the same
        os.sched_setaffinity(thread, cores)
