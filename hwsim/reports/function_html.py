"""What a notebook shows of a table: its curve and, where the function is known, its error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..formats import INT64, Reals
from ..ops import Lut, Pwl
from ..qtensor import QType
from .notebook import Card, card_html
from .sheet import Sheet
from .svg import area, bar, color, line, path, picture, polyline, text
from .table_plot import Curve

WIDTH, HIGH, LOW, LEFT = 250, 130, 60, 44  # pixels of a plot, of its curve, of its error, of numbers beside it
MOST = 400  # points of a drawn line
SEGMENTS = ("segment", "from", "slope", "intercept")


class Frame(NamedTuple):
    """Reals to pixels."""

    x0: float
    y0: float
    width: float
    height: float
    left: float
    right: float
    low: float
    high: float

    def x(self, v: Reals) -> Reals:
        """Pixels of `v`."""
        return self.x0 + (v - self.left) / ((self.right - self.left) or 1.0) * self.width

    def y(self, v: Reals) -> Reals:
        """Pixels of `v`, upwards."""
        return self.y0 + self.height - (v - self.low) / ((self.high - self.low) or 1.0) * self.height


def pwl_html(op: Pwl) -> str:
    """The card of a piecewise-linear op over the inputs around its breakpoints."""
    places = op.breakpoints or (0,)
    room = max((places[-1] - places[0]) // 4, 8)
    x = np.unique(np.linspace(places[0] - room, places[-1] + room, MOST).astype(np.int64))
    got = (op.run((QType(x.shape, INT64),), x).astype(np.float64) - op.zero_point) * op.scale
    curve = Curve(label="", x=x.astype(np.float64), wanted=got, got=got, breakpoints=np.asarray(places, np.float64))
    rows = [
        [str(j), str(op.breakpoints[j - 1]) if j else "", str(k), str(b)]
        for j, (k, b) in enumerate(zip(op.slopes, op.intercepts, strict=True))
    ]  # fmt: skip
    sheet = Sheet(columns=SEGMENTS, rows=rows, right=SEGMENTS, title=f"{len(rows)} segments", folded=len(rows) > 16)
    note = f"(slope * x + intercept) / 2**{op.shift}, {op.rounding}, {op.fmt.name} at {op.scale:.6g}"
    return card_html(Card(title="Pwl", note=note, pictures=[curve_picture([curve], error=False)], sheets=[sheet]))


def lut_html(op: Lut) -> str:
    """The card of a table: every entry over its place."""
    fmt, first = op.fmt, 0 if op.first is None else op.first
    codes = fmt.to_int(np.asarray(op.table, fmt.dtype))
    scale = np.asarray(op.scale, np.float64).reshape(-1)[0] * 2.0**fmt.lsb_exp
    step = max(len(op.table) // MOST, 1)
    got = ((codes - op.zero_point) * scale)[::step]
    x = first + step * np.arange(got.size, dtype=np.float64)
    curve = Curve(label="", x=x, wanted=got, got=got, breakpoints=np.zeros(0))
    begin = "from the smallest code" if op.first is None else f"from code {first}"
    note = f"{len(op.table):,} entries of {fmt.name}, {begin}"
    if got.size <= MOST // 4:  # steps, as there is nothing between two codes
        x, got = np.repeat(x, 2)[1:], np.repeat(got, 2)[:-1]
        curve = Curve(label="", x=x, wanted=got, got=got, breakpoints=np.zeros(0))
    return card_html(Card(title="Lut", note=note, pictures=[curve_picture([curve], error=False)]))


def curves_html(title: str, note: str, curves: Sequence[Curve], sheets: Sequence[Sheet], ok: bool | None = None) -> str:
    """The card of a fitted table: some of its scales drawn, with their errors."""
    some = curves if len(curves) <= 3 else [curves[0], curves[len(curves) // 2], curves[-1]]
    return card_html(Card(title=title, note=note, ok=ok, pictures=[curve_picture(some)], sheets=sheets))


def curve_picture(curves: Sequence[Curve], *, error: bool = True) -> str:
    """Function (wide, gray), table and breakpoints; below it table minus function, all on one scale."""
    worst = max((float(np.abs(c.got - c.wanted).max(initial=0.0)) for c in curves), default=0.0)
    parts, cell = list[str](), LEFT + WIDTH
    for i, c in enumerate(curves):
        parts += _curve(c, cell * i + LEFT, error)
        if error:
            parts += _error(c, cell * i + LEFT, worst, i == 0)
    height = 18 + HIGH + 22 + (LOW + 14 if error else 0)
    return picture(parts, cell * len(curves) + 8, height, "table and function")


def _curve(c: Curve, x0: float, error: bool) -> list[str]:
    step = max(c.x.size // MOST, 1)
    low, high = float(min(c.wanted.min(), c.got.min())), float(max(c.wanted.max(), c.got.max()))
    f = Frame(x0, 18, WIDTH - 12, HIGH, float(c.x[0]), float(c.x[-1]), low, high)
    inside = c.breakpoints[(c.breakpoints >= c.x[0]) & (c.breakpoints <= c.x[-1])]
    rules = "".join(f"M{x:.1f} 18v{HIGH}" for x in f.x(inside))
    parts = [path(rules, opacity=0.22)] if rules else []
    if error:
        parts.append(path(polyline(f.x(c.x[::step]).tolist(), f.y(c.wanted[::step]).tolist()), width=4, opacity=0.25))
    parts += [
        path(polyline(f.x(c.x[::step]).tolist(), f.y(c.got[::step]).tolist()), color(0), width=1.5),
        text(f"{high:.3g}", x0 - 5, 26, anchor="end", size=10, soft=True),
        text(f"{low:.3g}", x0 - 5, 18 + HIGH, anchor="end", size=10, soft=True),
        line(x0, 18 + HIGH, x0 + WIDTH - 12, 18 + HIGH),
        text(f"{c.x[0]:.4g}", x0, HIGH + 31, size=10, soft=True),
        text(f"{c.x[-1]:.4g}", x0 + WIDTH - 12, HIGH + 31, anchor="end", size=10, soft=True),
    ]
    return [*parts, text(c.label, x0 + (WIDTH - 12) / 2, 12, anchor="middle", bold=True)] if c.label else parts


def _error(c: Curve, x0: float, worst: float, numbers: bool) -> list[str]:
    top, step = HIGH + 40, max(c.x.size // MOST, 1)
    f = Frame(x0, top, WIDTH - 12, LOW, float(c.x[0]), float(c.x[-1]), -worst, worst)
    middle, each = top + LOW / 2, (WIDTH - 12) / max(c.x.size / step, 1)
    ends = f.y((c.got - c.wanted)[::step]).tolist()
    places = f.x(c.x[::step]).tolist()
    boxes = [bar(x - each / 2, min(y, middle), each, abs(y - middle)) for x, y in zip(places, ends, strict=True)]
    parts = [area("".join(boxes), color(1), 0.85), line(x0, middle, x0 + WIDTH - 12, middle)]
    if numbers and worst:
        parts += [text(f"±{worst:.2g}", x0 - 5, top + 8, anchor="end", size=10, soft=True),
                  text("error", x0 - 5, top + LOW, anchor="end", size=10, soft=True)]  # fmt: skip
    return parts
