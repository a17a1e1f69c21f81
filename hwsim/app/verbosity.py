"""``-v`` and ``-q`` of every command: how much is said on stderr while it runs."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOG = logging.getLogger("hwsim.app")


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Add the options. Why SUPPRESS: they may stand before or behind the command, whose default must not undo them."""
    flag: dict[str, Any] = {"action": "store_true", "default": argparse.SUPPRESS}
    text = "a line and the time of each step in place of the progress bar, and tracebacks"
    parser.add_argument("-v", "--verbose", help=text, **flag)
    parser.add_argument("-q", "--quiet", help="no progress bar", **flag)


@contextmanager
def listening(verbose: bool) -> Iterator[None]:
    """Say on stderr what happens meanwhile, with the seconds since the start, and where an error came from."""
    if not verbose:
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(relativeCreated)7.0f ms  %(message)s"))
    before = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
        LOG.info("done")
    except Exception:
        LOG.info("failed", exc_info=True)
        raise
    finally:
        LOG.setLevel(before)
        LOG.removeHandler(handler)


def heard() -> bool:
    """Whether steps are said as lines."""
    return LOG.isEnabledFor(logging.INFO)
