"""A memory plan as a picture (SVG): steps from left to right, bytes of each arena from top to bottom, a box a buffer.

Why our own SVG: it is text that is the same for the same plan, it needs no package, and a report can hold it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from . import wording as w
from .memory import steps

LEFT, TOP, GAP = 96, 52, 22  # pixels beside, above and between the arenas
WIDTH, HEIGHT = 1040, 420  # of all boxes
THIN = 14  # pixels of an arena however small it is, and of a buffer of the caller's
LETTER, LINE = 6.4, 11  # pixels of a letter and of a line of text
OPS = 14  # pixels a step where its op is written under it
KINDS = ("value", "scratch", "input", "output")
STYLE = """
.mp-text { font-family: system-ui, sans-serif; font-size: 10px; fill: #1f2937; }
.mp-soft { fill: #6b7280; }
.mp-title { font-size: 13px; font-weight: bold; }
.mp-box { stroke: #ffffff; stroke-width: 0.7; }
.mp-frame { fill: #f3f4f6; }
.mp-value { fill: #93c5fd; }
.mp-scratch { fill: #fca5a5; }
.mp-input { fill: #cbd5e1; }
.mp-output { fill: #a5b4fc; }
.mp-odd { fill: #bfdbfe; }
"""


@dataclass(frozen=True)
class Band:
    """One arena, or all of the caller's buffers: `height` pixels from `top` on, (block, first byte) of its boxes."""

    title: str
    size: int
    top: float
    height: float
    boxes: list[tuple[Mapping[str, Any], int]]


def plot_memory(title: str, memory: Mapping[str, Any], *, document: bool = True) -> str:
    """The picture; names are escaped, and what is too long is cut to its box (the whole is its tooltip).

    Args:
        title: above it.
        memory: from `hwsim.reports.memory.memory_entry`.
        document: a file of its own, which has to name SVG's name space; a part of a page has not.
    """
    columns, bands = max(len(memory["steps"]), 1), _bands(memory)
    bottom = max((b.top + b.height for b in bands), default=TOP)
    axis, foot = _axis(memory["steps"], bottom)
    parts = [f'<text class="mp-text mp-title" x="12" y="22">{_shown(title, 150)}</text>', *_legend(), *axis]
    for band in bands:
        parts += _frame(band) + [_box(band, b, start, columns) for b, start in band.boxes]
    size = f"{LEFT + WIDTH + 16} {bottom + foot:.0f}"
    space = ' xmlns="http://www.w3.org/2000/svg"' if document else ""
    head = f'<svg{space} viewBox="0 0 {size}" role="img" aria-label="{_shown(title, 150)}">'
    # Why a white ground: boxes have their own light colours, on dark pages too.
    ground = '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", ground, *parts, "</svg>"]) + "\n"


def _bands(memory: Mapping[str, Any]) -> list[Band]:
    """The caller's buffers one under the other; then the arenas, as high as they are large."""
    ports = [b for b in memory["blocks"] if not b["arena"]]
    bands = [Band("in and out", memory["io"], TOP, THIN * len(ports), [(b, i) for i, b in enumerate(ports)])]
    for arena, size in memory["arenas"].items():
        top = bands[-1].top + bands[-1].height + GAP
        boxes = [(b, b["start"]) for b in _written_in_place(memory["blocks"], arena)]
        bands.append(Band(arena, size, top, max(THIN, HEIGHT * size / memory["arena"]), boxes))
    return bands


def _written_in_place(blocks: Sequence[Mapping[str, Any]], arena: str) -> list[Mapping[str, Any]]:
    """Blocks of an arena; where one begins in the place of another, their common step is halved between them."""
    mine = [b for b in blocks if b["arena"] == arena]

    def half(b: Mapping[str, Any], end: str, other_end: str) -> float:
        met = (o for o in mine if o is not b and o["start"] == b["start"])
        return 0.5 * any(o[other_end] == b[end] for o in met)

    return [
        {**b, "x": b["first"] + half(b, "first", "last"), "end": b["last"] + 1 - half(b, "last", "first")} for b in mine
    ]


def _box(band: Band, b: Mapping[str, Any], start: int, columns: int) -> str:
    """One buffer: a box, its name and bytes where they fit, all about it as a tooltip."""
    unit, rows = WIDTH / columns, band.size if b["arena"] else len(band.boxes)
    x, width = LEFT + unit * b.get("x", b["first"]), unit * (b.get("end", b["last"] + 1) - b.get("x", b["first"]))
    y, height = band.top + band.height * start / rows, band.height * (b["size"] if b["arena"] else 1) / rows
    where = f"bytes {start} to {start + b['size'] - 1} of {b['arena']}" if b["arena"] else "the caller's"
    told = f"{w.name(b['name'], 200)}: {b['kind']}, {b['format']}, {b['size']} B, {where}, steps {steps(b)}"
    kind = "odd" if b["kind"] == "value" and b["first"] % 2 else b["kind"]
    box = f'<rect class="mp-box mp-{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    return f"<g><title>{escape(told)}</title>{box}{_label(b, x, y, width, height)}</g>"


def _label(b: Mapping[str, Any], x: float, y: float, width: float, height: float) -> str:
    """Name and bytes on one line or two; the name alone, or nothing, in a small box."""
    letters, bytes_ = int((width - 6) / LETTER), f"{b['size']:,} B"
    name = w.name(b["name"], max(letters, 1))
    if letters < 5 or height < LINE:
        return ""
    if len(name) + 2 + len(bytes_) <= letters:
        return _line(f"{name}  {bytes_}", x, y + height / 2)
    if height < 2 * LINE + 4 or len(bytes_) > letters:
        return _line(name, x, y + height / 2)
    return _line(name, x, y + height / 2 - LINE / 2) + _line(bytes_, x, y + height / 2 + LINE / 2, "mp-soft")


def _line(text: str, x: float, middle: float, kind: str = "") -> str:
    return f'<text class="mp-text {kind}" x="{x + 3:.1f}" y="{middle + 3.5:.1f}">{escape(text)}</text>'


def _frame(band: Band) -> list[str]:
    """The ground of an arena, its element type and its bytes."""
    ground = f'<rect class="mp-frame" x="{LEFT}" y="{band.top:.1f}" width="{WIDTH}" height="{band.height:.1f}"/>'
    size = f"{band.size:,} B"
    if band.height < 2 * LINE:
        return [ground, _line(f"{band.title} {size}", 8, band.top + band.height / 2)]
    middle = band.top + band.height / 2
    return [ground, _line(band.title, 8, middle - LINE / 2), _line(size, 8, middle + LINE / 2, "mp-soft")]


def _axis(ops: Sequence[str], bottom: float) -> tuple[list[str], float]:
    """Numbers of steps, and what they do where there is room; the pixels that this takes."""
    unit = WIDTH / max(len(ops), 1)
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**6) if n * unit >= 4 * LETTER)
    marks = [
        _line(str(i), LEFT + unit * (i + 0.5) - 3 - LETTER * len(str(i)) / 2, bottom + 10)
        for i in range(0, len(ops), every)
    ]
    marks.append(_line("step", 8, bottom + 10, "mp-soft"))
    if unit < OPS:
        return marks, 24
    for i, op in enumerate(ops):
        x, y = LEFT + unit * (i + 0.5) + 3, bottom + 24
        text = escape(w.name(op, 24))
        marks.append(f'<text class="mp-text mp-soft" transform="translate({x:.1f} {y:.1f}) rotate(90)">{text}</text>')
    return marks, 40 + 1.1 * LETTER * min(max(map(len, ops), default=0), 24)


def _legend() -> list[str]:
    parts = []
    for i, kind in enumerate(KINDS):
        x = LEFT + 76 * i
        parts += [f'<rect class="mp-{kind}" x="{x}" y="33" width="10" height="10"/>', _line(kind, x + 11, 38)]
    return parts


def _shown(text: str, limit: int) -> str:
    return escape(w.name(text, limit))
