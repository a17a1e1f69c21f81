"""Tables beside the functions that they stand for: curves above, errors below, one column a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..formats import Reals
from ..ops import Lut, Pwl
from ..qtensor import QTensor, QType
from ..ranges import Interval
from .figure import COLORS, new_figure, tidy
from .table_plot import Curve

MOST = 6  # columns of a figure


def plot_curves(curves: Sequence[Curve], title: str = "") -> Any:
    """A Figure, every error on one scale."""
    if not 1 <= len(curves) <= MOST:
        raise ValueError(f"a plot of {len(curves)} tables: give 1 to {MOST}")
    figure = new_figure(3.3 * max(len(curves), 2), 3.8, title)
    axes = figure.subplots(2, len(curves), sharex="col", height_ratios=(2, 1), squeeze=False)
    worst = max(float(np.abs(c.got - c.wanted).max()) for c in curves)
    for i, c in enumerate(curves):
        above, below = axes[:, i]
        above.plot(c.x, c.wanted, color="#999999", linewidth=4, alpha=0.5, label="function")
        above.step(c.x, c.got, where="mid", color=COLORS[0], linewidth=1, label="table")
        below.fill_between(c.x, c.got - c.wanted, step="mid", color=COLORS[1], linewidth=0.5)
        below.axhline(0, color="#666666", linewidth=0.6)
        for p in c.breakpoints:
            for at in (above, below):
                at.axvline(p, color="#bbbbbb", linewidth=0.6, zorder=0)
        above.set_title(c.label, parse_math=False)
        below.set_ylim(-1.1 * (worst or 1), 1.1 * (worst or 1))
        below.set_xlabel("x")
        for at in (above, below):
            tidy(at)
    axes[0, 0].legend(frameon=False, fontsize=8)
    axes[0, 0].set_ylabel("value", fontsize=9)
    axes[1, 0].set_ylabel("table - function", fontsize=9)
    return figure


def curve_of(
    op: Pwl | Lut, source: QType, fn: Callable[[Reals], Reals], reach: Interval | None = None, label: str = ""
) -> Curve:
    """Every code of `source` (or those in `reach`) through the op, beside the function."""
    fmt = source.fmt
    if fmt.bits > 16:
        raise ValueError(f"plot: {fmt.name} has too many codes; give a source of at most 16 bits")
    low, high = (fmt.min_code, fmt.max_code) if reach is None else reach
    codes = np.arange(low, high + 1).astype(fmt.dtype)
    flat = source.reshaped(codes.shape)
    x = QTensor(flat, codes).dequantize()
    got = QTensor(op.out_type(flat), op.run((flat,), codes)).dequantize()
    order = np.argsort(x, kind="stable")
    places = np.zeros(0)
    if isinstance(op, Pwl):
        places = (np.asarray(op.breakpoints, np.float64) - np.asarray(source.zero_point)) * float(source.lsb)
        places = places[(places >= x.min()) & (places <= x.max())]
    with np.errstate(all="ignore"):
        wanted = np.asarray(fn(x[order]), np.float64)
    return Curve(label=label or op.name, x=x[order], wanted=wanted, got=got[order], breakpoints=places)
