"""One progress bar on stderr for a command of several steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .verbosity import LOG, heard


@contextmanager
def steps(total: int, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """A function to call with the name of each of `total` steps as it begins."""
    if heard():
        yield LOG.info
        return
    from tqdm import tqdm

    layout = "{desc:<24.24} {bar:24} {n_fmt}/{total_fmt} [{elapsed}]"
    begun = 0
    # Why miniters: the bar is drawn when a step begins, once.
    with tqdm(total=total, file=sys.stderr, disable=quiet, bar_format=layout, miniters=total + 1) as bar:

        def step(text: str) -> None:
            nonlocal begun
            bar.set_description_str(text, refresh=False)
            bar.update(1 if begun else 0)
            bar.refresh()
            begun += 1

        try:
            yield step
        except BaseException:
            bar.leave = False  # the error line says it all
            raise
        bar.set_description_str("done", refresh=False)
        bar.update(total - bar.n)
