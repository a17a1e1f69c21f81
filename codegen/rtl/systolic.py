"""A small output-stationary systolic array with a double-buffered weight store: tiles of matrix products, back to back.

    weights ──► 2 banks ──► skew ──► b
                                     │   ┌────┬────┬────┐
             a ──► skew ────────────────►│ PE │ PE │ PE │   every element adds one product a cycle
                                     ▼   ├────┼────┼────┤
                                         │ PE │ PE │ PE │   a token `first` travels down with b
                                         └────┴────┴────┘
                                           results down ──► skew back ──► y, one row a cycle, the last row first

The token that starts a sum hands the finished one over. When it has passed the lowest row, the results of the column
begin to move down; each element stops moving when the next token arrives, so tiles need be only R cycles apart.
Source: H. T. Kung, "Why systolic architectures?", IEEE Computer 1982; cycles: `hwsim.costs.cycles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.costs.cycles import Array
from hwsim.formats import Codes, Format
from hwsim.qtensor import QType

from ..views.names import VERILOG, identifiers
from .mac import MacUnit
from .module import BENCH, Clocked, Instance, Line, Module
from .processing_element import ProcessingElement
from .systolic_schedule import schedule
from .unit import Stimulus, codes_of, drawn

LARGEST = 64  # rows and columns


@dataclass(frozen=True, kw_only=True)
class SystolicTile:
    """``y = a @ b`` in tiles of rows x columns sums.

    Args:
        mac: what an element computes; see `ProcessingElement`.
        rows: of the array; codes of port ``a``, one a row.
        columns: of the array; codes of a word of weights (port ``data``), and ports ``y_0``, ``y_1``, ...
        depth: words in each of the two banks. ``addr`` reads the one that ``bank`` names; ``load`` writes the other.
        name: of the module, any string.
    """

    mac: MacUnit
    rows: int
    columns: int
    depth: int
    name: str = "systolic"

    def __post_init__(self) -> None:
        """Raise ValueError for an array that cannot be."""
        for what, size in (("rows", self.rows), ("columns", self.columns)):
            if type(size) is not int or not 1 <= size <= LARGEST:
                raise ValueError(f"systolic tile: {what} {size!r} must be 1..{LARGEST}")
        _ = self.array, self.pe  # with their own checks
        if not self._zeros:
            raise ValueError(f"systolic tile: operand a in {self.mac.a.name} has no code for 0, which pads tiles")

    @property
    def array(self) -> Array:
        """What `hwsim.costs` counts."""
        return Array(rows=self.rows, columns=self.columns, depth=self.depth)

    @property
    def pe(self) -> ProcessingElement:
        """One element as a unit of its own."""
        return ProcessingElement(mac=self.mac, name=self._names[1])

    @property
    def _names(self) -> list[str]:
        """Modules of the tile and of an element."""
        return identifiers([self.name, f"{self.name[:30]} pe"], (BENCH,), words=VERILOG)

    @property
    def _zeros(self) -> list[int]:
        codes = codes_of(self.mac.a)
        return codes[self.mac.a.to_int(codes.astype(self.mac.a.dtype)) == 0].tolist()

    @property
    def zero(self) -> int:
        """A code of ``a`` that makes every product 0."""
        return self._zeros[0]

    @property
    def latency(self) -> int:
        """A register at the edge, the way to the far corner, the register of results."""
        return self.rows + self.columns

    @property
    def results(self) -> dict[str, Format]:
        """One a column."""
        return {f"y_{c}": self.mac.acc for c in range(self.columns)}

    @property
    def module(self) -> Module:
        """Store, skew, elements, skew back."""
        m, pe = Module(self._names[0], f"{self.rows} x {self.columns} sums of a * b, output stationary"), self.pe.module
        m.parts.append(pe)
        m.clock()
        first = m.kept("first_kept", m.port("first", None), 1)
        bits = self.mac.a.bits
        a = m.port("a", bits * self.rows)
        for r in range(self.rows):
            _late(m, f"a_{r}_0", f"{a}[{(r + 1) * bits - 1}:{r * bits}]", bits, r + 1)
        word, bits = self._store(m), self.mac.b.bits
        for c in range(self.columns):
            _late(m, f"b_0_{c}", f"{word}[{(c + 1) * bits - 1}:{c * bits}]", bits, c)
            _late(m, f"first_0_{c}", first, 1, c)
        for r in range(self.rows):
            for c in range(self.columns):
                m.instances.append(self._element(m, pe.name, r, c))
        for c in range(self.columns):
            y = _late(m, f"out_{c}", f"y_{self.rows - 1}_{c}_net", self.mac.acc.bits, self.columns - 1 - c)
            m.port(f"y_{c}", self.mac.acc.bits, output=True)
            m.outputs.append((f"y_{c}", y))
        return m

    def _store(self, m: Module) -> str:
        """Two memories and the register of the word that is read."""
        width, index = self.mac.b.bits * self.columns, max(1, (self.depth - 1).bit_length())
        bank, addr, load = m.port("bank", None), m.port("addr", index), m.port("load", None)
        to, data = m.port("load_addr", index), m.port("data", width)
        for i, chosen in enumerate((f"{load} && {bank}", f"{load} && !{bank}")):
            m.lines.append(Line("memory", f"bank_{i}", width, f"0:{self.depth - 1}", signed=False))
            m.clocked.append(Clocked(f"bank_{i}[{to}]", data, chosen))
        return m.kept("word", f"{bank} ? bank_1[{addr}] : bank_0[{addr}]", width)

    def _element(self, m: Module, module: str, r: int, c: int) -> Instance:
        """An element and the nets that leave it; the last column's `a` and the last row's `b` go nowhere."""
        right, down = c + 1 < self.columns, r + 1 < self.rows
        above = f"y_{r - 1}_{c}_net" if r else f"{self.mac.acc.bits}'h0"
        return Instance(
            module, f"pe_{r}_{c}",
            (
                ("clk", "clk"), ("a", f"a_{r}_{c}"), ("b", f"b_{r}_{c}"), ("first", f"first_{r}_{c}"),
                ("move", f"first_{self.rows}_{c}"), ("above", above),
                ("a_next", m.net(f"a_{r}_{c + 1}", self.mac.a.bits) if right else ""),
                ("b_next", m.net(f"b_{r + 1}_{c}", self.mac.b.bits) if down else ""),
                ("first_next", m.net(f"first_{r + 1}_{c}", 1)), ("y", m.net(f"y_{r}_{c}_net", self.mac.acc.bits)),
            ),
        )  # fmt: skip

    def setup(self) -> Stimulus:
        """Both banks are written, and one sum of zeros is started, so that every register is known."""
        cycles = 2 * self.depth + self.rows
        at = np.arange(cycles)
        first, load = at == 2 * self.depth, at < 2 * self.depth
        codes = {"first": first, "bank": at < self.depth, "load": load, "load_addr": np.where(load, at % self.depth, 0)}
        idle = {"addr": np.zeros(cycles, np.int64), "data": np.zeros((cycles, self.columns), np.int64)}
        idle["a"] = np.full((cycles, self.rows), self.zero)
        return {port: np.asarray(c, np.int64) for port, c in {**codes, **idle}.items()}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Products of drawn sizes, a new one while the results of the one before leave."""
        parts: list[Stimulus] = []
        longest = self.mac.depth(2 * self.depth + 1)
        while sum(len(p["first"]) for p in parts) < count:
            m, k, n = (int(rng.integers(1, most, endpoint=True)) for most in (2 * self.rows, longest, 3 * self.columns))
            a, b = drawn(rng, self.mac.a, None, (1, m, k)), drawn(rng, self.mac.b, None, (1, k, n))
            parts.append(schedule(self.array, a, b, self.zero).codes)
        return {port: np.concatenate([p[port] for p in parts]) for port in parts[0]}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """Each tile by the op's `run`, its rows from below, when the next token comes; 0 in between.

        Raises:
            ValueError: tokens less than `rows` cycles apart.
        """
        before = self.setup()
        whole = {port: np.concatenate([before[port], codes[port]]) for port in before}
        weights, begins = self._read(whole), np.flatnonzero(whole["first"])
        y = np.zeros((len(whole["first"]) + self.rows, self.columns), self.mac.acc.dtype)
        if (np.diff(begins) < self.rows).any():
            raise ValueError(f"systolic tile: tiles of {self.rows} rows need {self.rows} cycles each")
        for begin, end in pairwise(begins):
            y[end : end + self.rows] = self.product(whole["a"][begin:end].T, weights[begin:end])[::-1]
        skip = len(before["first"])
        return {f"y_{c}": y[skip : len(whole["first"]), c] for c in range(self.columns)}

    def product(self, a: Codes, b: Codes) -> Codes:
        """The op's `run` on codes (m, k) and (k, n)."""
        ins = QType(a.shape, self.mac.a), QType(b.shape, self.mac.b, zero_point=self.mac.zero_b)
        return self.mac.op.run(ins, a.astype(self.mac.a.dtype), b.astype(self.mac.b.dtype))

    def _read(self, codes: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        """The word of weights that each cycle reads, [cycles, columns]; what a cycle writes is read later."""
        banks, words = np.zeros((2, self.depth, self.columns), np.int64), []
        for bank, addr, load, to, data in zip(
            *(codes[p] for p in ("bank", "addr", "load", "load_addr", "data")), strict=True
        ):
            words.append(banks[int(bank), int(addr)].copy())
            if load:
                banks[1 - int(bank), int(to)] = data
        return np.array(words)

    def describe(self) -> tuple[str, str]:
        """The accumulator's behaviour, and how products are cut."""
        return self.mac.describe()


def _late(m: Module, name: str, source: str, bits: int, edges: int) -> str:
    """`source` as `name`, so many edges later."""
    for i in range(1, edges):
        source = m.kept(f"{name}_late_{i}", source, bits)
    return m.kept(name, source, bits) if edges else m.field(name, bits, source)
