"""What a notebook shows of an object: a title, lines, pictures and tables, as one piece of HTML.

Every text is escaped by the template; pictures are SVG made by `hwsim.reports`, whose own texts are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from . import wording as w
from .sheet import Sheet

MOST_ROWS = 400  # of one table: a page must not hang


@dataclass(frozen=True, kw_only=True)
class Card:
    """One object.

    Args:
        title: what it is, in a few words.
        note: beside the title.
        ok: None, or whether all is well, as a mark before the title.
        lines: (what, text) pairs.
        pictures: SVG.
        sheets: tables.
        code: preformatted text; empty: none.
    """

    title: str
    note: str = ""
    ok: bool | None = None
    lines: Sequence[tuple[str, str]] = ()
    pictures: Sequence[str] = ()
    sheets: Sequence[Sheet] = ()
    code: str = ""


def card_html(*cards: Card) -> str:
    """The cards, one under the other."""
    html: str = _template().render(cards=[_view(c) for c in cards])
    return html


@cache
def _template() -> Any:
    from .html import environment

    return environment().get_template("notebook.html.j2")


def _view(c: Card) -> dict[str, Any]:
    return {
        "title": w.name(c.title, 120), "note": w.name(c.note, 300), "mark": {True: "ok", False: "bad", None: ""}[c.ok],
        "lines": [(what, w.name(text, 400)) for what, text in c.lines], "pictures": c.pictures, "code": c.code,
        "sheets": [_sheet(s) for s in c.sheets],
    }  # fmt: skip


def _sheet(s: Sheet) -> dict[str, Any]:
    kinds = ["r" if title in s.right else "" for title in s.columns]
    barred, lengths = s.bars or ("", ())
    rows = [
        {
            "bad": i in s.bad,
            "cells": [
                (kind, w.name(cell, 200), f"{100 * lengths[i]:.0f}" if title == barred and lengths[i] else "")
                for kind, cell, title in zip(kinds, row, s.columns, strict=True)
            ],
        }
        for i, row in enumerate(s.rows[:MOST_ROWS])
    ]
    left = len(s.rows) - len(rows)
    return {
        "title": w.name(s.title, 200), "folded": s.folded, "columns": list(zip(kinds, s.columns, strict=True)),
        "rows": rows, "left": f"and {left:,} more rows" if left else "",
    }  # fmt: skip
