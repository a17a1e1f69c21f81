"""The numbers of formats on one line, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..blockformats import BLOCK_FORMATS
from ..formats import FORMATS, Format
from .figure import COLORS, new_figure, tidy
from .format_html import numbers

SHOWN = ("int4", "fp4_e2m1", "fp6_e2m3", "fp6_e3m2", "int8", "fp8_e4m3")
WIDEST = 10  # bits of a format whose numbers can be told apart on a line


def plot_formats(formats: Sequence[str | Format] = SHOWN, *, scaled: bool = True) -> Any:
    """A Figure, a row a format; `scaled` makes the largest number of each 1, as a symmetric scale does."""
    chosen = [_format(f) for f in formats]
    if not chosen or (wide := [f.name for f in chosen if f.bits > WIDEST]):
        what = f"{', '.join(wide)}: over {WIDEST} bits" if chosen else "no formats"
        raise ValueError(f"plot: {what}; give formats of at most {WIDEST} bits")
    figure = new_figure(8.5, 0.45 * len(chosen) + 0.6)
    rows = figure.subplots(len(chosen), 1, sharex=scaled, squeeze=False)[:, 0]
    for i, (at, fmt) in enumerate(zip(rows, chosen, strict=True)):
        v = numbers(fmt)
        top = np.abs(v).max()
        many = v.size > 40
        at.vlines(v / top if scaled else v, 0, 1, color=COLORS[0], linewidth=0.5 if many else 1.4)
        at.set_yticks([])
        at.set_ylabel(f"{fmt.name}\n{v.size} numbers", rotation=0, ha="right", va="center", fontsize=8)
        tidy(at)
        at.spines["left"].set_visible(False)
        if scaled and i < len(chosen) - 1:
            at.tick_params(bottom=False)
            at.spines["bottom"].set_alpha(0.25)
    rows[-1].set_xlabel("real number, in units of the largest" if scaled else "real number at scale 1", fontsize=9)
    return figure


def _format(f: str | Format) -> Format:
    if not isinstance(f, str):
        return f
    if f in BLOCK_FORMATS:
        return BLOCK_FORMATS[f].element
    if f not in FORMATS:
        raise ValueError(f"plot: format {f[:60]!r} is unknown: use one of {', '.join([*FORMATS, *BLOCK_FORMATS])}")
    return FORMATS[f]
