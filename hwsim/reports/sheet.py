"""A table for people, the same in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .text import text_table


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Columns and rows of text.

    Args:
        columns: titles.
        rows: a cell a column.
        right: columns that end flush, numbers.
        title: above it; what is folded away is opened by it.
        folded: whether a notebook shows the title alone until it is clicked.
        bad: rows that tell of something wrong.
        bars: for a column, lengths 0..1 of bars behind its cells.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = ()
    title: str = ""
    folded: bool = False
    bad: frozenset[int] = frozenset()
    bars: tuple[str, Sequence[float]] | None = None

    def __str__(self) -> str:
        """The terminal's form."""
        table = text_table(self.columns, self.rows, right=self.right)
        return f"{self.title}\n{table}" if self.title else table


def shares(values: Sequence[float | None]) -> list[float]:
    """Each over the largest, for `Sheet.bars`; nothing for None."""
    top = max((v for v in values if v is not None), default=0.0)
    return [0.0 if v is None or top <= 0 else max(v, 0.0) / top for v in values]
