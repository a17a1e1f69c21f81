"""Figures that a notebook shows by themselves and that are right by default: white ground, named axes, no clutter.

Why not pyplot: it keeps every figure, draws on a screen if there is one, and has settings of its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .table_plot import check_matplotlib, png

COLORS = ("#3d7fc4", "#d9822b", "#3f9a62", "#8d6cc4", "#2e9a9a", "#cf4a4a", "#8a8f98")


def new_figure(width: float, height: float, title: str = "") -> Any:
    """An empty figure of so many inches; ModuleNotFoundError, which says what to do, where there is no matplotlib."""
    check_matplotlib()
    figure = _shown()(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
    if title:
        figure.suptitle(title, fontsize=11, parse_math=False)  # Why: names may hold dollars
    return figure


@cache
def _shown() -> Any:
    """A Figure of matplotlib that hands a notebook its PNG."""
    from matplotlib.figure import Figure

    class Shown(Figure):
        """A figure that a notebook shows when it is the last of a cell."""

        def _repr_png_(self) -> bytes:
            return png(self)

    return Shown


def tidy(axes: Any) -> None:
    """No frame where nothing is read off, small numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.title.set_fontsize(10)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
