"""A piecewise-linear table as a picture: function, table and breakpoints above, the error below, one colour a scale."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..formats import Reals


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One scale of a table, in reals: inputs `x`, what the function and the table give there, and the breakpoints."""

    label: str
    x: Reals
    wanted: Reals
    got: Reals
    breakpoints: Reals


def check_matplotlib() -> None:
    """Raise ModuleNotFoundError, which says what to do, where there is no matplotlib."""
    try:
        import matplotlib  # noqa: F401  # asked for before the long work
    except ModuleNotFoundError as e:
        raise ModuleNotFoundError("a plot needs matplotlib: pip install matplotlib", name=e.name) from None


def plot_table(title: str, curves: Sequence[Curve]) -> bytes:
    """A PNG; the same curves give the same bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), dpi=120, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    finest = max(curves, key=lambda c: c.x.size)
    above.plot(finest.x, finest.wanted, color="0.6", linewidth=4, label="function")
    for i, c in enumerate(curves):
        color = f"C{i % 10}"
        above.plot(c.x, c.got, ".-", color=color, markersize=2, linewidth=0.8, label=c.label)
        below.plot(c.x, c.got - c.wanted, ".-", color=color, markersize=2, linewidth=0.8)
    for p in finest.breakpoints:
        for axes in (above, below):
            axes.axvline(p, color="0.8", linewidth=0.6, zorder=0)
    above.set_title(title)
    above.legend(fontsize="small")
    above.set_ylabel("value")
    below.set_ylabel("table - function")
    below.set_xlabel(f"x (lines: breakpoints of {finest.label})")
    return png(figure)


def png(figure: Any) -> bytes:
    """A picture that is the same for the same figure, whatever draws on this machine's screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
