"""Horizontal bars as a picture: panels side by side, a group of bars a label, one colour a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from .table_plot import png

WIDEST = 3  # panels side by side
MOST = 12  # panels of one picture


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One set of bars.

    Args:
        title: above it.
        unit: what the bars' length is.
        labels: from top to bottom.
        series: by name, a number for each label, or the word that stands where there is none.
    """

    title: str
    unit: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[float | str]]


def check_panels(count: int, what: str) -> None:
    """Raise ValueError for more panels than one picture holds."""
    if count > MOST:
        raise ValueError(f"a plot of {count} {what}: one picture holds {MOST}; give fewer")


def plot_bars(title: str, panels: Sequence[Panel]) -> bytes:
    """A PNG; the same panels give the same bytes."""
    from matplotlib.figure import Figure

    columns = min(len(panels), WIDEST)
    rows = ceil(len(panels) / columns)
    tall = max(len(p.labels) * max(len(p.series), 1) for p in panels)
    size = (max(6.4, 4.2 * columns), 0.8 + rows * (1.4 + 0.24 * tall))
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for at, panel in zip(axes, panels, strict=False):
        _draw(at, panel)
    for at in axes[len(panels) :]:
        at.set_visible(False)
    figure.suptitle(title, parse_math=False)  # Why: names may hold dollars
    names, handles = list(panels[0].series), axes[0].containers
    if len(names) > 1:
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 6), fontsize="small")
    return png(figure)


def _draw(at: Any, panel: Panel) -> None:
    """The bars of one panel, each with its figure or its word."""
    thick = 0.8 / max(len(panel.series), 1)
    for i, values in enumerate(panel.series.values()):
        places = [row + thick * (i - (len(panel.series) - 1) / 2) for row in range(len(panel.labels))]
        lengths = [0.0 if isinstance(v, str) else v for v in values]
        bars = at.barh(places, lengths, height=0.9 * thick, color=f"C{i % 10}")
        words = [v if isinstance(v, str) else f"{v:.1f}" for v in values]
        at.bar_label(bars, words, padding=2, fontsize="x-small")
    at.set_yticks(range(len(panel.labels)), panel.labels, fontsize="small")
    at.set_ylim(len(panel.labels) - 0.5, -0.5)
    at.margins(x=0.18)
    at.set_title(panel.title, fontsize="medium", parse_math=False)
    at.set_xlabel(panel.unit, fontsize="small")
    at.spines[["top", "right"]].set_visible(False)
