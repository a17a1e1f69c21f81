"""Small pieces of SVG for notebooks, readable on light and dark pages alike.

Why no style sheet: a notebook's page decides the colour of text, so text and lines take ``currentColor``; colours of
marks are of middle lightness, and attributes, which survive where styles are stripped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

COLORS = {
    "blue": "#3d7fc4", "orange": "#d9822b", "green": "#3f9a62", "red": "#cf4a4a", "violet": "#8d6cc4",
    "teal": "#2e9a9a", "gray": "#8a8f98",
}  # fmt: skip
SERIES = ("blue", "orange", "green", "violet", "teal", "red", "gray")
LETTER = 0.6  # width of a letter in units of its size
FONT = "system-ui,sans-serif"


def color(i: int) -> str:
    """Of the i-th series."""
    return COLORS[SERIES[i % len(SERIES)]]


def picture(parts: Sequence[str], width: float, height: float, label: str) -> str:
    """A drawing that shrinks with a narrow page, as long as it can be read; `label` tells it to who cannot see it."""
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    style = f'font-family="{FONT}" style="max-width:max(100%,{0.8 * width:.0f}px);height:auto"'
    return f'<svg {size} {style} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def text(
    words: str, x: float, y: float, *, size: float = 11, anchor: str = "start", soft: bool = False, bold: bool = False
) -> str:
    """A line of text whose baseline is at `y`."""
    look = ' fill-opacity="0.65"' * soft + ' font-weight="600"' * bold
    where = f'x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"'
    return f'<text {where} fill="currentColor"{look}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, opacity: float = 0.35) -> str:
    """A thin line."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="currentColor" stroke-opacity="{opacity:g}"/>'


def path(points: str, stroke: str = "currentColor", *, width: float = 1, opacity: float = 1) -> str:
    """An open line."""
    look = f'stroke="{stroke}" stroke-width="{width:g}" stroke-opacity="{opacity:g}"'
    return f'<path d="{points}" fill="none" {look}/>'


def area(points: str, fill: str, opacity: float = 1) -> str:
    """A filled shape; bars of a chart are one shape, which is a tenth of the text of as many rectangles."""
    return f'<path d="{points}" fill="{fill}" fill-opacity="{opacity:g}"/>'


def bar(x: float, y: float, width: float, height: float) -> str:
    """One rectangle as a part of a shape."""
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"


def polyline(x: Sequence[float], y: Sequence[float]) -> str:
    """Points as an open line."""
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def tail(name: str, width: float, size: float = 11) -> str:
    """The end of a name, which tells more than its beginning, as long as `width` pixels hold."""
    letters = max(int(width / (LETTER * size)), 2)
    return name if len(name) <= letters else "\N{HORIZONTAL ELLIPSIS}" + name[1 - letters :]
