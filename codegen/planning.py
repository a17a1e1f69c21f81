"""The arenas of a program: the best of several orders in which buffers get their places, and of a search among them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from .memory import BYTE, WIDTHS, Buffer, Packer, Packing

EFFORT = 200_000  # of a search: orders tried, times the pairs of buffers that each has to look at
TRIES = 2_000


@dataclass(frozen=True)
class Plan:
    """Arena and first byte of each buffer, bytes of each arena, bytes that no plan can do without, what found it."""

    places: dict[Hashable, tuple[str, int]]
    arenas: dict[str, int]
    bound: int
    found: str

    @property
    def total(self) -> int:
        """Bytes of all arenas."""
        return sum(self.arenas.values())


def plan(buffers: Sequence[Buffer]) -> Plan:
    """The smallest plan found, at once where one needs no more than the busiest step; same buffers, same plan."""
    packer, bound = Packer(buffers), lower_bound(buffers)
    best, found, start = packer.pack(()), "empty", list[int]()
    for name, order in _orders(packer):
        packed = packer.pack(order)
        if found == "empty" or packed.total < best.total:
            best, found, start = packed, f"greedy by {name}", order
        if best.total <= bound:
            break
    if best.total > bound and (better := _search(packer, start, bound)).total < best.total:
        best, found = better, "search"
    places = {b.key: best.places[i] for i, b in enumerate(buffers)}
    return Plan(places, {k: best.arenas[k] for k in WIDTHS if best.arenas.get(k)}, bound, found)


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """Bytes of the busiest step, or of the wide types' own busiest steps together."""
    wide = ([b for b in buffers if b.arena == arena] for arena in WIDTHS if arena != BYTE)
    return max(_busiest(buffers), sum(_busiest(w) for w in wide))


def _busiest(buffers: Sequence[Buffer]) -> int:
    """The most bytes that exist in one step; what may be written in place of another is not counted as it begins."""
    keys, alive = {b.key for b in buffers}, dict.fromkeys(sorted({b.first for b in buffers}), 0)
    for b in buffers:
        for step in alive:
            if b.first + bool(b.over & keys) <= step <= b.last:
                alive[step] += b.size
    return max(alive.values(), default=0)


def _orders(packer: Packer) -> Iterator[tuple[str, list[int]]]:
    """Orders that pack well, each also with what may share a place brought together."""
    for name, order in _plain_orders(packer.buffers):
        yield name, order
        yield f"{name}, chains together", _chained(packer, order)


def _chained(packer: Packer, order: Sequence[int]) -> list[int]:
    """`order`, but each buffer is followed by those that it may be in place of, or they of it, and by theirs."""
    rank, done = {i: k for k, i in enumerate(order)}, dict[int, None]()
    for first in order:
        waiting = [first]
        while waiting:
            i = waiting.pop()
            if i not in done:
                done[i] = None
                waiting += sorted(packer.mates[i], key=lambda j: -rank[j])
    return list(done)


def _plain_orders(buffers: Sequence[Buffer]) -> Iterator[tuple[str, list[int]]]:
    """The first that comes is the one that most often is enough."""
    at = range(len(buffers))
    alive = [sum(o.size for o in buffers if o.overlaps(b)) for b in buffers]

    def by(*keys: Sequence[int]) -> list[int]:
        return sorted(at, key=lambda i: (*(-k[i] for k in keys), buffers[i].first, i))

    size = [b.size for b in buffers]
    life = [b.last - b.first + 1 for b in buffers]
    wide = [WIDTHS[b.arena] for b in buffers]
    yield "width and size", by(wide, size)
    yield "size", by(size)
    yield "size x lifetime", by([s * n for s, n in zip(size, life, strict=True)])
    yield "lifetime and size", by(life, size)
    yield "breadth", by(alive, size)
    yield "first step", list(at)


def _search(packer: Packer, order: Sequence[int], bound: int) -> Packing:
    """Changes of the order that do not make the plan larger, until the bound or the end of the effort.

    What ends at the top of an arena comes earlier, or two change places. Why our own numbers: Python's may change.
    """
    best, order, state = packer.pack(order), list(order), 1
    pairs = len(order) + sum(map(len, packer.foes))

    def below(n: int) -> int:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (state >> 33) % n

    for k in range(min(TRIES, EFFORT // pairs)):
        tried = list(order)
        if k % 2:
            i, j = below(len(tried)), below(len(tried))
            tried[i], tried[j] = tried[j], tried[i]
        else:
            top = [
                i
                for i, (arena, at) in best.places.items()
                if at + packer.buffers[i].size > best.arenas[arena] - WIDTHS[arena]
            ]
            where = tried.index(top[below(len(top))])
            tried.insert(below(where + 1), tried.pop(where))
        packed = packer.pack(tried)
        if packed.total <= best.total:
            best, order = packed, tried
        if best.total <= bound:
            break
    return best
