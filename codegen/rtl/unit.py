"""What every hardware unit offers: its module, the words that load it, stimulus, and what hwsim says comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, FloatFormat, Format, IntFormat
from hwsim.qtensor import QType
from hwsim.ranges import Interval, Operand, format_interval

from .module import Module

TABLES = ("registers", "constants")
EXHAUSTIVE = 16  # bits of input that are simulated in full
Stimulus = dict[str, NDArray[Any]]  # codes by port, first axis the cycle; a second axis lanes


class Unit(Protocol):
    """A frozen dataclass: an op and hardware choices."""

    @property
    def module(self) -> Module:
        """The Verilog module; ports of data carry codes."""
        ...

    @property
    def latency(self) -> int:
        """Clock edges from an input to its result."""
        ...

    @property
    def results(self) -> Mapping[str, Format]:
        """Format of each output port, which carries codes."""
        ...

    def setup(self) -> Stimulus:
        """Cycles that load tables, before the first vector; empty where there is nothing to load."""
        ...

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """All input codes where they have at most `EXHAUSTIVE` bits; else edges, ties and `count` random vectors."""
        ...

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """Result codes by port, by the op's own `run`."""
        ...

    def describe(self) -> tuple[str, str]:
        """Contract and rounding, for reports; empty where there is none."""
        ...


class OneResult:
    """What units of one op with one result share."""

    op: Any
    stages: int

    @property
    def latency(self) -> int:
        """One edge a stage."""
        return self.stages

    @property
    def results(self) -> dict[str, Format]:
        """The op's."""
        return {"y": self.op.fmt}


def check_stages(what: str, stages: int, most: int) -> None:
    """ValueError unless a unit can have so many pipeline registers."""
    if type(stages) is not int or not 0 <= stages <= most:
        raise ValueError(f"{what}: stages {stages!r} must be 0..{most} pipeline registers")


def check_table(what: str, table: str) -> None:
    """ValueError unless `table` says where a table lives."""
    if table not in TABLES:
        raise ValueError(f"{what}: table {table!r} is unknown: use {', '.join(TABLES)}")


def operand(what: str, x: QType, reach: Interval | None) -> Operand:
    """Type and reach of an input; ValueError where the reach is none of the format's."""
    whole = format_interval(x.fmt)
    if reach is not None and (isinstance(x.fmt, FloatFormat) or not reach.inside(whole) or reach.lo > reach.hi):
        raise ValueError(f"{what}: input reach {tuple(reach)} is no part of {x.fmt.name} ({whole.lo}..{whole.hi})")
    return Operand(x, whole if reach is None else Interval(*reach))


def codes_of(fmt: Format, reach: Interval | None = None) -> NDArray[np.int64]:
    """Every code that may arrive; ValueError past `EXHAUSTIVE` bits."""
    if fmt.bits > EXHAUSTIVE:
        raise ValueError(f"format {fmt.name}: {fmt.bits} bits are too many to list, at most {EXHAUSTIVE}")
    codes = np.arange(fmt.min_code, fmt.max_code + 1)
    if isinstance(fmt, FloatFormat):
        return codes[~fmt.is_reserved(codes)]
    return codes if reach is None else np.arange(reach.lo, reach.hi + 1)


def drawn(rng: np.random.Generator, fmt: Format, reach: Interval | None, size: int | tuple[int, ...]) -> Codes:
    """Random codes, a quarter of them at the ends of the range."""
    if isinstance(fmt, FloatFormat) or fmt.bits <= EXHAUSTIVE:
        every = codes_of(fmt, reach)
        ends = np.array([every[0], every[-1], 0 if 0 in every else every[0]])
        return np.where(rng.random(size) < 0.25, rng.choice(ends, size), rng.choice(every, size))
    assert isinstance(fmt, IntFormat)
    lo, hi = reach or format_interval(fmt)
    ends = np.array([lo, hi, min(max(0, lo), hi)])
    return np.where(rng.random(size) < 0.25, rng.choice(ends, size), rng.integers(lo, hi, size, endpoint=True))


def around(points: NDArray[np.int64], reach: Interval) -> NDArray[np.int64]:
    """Each point and its neighbours, as far as they can be reached."""
    every = np.unique(np.concatenate([points - 1, points, points + 1]))
    return every[(every >= reach.lo) & (every <= reach.hi)]
