"""What a notebook shows of `codegen.verify` and `codegen.explain`: the verdict, a row an engine, the first mismatch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from . import wording as w
from .notebook import Card, card_html
from .report import VerifyRow
from .sheet import Sheet

COLUMNS = ("engine", "build", "values", "codes", "differ", "tool")


def verify_html(rows: Sequence[VerifyRow], samples: int) -> str:
    """The card of a report."""
    differ, codes = sum(r.mismatches for r in rows), sum(r.codes for r in rows)
    ok = bool(rows) and all(r.codes and not r.mismatches for r in rows)
    engines = ", ".join(dict.fromkeys(r.engine for r in rows))
    wrong = _differ(differ) if differ else "Nothing was compared"
    firsts = [(f"first on {r.engine}, {r.build}", str(r.first)) for r in rows if r.first]
    return card_html(
        Card(
            title=f"Every code equal: {engines}" if ok else wrong,
            note=f"{codes:,} codes on {samples:,} sample{'s' * (samples != 1)} against the numpy definition",
            ok=ok,
            lines=firsts,
            sheets=[_sheet(rows)],
        )
    )


def _sheet(rows: Sequence[VerifyRow]) -> Sheet:
    counted = any(r.instructions for r in rows)
    columns = (*COLUMNS[:-1], "instructions", COLUMNS[-1]) if counted else COLUMNS
    cells = [
        [r.engine, r.build, w.count(r.values), w.count(r.codes), w.count(r.mismatches),
         *([w.count(r.instructions)] if counted else []), r.tool]
        for r in rows
    ]  # fmt: skip
    bad = frozenset(i for i, r in enumerate(rows) if r.mismatches or not r.codes)
    return Sheet(columns=columns, rows=cells, right=columns[2:-1], bad=bad)


class ComparedRow(Protocol):
    """What is read of `codegen.explain`'s rows."""

    @property
    def value(self) -> str:
        """Its name."""
        ...

    @property
    def node(self) -> str:
        """What makes it."""
        ...

    @property
    def codes(self) -> int:
        """How many were compared."""
        ...

    @property
    def differ(self) -> int:
        """How many differ."""
        ...

    @property
    def largest(self) -> int:
        """The largest difference in steps."""
        ...


def explanation_html(engine: str, samples: int, rows: Sequence[ComparedRow], told: Sequence[str]) -> str:
    """The card of an explanation: values that differ, then all of them, and the first difference in lines."""
    differ, codes = sum(r.differ for r in rows), sum(r.codes for r in rows)
    title = f"{_differ(differ)} from {engine}" if differ else f"Every code equal to {engine}"
    sheets = [_values(rows, f"{len(rows)} values", folded=True)]
    if some := [r for r in rows if r.differ]:
        sheets.insert(0, _values(some, "", folded=False))
    note = f"{codes:,} codes of {len(rows)} values, {samples:,} sample{'s' * (samples != 1)}, node by node"
    ok = bool(rows) and not differ
    return card_html(Card(title=title, note=note, ok=ok, sheets=sheets, code="\n".join(told)))


def _differ(codes: int) -> str:
    return "1 code differs" if codes == 1 else f"{codes:,} codes differ"


def _values(rows: Sequence[ComparedRow], title: str, *, folded: bool) -> Sheet:
    columns = ("value", "node", "codes", "differ", "largest")
    cells = [[w.name(r.value, 48), w.name(r.node, 48), *map(w.count, (r.codes, r.differ, r.largest))] for r in rows]
    bad = frozenset(i for i, r in enumerate(rows) if r.differ)
    return Sheet(columns=columns, rows=cells, right=columns[2:], title=title, folded=folded, bad=bad)
