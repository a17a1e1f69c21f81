"""What ``hwsim bench simulate`` keeps, how it is printed, and what was aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..reports.text import text_table
from .bench_simulate_engines import OURS, OWN, QONNX

COLUMNS = ("model", "batch", "threads", "engine", "timed", "rounds", "ms", "of hwsim", "of ORT's best", "steps off")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One engine on one batch.

    Args:
        model, batch, threads: what was run.
        engine: in words.
        timed: samples that ran; the time is scaled to the batch.
        rounds: turns it had.
        ms: of the batch.
        of_ours, of_best: its time over hwsim's and over that of ONNX Runtime's fastest INT8.
        steps: between its outputs and ours, in the mean.
    """

    model: str
    batch: int
    threads: int
    engine: str
    timed: int
    rounds: int
    ms: float
    of_ours: float
    of_best: float | None
    steps: float


@dataclass(frozen=True, kw_only=True)
class Aim:
    """A target and what came of it.

    Args:
        what: in words.
        figure: measured.
        limit: target.
        most: the figure may be at most the limit; else it must be at least that.
    """

    what: str
    figure: float
    limit: float
    most: bool

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.figure <= self.limit if self.most else self.figure >= self.limit

    def __str__(self) -> str:
        """One line."""
        sense, verdict = "at most" if self.most else "at least", "MET" if self.met else "MISSED"
        return f"{self.what}: {self.figure:.3g}, target {sense} {self.limit:g}: {verdict}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"what": self.what, "figure": self.figure, "limit": self.limit, "most": self.most, "met": self.met}


def ratio(mine: Sequence[float], other: Sequence[float]) -> float:
    """Median over the rounds that both ran."""
    return median(a / b for a, b in zip(mine, other, strict=False))


def table(rows: Sequence[Row]) -> str:
    """All rows."""
    return text_table(COLUMNS, [cells(r) for r in rows], right=("batch", "threads", *COLUMNS[4:]))


def cells(r: Row) -> list[str]:
    """A row of the table."""
    best = "-" if r.of_best is None else f"{r.of_best:.2f}"
    words = [r.model, str(r.batch), str(r.threads), r.engine, str(r.timed), str(r.rounds)]
    return [*words, f"{r.ms:.3f}", f"{r.of_ours:.2f}", best, f"{r.steps:.2f}"]


def aims(rows: Sequence[Row]) -> list[Aim]:
    """Targets of the largest batch of each model: ONNX Runtime's fastest, and qonnx."""
    found = []
    full = {m: max(r.batch for r in rows if r.model == m) for m in dict.fromkeys(r.model for r in rows)}
    for r in rows:
        if r.batch != full[r.model] or r.batch == 1:
            continue
        at = f"{r.model}, batch {r.batch}, {r.threads} thread{'s' * (r.threads > 1)}"
        if r.engine == OURS and r.of_best is not None:
            best = min((x for x in rows if same(x, r) and x.engine.startswith(OWN)), key=lambda x: x.ms)
            found.append(Aim(what=f"{at}: time over that of {best.engine}", figure=r.of_best, limit=1, most=True))
        if r.engine.startswith(QONNX):
            found.append(Aim(what=f"{at}: time of {r.engine} over ours", figure=r.of_ours, limit=50, most=False))
    return found


def same(a: Row, b: Row) -> bool:
    """Whether both ran the same."""
    return (a.model, a.batch, a.threads) == (b.model, b.batch, b.threads)
