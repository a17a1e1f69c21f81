"""Formats beside each other as pictures: bits against signal over noise, or what they cost a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import wording as w
from .figure import COLORS, new_figure, tidy
from .layered import apart

if TYPE_CHECKING:
    from ..ablation import Ablation
    from ..comparison import FormatError
    from .choices import ModelError

BIT_DB = 20 * float(np.log10(2))  # what one bit more gains on a uniform grid


def plot_tensors(found: Mapping[str, Sequence[FormatError]]) -> Any:
    """A Figure: each format at its bits and its SQNR, a panel a tensor; lines of 6 dB a bit."""
    figure = new_figure(4.4 * max(len(found), 1) + (1.4 if len(found) == 1 else 0), 3.8)
    panels = figure.subplots(1, max(len(found), 1), sharey=True, squeeze=False)[0]
    for at, (name, rows) in zip(panels, found.items(), strict=True):
        known = [r for r in rows if r.sqnr_db is not None]
        low, high = min((r.bits for r in known), default=1), max((r.bits for r in known), default=8)
        top = max((r.sqnr_db or 0.0 for r in known), default=0.0)
        ends = np.array((low - 1, high + 2))
        for offset in range(-72, 73, 12):
            at.plot(ends, BIT_DB * ends + offset, color="#e8e8e8", linewidth=0.8)
        at.plot([r.bits for r in known], [r.sqnr_db for r in known], "o", color=COLORS[0], markersize=5)
        for r, dy in zip(known, _places(known, top), strict=True):
            at.annotate(r.format, (r.bits, r.sqnr_db), (16, dy), textcoords="offset points", fontsize=8, va="center",
                        arrowprops={"arrowstyle": "-", "color": "#aaaaaa", "linewidth": 0.6, "shrinkB": 2})  # fmt: skip
        at.set_xlim(low - 0.5, high + 1.8)
        at.set_ylim(-2, top * 1.12 + 2)
        at.set_xlabel("bits an element, scales included (gray: 6 dB a bit)")
        at.set_title(w.name(name, 40), parse_math=False)
        tidy(at)
    panels[0].set_ylabel("SQNR, dB")
    return figure


def _places(rows: Sequence[FormatError], top: float) -> list[float]:
    """Points up or down for the names of formats: those of like width must not lie over each other."""
    point, moved = (top * 1.12 + 4) / 200, [0.0] * len(rows)  # dB a point, about
    for near in {round(r.bits) for r in rows}:
        group = sorted((i for i, r in enumerate(rows) if round(r.bits) == near), key=lambda i: rows[i].sqnr_db or 0.0)
        wanted = [(rows[i].sqnr_db or 0.0) / point for i in group]
        for i, want, at in zip(group, wanted, apart(wanted, [10.0] * len(group)), strict=True):
            moved[i] = at - want
    return moved


def plot_models(rows: Sequence[ModelError]) -> Any:
    """A Figure: right answers (or those equal to float's) of each choice, and the SQNR of the outputs."""
    from .choices import ModelError

    assert all(isinstance(r, ModelError) for r in rows)
    known = any(r.right is not None for r in rows)
    names = [f"{r.weights} {r.accumulator}".strip() for r in rows]
    shares = [r.right if known else r.same for r in rows]
    columns = [
        ("% right" if known else "% the same as float", [None if s is None else 100 * s for s in shares]),
        ("SQNR of the outputs, dB", [r.sqnr_db for r in rows]),
    ]
    return _bars(names, columns, ["refused" if r.refused else "" for r in rows])


def plot_ablation(rows: Sequence[Ablation]) -> Any:
    """A Figure: points gained with each layer in INT16, and in float."""
    base, rest = rows[0], rows[1:]
    columns: list[tuple[str, list[float | None]]] = [
        ("points gained, in INT16", [100 * (r.int16 - base.int16) for r in rest]),
        ("points gained, in float", [100 * (r.floating - base.floating) for r in rest]),
    ]
    return _bars([r.layer for r in rest], columns, [""] * len(rest))


def _bars(names: Sequence[str], columns: Sequence[tuple[str, Sequence[float | None]]], words: Sequence[str]) -> Any:
    figure = new_figure(4.2 * len(columns), 0.24 * len(names) + 0.9)
    panels, places = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0], range(len(names))
    for i, (at, (title, values)) in enumerate(zip(panels, columns, strict=True)):
        made = at.barh(places, [v or 0.0 for v in values], 0.75, color=COLORS[i])
        told = [word or ("" if v is None else f"{v:.1f}") for v, word in zip(values, words, strict=True)]
        at.bar_label(made, told, padding=3, fontsize=7)
        at.axvline(0, color="#666666", linewidth=0.6)
        at.set_xlabel(title)
        at.margins(x=0.16)
        tidy(at)
    panels[0].set_yticks(places, [w.name(n, 40) for n in names], fontsize=8, parse_math=False)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    return figure
