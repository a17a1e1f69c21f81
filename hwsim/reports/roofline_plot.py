"""A roofline as SVG, log over log: MACs a cycle over MACs a bit from and to DRAM; a point a layer, below its roof."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from . import wording as w

WIDTH, HEIGHT = 760, 380  # pixels of the whole picture
LEFT, TOP, RIGHT, BOTTOM = 64, 24, 16, 44  # pixels around the plot
STYLE = """
.rl-text { font-family: system-ui, sans-serif; font-size: 11px; fill: #1f2937; }
.rl-soft { fill: #6b7280; }
.rl-grid { stroke: #e5e7eb; stroke-width: 1; }
.rl-roof { stroke: #1f2937; stroke-width: 2; fill: none; }
.rl-memory { fill: #e08a1e; fill-opacity: 0.75; stroke: #ffffff; }
.rl-compute { fill: #3257d6; fill-opacity: 0.75; stroke: #ffffff; }
"""
SUPERSCRIPTS = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")

Point = tuple[str, float, float, str]  # name, MACs a bit, MACs a cycle, compute or memory


def plot_roofline(points: Sequence[Point], peak: float, bandwidth: float, *, document: bool = True) -> str:
    """The picture; names are escaped, each point's figures are its tooltip.

    Args:
        points: layers.
        peak: MACs a cycle at best.
        bandwidth: bits a cycle of DRAM.
        document: a file of its own, which has to name SVG's name space; a part of a page has not.
    """
    ridge = peak / bandwidth
    xs, ys = [p[1] for p in points] + [ridge], [p[2] for p in points] + [peak]
    x_axis, y_axis = _decades(xs), _decades(ys)
    parts = [*_grid(x_axis, y_axis), _roof(peak, bandwidth, x_axis, y_axis)]
    for name, x, y, bound in points:
        told = f"{w.name(name, 120)}: {x:.3g} MACs a bit, {y:.3g} MACs a cycle, {bound} bound"
        circle = f'<circle class="rl-{bound}" cx="{_x(x, x_axis):.1f}" cy="{_y(y, y_axis):.1f}" r="5"/>'
        parts.append(f"<g><title>{escape(told)}</title>{circle}</g>")
    space = ' xmlns="http://www.w3.org/2000/svg"' if document else ""
    head = f'<svg{space} viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Roofline">'
    ground = '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", ground, *parts, *_legend(), "</svg>"]) + "\n"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Exponents of the powers of ten around all values, at least one apart."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values) * 1.01))
    return low, max(high, low + 1)


def _x(value: float, axis: tuple[int, int]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(value) - axis[0]) / (axis[1] - axis[0])


def _y(value: float, axis: tuple[int, int]) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(value) - axis[0]) / (axis[1] - axis[0])


def _grid(x_axis: tuple[int, int], y_axis: tuple[int, int]) -> list[str]:
    """A line and a number each decade, titles of both axes."""
    parts, bottom = [], HEIGHT - BOTTOM
    for e in range(x_axis[0], x_axis[1] + 1):
        x = _x(10.0**e, x_axis)
        parts += [_line(x, TOP, x, bottom), _text(_power(e), x, bottom + 16, "middle")]
    for e in range(y_axis[0], y_axis[1] + 1):
        y = _y(10.0**e, y_axis)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y), _text(_power(e), LEFT - 6, y + 4, "end")]
    middle = f"{(TOP + bottom) / 2:.0f}"
    side = f'<text class="rl-text rl-soft" text-anchor="middle" transform="translate(16 {middle}) rotate(-90)">'
    return [
        *parts,
        _text("MACs a bit of DRAM traffic", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "middle", "rl-soft"),
        f"{side}MACs a cycle</text>",
    ]


def _roof(peak: float, bandwidth: float, x_axis: tuple[int, int], y_axis: tuple[int, int]) -> str:
    """Up to the ridge by bandwidth, from there level."""
    left = max(10.0 ** x_axis[0], 10.0 ** y_axis[0] / bandwidth)
    ends = [(left, left * bandwidth), (peak / bandwidth, peak), (10.0 ** x_axis[1], peak)]
    points = " ".join(f"{_x(x, x_axis):.1f},{_y(y, y_axis):.1f}" for x, y in ends)
    return f'<polyline class="rl-roof" points="{points}"/>'


def _legend() -> list[str]:
    parts = []
    for i, (bound, text) in enumerate((("compute", "bound by computing"), ("memory", "bound by memory"))):
        x = LEFT + 8 + 150 * i
        parts += [f'<circle class="rl-{bound}" cx="{x}" cy="12" r="5"/>', _text(text, x + 10, 16)]
    return parts


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line class="rl-grid" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'


def _text(text: str, x: float, y: float, anchor: str = "start", kind: str = "") -> str:
    return f'<text class="rl-text {kind}" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _power(e: int) -> str:
    return f"10{str(e).translate(SUPERSCRIPTS)}"
