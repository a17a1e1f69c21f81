"""What a notebook shows of a number format: which numbers it has, on a line."""

from __future__ import annotations

import numpy as np

from ..formats import FloatFormat, Format, IntFormat, Reals
from . import wording as w
from .notebook import Card, card_html
from .svg import COLORS, line, path, picture, text

WIDTH, MARGIN = 520, 10
MOST = 1024  # numbers that a line shows one by one


def format_html(fmt: Format) -> str:
    """The card of a format."""
    pictures = [number_line(fmt)] if fmt.bits <= 10 else []
    return card_html(Card(title=fmt.name, note=kind_text(fmt), pictures=pictures))


def kind_text(fmt: Format) -> str:
    """``4 bits, 2 exponent, 1 mantissa, bias 1: 15 numbers, -6 to 6``."""
    ends = f"{plain(fmt, fmt.min_int)} to {plain(fmt, fmt.max_int)}"
    if isinstance(fmt, FloatFormat):
        what = f"sign, {fmt.exp_bits} exponent and {fmt.man_bits} mantissa bits, bias {fmt.bias}"
        least = np.ldexp(1.0, fmt.lsb_exp)
        return f"{fmt.name}, {fmt.bits} bits: {what}; {numbers(fmt).size} numbers, {ends}, smallest step {least:g}"
    return f"{fmt.name}, {w.count(fmt.bits)} bits: {'signed' if fmt.signed else 'unsigned'}, {ends}"


def plain(fmt: Format, grid: int) -> str:
    """A grid integer as the number it stands for at scale 1."""
    return f"{grid:,}" if isinstance(fmt, IntFormat) else f"{np.ldexp(float(grid), fmt.lsb_exp):,.6g}"


def numbers(fmt: Format) -> Reals:
    """Every number of a format of at most 16 bits, in order, at scale 1."""
    grid = np.unique(fmt.grid) if isinstance(fmt, FloatFormat) else np.arange(fmt.min_int, fmt.max_int + 1)
    return np.ldexp(grid.astype(np.float64), fmt.lsb_exp)


def number_line(fmt: Format) -> str:
    """A tick a number, from the smallest to the largest."""
    v = numbers(fmt)
    low, high = min(float(v[0]), 0.0), max(float(v[-1]), 0.0)
    x = MARGIN + (v - low) / ((high - low) or 1.0) * (WIDTH - 2 * MARGIN)
    ticks = "".join(f"M{a:.1f} 6v22" for a in x)
    parts = [
        line(MARGIN, 28, WIDTH - MARGIN, 28),
        path(ticks, COLORS["blue"], width=1.6 if v.size <= 40 else 0.8),
    ]
    places = {float(v[0]): "start", 0.0: "middle", float(v[-1]): "end"}
    for real, anchor in places.items():
        at = MARGIN + (real - low) / ((high - low) or 1.0) * (WIDTH - 2 * MARGIN)
        parts.append(text(f"{real:,.6g}", at, 42, anchor=anchor, soft=True))
    return picture(parts, WIDTH, 48, f"the {v.size} numbers of {fmt.name} on a line")
