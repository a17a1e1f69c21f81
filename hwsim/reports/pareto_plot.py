"""Designs as points: quality against cost, a panel a cost, the Pareto front of each as a line."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from .figure import COLORS, new_figure, tidy

Row = Mapping[str, Any]
TITLES = {
    "accuracy": "right answers, %", "same": "answers as float, %", "sqnr_db": "SQNR of the output, dB",
    "energy_uj": "energy a sample, µJ", "area_mm2": "area, mm²", "logic_mm2": "area of logic, mm²",
    "latency_ms": "latency, ms", "flash_bytes": "flash, bytes", "ram_bytes": "RAM, bytes",
}  # fmt: skip
PERCENT = ("accuracy", "same")
LOG_FROM = 4.0  # largest over smallest, where an axis becomes logarithmic
GROUPS = ("weights", "hardware", "accumulator", "tables")
"""Settings that colours may stand for; the first with several choices, and few enough, is taken."""


def plot_pareto(rows: Sequence[Row], costs: Sequence[str], quality: str, fronts: Sequence[Sequence[int]]) -> Any:
    """A Figure.

    Args:
        rows: settings and figures by name; those with a reason as ``refused`` are not drawn.
        costs: figures, a panel each.
        quality: the figure upwards.
        fronts: of each panel the numbers of the rows on its front. Designs far below all fronts are drawn at the edge.
    """
    figure = new_figure(4.0 * max(len(costs), 1) + 0.4, 3.9)
    panels = figure.subplots(1, max(len(costs), 1), sharey=True, squeeze=False)[0]
    group, low = coloured(rows), lowest(rows, quality, fronts)
    raised = [{**r, quality: max(r[quality], low)} if r.get(quality) is not None else r for r in rows]
    for at, cost, front in zip(panels, costs, fronts, strict=True):
        _panel(at, raised, cost, quality, front, group)
    panels[0].set_ylabel(TITLES.get(quality, quality))
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 7), fontsize=8, frameon=False)
    return figure


def coloured(rows: Sequence[Row]) -> str:
    """The setting that colours stand for; empty for none."""
    for name in GROUPS:
        if 2 <= len({str(r.get(name)) for r in rows if not r.get("refused")}) <= len(COLORS):
            return name
    return ""


def _panel(at: Any, rows: Sequence[Row], cost: str, quality: str, front: Sequence[int], group: str) -> None:
    drawn = [r for r in rows if not r.get("refused") and r.get(cost) is not None and r.get(quality) is not None]
    for i, name in enumerate(dict.fromkeys(str(r.get(group, "")) for r in drawn)):
        some = [r for r in drawn if str(r.get(group, "")) == name]
        label = f"{group} {name}" if group else "designs"
        at.plot(
            *_xy(some, cost, quality), "o", color=COLORS[i], markersize=4, alpha=0.55, markeredgewidth=0, label=label
        )
    best = sorted((rows[i] for i in front), key=lambda r: (r[cost], r[quality]))
    at.plot(*_xy(best, cost, quality), color="#333333", linewidth=1, drawstyle="steps-post", zorder=1)
    at.plot(*_xy(best, cost, quality), "o", mfc="none", mec="#111111", markersize=7, label="Pareto front")
    x = [r[cost] for r in drawn]
    if x and min(x) > 0 and max(x) / min(x) >= LOG_FROM:
        _logarithmic(at, min(x), max(x))
    at.set_xlabel(TITLES.get(cost, cost))
    at.grid(color="#eeeeee", linewidth=0.7)
    at.set_axisbelow(True)
    tidy(at)


def _logarithmic(at: Any, low: float, high: float) -> None:
    """Plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import LogLocator, NullFormatter

    at.set_xscale("log")
    at.set_xlim(low / 1.15, high * 1.15)
    at.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    at.xaxis.set_major_formatter("{x:g}")
    at.xaxis.set_minor_formatter(NullFormatter())


def _xy(rows: Sequence[Row], cost: str, quality: str) -> tuple[list[float], list[float]]:
    scale = 100.0 if quality in PERCENT else 1.0
    return [r[cost] for r in rows], [scale * r[quality] for r in rows]


def lowest(rows: Sequence[Row], quality: str, fronts: Sequence[Sequence[int]]) -> float:
    """Where the axis begins: designs far below every front would take the room of all others."""
    best = [rows[i][quality] for front in fronts for i in front]
    y = [r[quality] for r in rows if not r.get("refused") and r.get(quality) is not None]
    if not best:
        return min(y, default=0.0)
    return max(min(y), min(best) - 0.5 * (max(best) - min(best)) - 0.02 * abs(max(best)))


def svg(figure: Any) -> bytes:
    """A picture as SVG; the same figure gives the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "hwsim"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return b"\n".join(line.rstrip() for line in file.getvalue().splitlines()) + b"\n"
