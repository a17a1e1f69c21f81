"""When each word enters a systolic tile: a matrix product in tiles, every word as early as the array can take it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.costs.cycles import Array, ceil_div, chunks_of
from hwsim.formats import Codes

from .unit import Stimulus


class Scheduled(NamedTuple):
    """The ports of a `SystolicTile`, cycle by cycle from the first word of weights on, and where results come out.

    Args:
        codes: by port.
        tiles: batch, row and column of each tile's first result, and the cycle of the token that hands it over.
    """

    codes: Stimulus
    tiles: list[tuple[int, int, int, int]]


def schedule(array: Array, a: Codes, b: Codes, zero: int) -> Scheduled:
    """Codes (batch, m, k) times (batch, k, n): columns of tiles outside, rows inside.

    A sum that does not fit the store is cut into chunks of equal length, whose weights are loaded again for each tile;
    else they stay while rows pass. Steps beyond the last, and rows beyond the last, are `zero`.

    Args:
        array: of one lane, with a depth.
        a: first operand.
        b: second operand.
        zero: a code of `a` whose products are 0.
    """
    batch, m, k = a.shape
    n = b.shape[-1]
    chunks, steps = chunks_of(array, k)
    r, c, padded = array.rows, array.columns, chunks * steps
    rows = np.full((batch, ceil_div(m, r) * r, padded), zero, np.int64)
    rows[:, :m, :k] = a
    columns = np.zeros((batch, padded, ceil_div(n, c) * c), np.int64)
    columns[:, :k, :n] = b
    line = _Line(array, steps, zero)
    tiles = []
    for i, at_n, at_m in np.ndindex(batch, ceil_div(n, c), ceil_div(m, r)):
        for chunk in range(chunks):
            part = slice(chunk * steps, (chunk + 1) * steps)
            if chunks > 1 or at_m == 0:
                line.load(columns[i, part, at_n * c : (at_n + 1) * c])
            line.read(rows[i, at_m * r : (at_m + 1) * r, part].T, first=chunk == 0)
        tiles.append((i, at_m * r, at_n * c))
    line.close()
    return Scheduled(line.codes(), [(*tile, end) for tile, end in zip(tiles, line.tokens[1:], strict=True)])


class _Line:
    """The time line: when weights are loaded and read. Each load waits for its bank, each read for its load."""

    def __init__(self, array: Array, steps: int, zero: int) -> None:
        self.array, self.steps, self.zero = array, steps, zero
        self.loads: list[tuple[int, NDArray[Any]]] = []  # cycle of the first word, words
        self.reads: list[tuple[int, int, NDArray[Any]]] = []  # cycle of the first step, load, rows by step
        self.used = [0, 0]  # until when each bank is read
        self.tokens: list[int] = []

    def load(self, words: NDArray[Any]) -> None:
        """The next weights, when their bank is free and the words before are in."""
        loaded = self.loads[-1][0] + self.steps if self.loads else 0
        self.loads.append((max(loaded, self.used[len(self.loads) % 2]), words))

    def read(self, rows: NDArray[Any], *, first: bool) -> None:
        """The next steps, with the last load."""
        at, load = max(self.loads[-1][0] + self.steps, *self.used), len(self.loads) - 1
        if first:
            at = self._token(at)
        self.reads.append((at, load, rows))
        self.used[load % 2] = at + self.steps

    def close(self) -> None:
        """The token behind the last tile."""
        self._token(max(self.used))

    def _token(self, at: int) -> int:
        """A token, when the results before the last one have left."""
        at = max(at, self.tokens[-1] + self.array.rows) if self.tokens else at
        self.tokens.append(at)
        return at

    def codes(self) -> Stimulus:
        """All ports, until the last results are handed over."""
        cycles = self.tokens[-1] + self.array.rows
        names = ("first", "bank", "addr", "load", "load_addr")
        ports = {name: np.zeros(cycles, np.int64) for name in names}
        ports["a"] = np.full((cycles, self.array.rows), self.zero)
        ports["data"] = np.zeros((cycles, self.array.columns), np.int64)
        ports["first"][self.tokens] = 1
        index = np.arange(self.steps)
        for i, (at, words) in enumerate(self.loads):
            here = slice(at, at + self.steps)
            ports["load"][here], ports["load_addr"][here], ports["data"][here] = 1, index, words
            ports["bank"][here] = 1 - i % 2
        for at, i, rows in self.reads:
            here = slice(at, at + self.steps)
            ports["addr"][here], ports["a"][here], ports["bank"][here] = index, rows, i % 2
        return ports
