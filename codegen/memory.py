"""Where each buffer lives: static arenas planned from lifetimes.

Why one arena an element type: a C object of one type may not be accessed through another (C99 6.5p7); fusion leaves few
wide buffers, so little is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Buffer:
    """`size` elements that must exist from step `first` to step `last`, both included."""

    name: str
    size: int
    first: int
    last: int

    def overlaps(self, other: Buffer) -> bool:
        """Whether both exist at some step."""
        return self.first <= other.last and other.first <= self.last


def plan(buffers: Sequence[Buffer]) -> tuple[dict[str, int], int]:
    """(name -> offset, total size): largest first, each at the lowest offset free for its whole life."""
    placed: list[tuple[int, Buffer]] = []
    for b in sorted(buffers, key=lambda b: (-b.size, b.first, b.name)):
        offset = 0
        for start, other in sorted((p for p in placed if p[1].overlaps(b)), key=lambda p: p[0]):
            if offset + b.size <= start:
                break
            offset = max(offset, start + other.size)
        placed.append((offset, b))
    return {b.name: o for o, b in placed}, max((o + b.size for o, b in placed), default=0)
