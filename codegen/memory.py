"""Where buffers may live: which may share an arena, or a place in it, and how one after the other gets its place.

Why several arenas: a C object of one type may not be accessed through another, but for the signed or unsigned twin of
its type, and character types, which may access anything (C99 6.5p7). So there is one arena a width, and buffers of
bytes live in whichever has room for them. A union would not let int16_t and int32_t share: steps get pointers to
elements, and an element is then accessed through a type that is not its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

WIDTHS = {"int8_t": 1, "int16_t": 2, "int32_t": 4, "int64_t": 8, "float": 4}
BYTE = "int8_t"


def width(element: str) -> int:
    """Bytes of a C type."""
    return WIDTHS[element.removeprefix("u")]


@dataclass(frozen=True, kw_only=True)
class Buffer:
    """One block of memory.

    Args:
        key: what it is called.
        element: C type of its elements.
        size: bytes.
        first, last: the steps, both included, in which it must exist.
        over: buffers of at least its size that end where it begins and at whose start it may begin: written in place.
    """

    key: Hashable
    element: str
    size: int
    first: int
    last: int
    over: frozenset[Hashable] = frozenset()

    @property
    def arena(self) -> str:
        """Element type of the arena that it needs; bytes may live in any."""
        return self.element.removeprefix("u")

    def overlaps(self, other: Buffer) -> bool:
        """Whether both exist at some step."""
        return self.first <= other.last and other.first <= self.last


@dataclass
class Packing:
    """Places by number of the buffer, and bytes of each arena."""

    places: dict[int, tuple[str, int]]
    arenas: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes of all arenas."""
        return sum(self.arenas.values())


class Packer:
    """Buffers, numbered, with what each may not share memory with."""

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        self.buffers = list(buffers)
        at = range(len(self.buffers))
        self.foes = [[j for j in at if j != i and self.buffers[i].overlaps(self.buffers[j])] for i in at]
        self.mates = [{j for j in self.foes[i] if _in_place(self.buffers[i], self.buffers[j])} for i in at]
        self.arenas = sorted({b.arena for b in buffers}, key=lambda a: WIDTHS[a])

    def pack(self, order: Sequence[int]) -> Packing:
        """One buffer after the other, each where it lets the arenas grow least, in place of another where it can be."""
        done = Packing({}, dict.fromkeys(self.arenas, 0))
        for i in order:
            size, offers = self.buffers[i].size, self._offers(i, done)
            mates = {done.places[j] for j in self.mates[i] if j in done.places}
            best = min(
                (self._growth(done, arena, at + size), (arena, at) not in mates, at, arena) for arena, at in offers
            )
            start, arena = best[2:]
            done.places[i] = arena, start
            done.arenas[arena] += self._growth(done, arena, start + size)
        return done

    def _growth(self, done: Packing, arena: str, end: int) -> int:
        unit = WIDTHS[arena]
        return max(0, -(-end // unit) * unit - done.arenas[arena])

    def _offers(self, i: int, done: Packing) -> Iterator[tuple[str, int]]:
        """(arena, start): in each arena the lowest gap, and where it may be in place of, or under, another."""
        b = self.buffers[i]
        for arena in self.arenas if b.arena == BYTE else [b.arena]:
            taken = sorted(
                (done.places[j][1], j) for j in self.foes[i] if j in done.places and done.places[j][0] == arena
            )
            start, unit = 0, WIDTHS[b.arena]
            for other, j in taken:
                if start + b.size <= other:
                    break
                start = max(start, -(-(other + self.buffers[j].size) // unit) * unit)
            yield arena, start
            for at, j in taken:
                if j in self.mates[i] and at % unit == 0 and self._free(i, at, [t for t in taken if t[1] != j]):
                    yield arena, at

    def _free(self, i: int, at: int, taken: list[tuple[int, int]]) -> bool:
        end = at + self.buffers[i].size
        return all(end <= other or other + self.buffers[j].size <= at for other, j in taken)


def _in_place(a: Buffer, b: Buffer) -> bool:
    """Whether one of the two may begin where the other ends its life, at the same byte."""
    return (b.key in a.over and a.size <= b.size) or (a.key in b.over and b.size <= a.size)
