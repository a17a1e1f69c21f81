"""How much stack a function can take: the deepest chain of calls in what gcc's ``-fcallgraph-info=su`` writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

NODE = re.compile(r'^node: \{ title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
BYTES = re.compile(r"\\n(\d+) bytes \((static|dynamic,bounded)\)")
LIBGCC = 96  # bytes allowed for a call of the compiler's own arithmetic, which says nothing of itself
INDIRECT = "__indirect_call"


def stack_bound(files: Sequence[Path], entry: str) -> int:
    """Most bytes of stack below the call of `entry`.

    Args:
        files: of all objects of the image.
        entry: function that is called.

    Raises:
        ValueError: recursion, a call through a pointer, or a frame whose size is not known.
    """
    frames: dict[str, int | None] = {}
    calls: dict[str, set[str]] = {}
    for line in (line for f in files for line in f.read_text().splitlines()):
        if m := NODE.match(line):
            size = BYTES.search(m[2])
            if size:
                frames[m[1]] = int(size[1])
            else:
                frames.setdefault(m[1], None if " bytes (" in m[2] else LIBGCC)
        elif m := EDGE.match(line):
            calls.setdefault(m[1], set()).add(m[2])
    return _deepest(entry, frames, calls, ())


def _deepest(name: str, frames: dict[str, int | None], calls: dict[str, set[str]], above: tuple[str, ...]) -> int:
    own = frames.get(name)
    if name in above or name == INDIRECT or own is None:
        chain = " > ".join((*above, name))
        raise ValueError(f"stack of {chain} has no bound: recursion, a call through a pointer, or a frame of open size")
    return own + max((_deepest(c, frames, calls, (*above, name)) for c in calls.get(name, ())), default=0)
