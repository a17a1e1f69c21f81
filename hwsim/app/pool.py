"""Worker processes for a command with ``--jobs``; none for one job, which needs no other process."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

MOST = 256


def add_jobs(p: Any) -> None:
    """Describe the option."""
    p.add_argument("--jobs", type=jobs, default=1, metavar="J", help="processes at work at once (default: 1)")


def jobs(text: str) -> int:
    """A number of processes."""
    if not (text.isdecimal() and 1 <= int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of processes, 1..{MOST}")
    return int(text)


@contextmanager
def pool(count: int) -> Iterator[Executor | None]:
    """`count` processes that find what this folder holds; None for one.

    Why spawned: a copy of a process that has threads (a progress bar, an engine) may stop for ever. Starting one takes
    about a second, so one job starts none.
    """
    if count == 1:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=sys.path.insert, initargs=(0, os.getcwd())) as executor:
        try:
            yield executor
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
