"""What a notebook shows of a quantized tensor: format, scale, shape, and how often each code occurs."""

from __future__ import annotations

import numpy as np

from ..blockformats import BlockTensor
from ..formats import FloatFormat, Format, Reals
from ..qtensor import QTensor, QType
from ..rounding import Ints
from . import wording as w
from .format_html import kind_text, plain
from .notebook import Card, card_html
from .svg import COLORS, area, bar, line, picture, text

BINS = 256  # most bars of a histogram
SMALL = 64  # elements of a tensor whose codes are shown
WIDTH, HEIGHT, MARGIN = 520, 90, 8


def tensor_html(t: QTensor) -> str:
    """The card of a tensor."""
    return card_html(tensor_card(t))


def block_html(t: BlockTensor) -> str:
    """The cards of a block tensor's parts."""
    shape = w.shape(t.codes.type.shape)
    head = Card(title=f"BlockTensor {t.fmt.name}", note=f"{shape}, blocks of {t.fmt.block} along axis {t.axis}")
    names = ("codes", "scales of blocks", "zero points of blocks")
    return card_html(head, *(tensor_card(part, name) for name, part in zip(names, t.parts, strict=False)))


def tensor_card(t: QTensor, name: str = "QTensor") -> Card:
    """Everything about a tensor that fits a few lines."""
    lines = type_lines(t.type)
    if t.codes.size:
        lines.append(("saturated", saturated_text(t)))
        reals = t.dequantize()
        span = f"{reals.min():.6g} to {reals.max():.6g}, root mean square {np.sqrt(np.mean(reals**2)):.4g}"
        lines.append(("reals", span))
    small = 0 < t.codes.size <= SMALL
    with np.printoptions(precision=5, suppress=True, linewidth=110):
        code = f"codes  {_indented(t.codes)}\nreals  {_indented(t.dequantize())}" if small else ""
    return Card(
        title=name,
        note=f"{t.type.fmt.name}, {w.shape(t.codes.shape)}",
        lines=lines,
        pictures=[histogram(t)] if t.codes.size else [],
        code=code,
    )


def type_html(t: QType) -> str:
    """The card of a type."""
    return card_html(Card(title="QType", note=f"{t.fmt.name}, {w.shape(t.shape)}", lines=type_lines(t)))


def type_lines(t: QType) -> list[tuple[str, str]]:
    """What codes of a type mean."""
    axis = f", axis {t.axis}" if t.axis is not None else ""
    lines = [("format", kind_text(t.fmt)), ("scale", w.per_channel(t.scale, ".6g") + axis)]
    if isinstance(t.fmt, FloatFormat):
        return lines
    return [*lines, ("zero point", w.per_channel(t.zero_point, "d"))]


def saturated_text(t: QTensor) -> str:
    """How many codes are at the ends of their format."""
    v, fmt = t.type.fmt.to_int(t.codes), t.type.fmt
    ends = [(plain(fmt, end), int((v == end).sum())) for end in (fmt.min_int, fmt.max_int)]
    return ", ".join(f"{n:,} at {end} ({100 * n / v.size:.2g} %)" if n else f"none at {end}" for end, n in ends)


def histogram(t: QTensor) -> str:
    """How often each number of the format occurs; bars of the two ends are red. Wide formats: of bins that are used."""
    marks, counts, ends = counted(t.type.fmt, t.type.fmt.to_int(t.codes))
    n, wide = len(counts), WIDTH - 2 * MARGIN
    step, tall = wide / n, counts / max(int(counts.max()), 1) * HEIGHT
    tall = np.where(counts > 0, np.maximum(tall, 1.0), 0.0)  # what occurs at all is seen
    gap = 0.15 * step if n <= 64 else 0.0
    shapes: list[list[str]] = [[], []]
    for i in np.flatnonzero(counts).tolist():
        shapes[ends[i]].append(bar(MARGIN + i * step + gap / 2, 14 + HEIGHT - tall[i], step - gap, tall[i]))
    parts = [area("".join(shape), COLORS[tone]) for shape, tone in zip(shapes, ("blue", "red"), strict=True) if shape]
    parts.append(line(MARGIN, 14 + HEIGHT, WIDTH - MARGIN, 14 + HEIGHT))
    for i, word in marks:
        anchor = "start" if i == 0 else "end" if i == n - 1 else "middle"
        x = MARGIN + step * (0 if i == 0 else n if i == n - 1 else i + 0.5)
        parts.append(text(word, x, HEIGHT + 28, anchor=anchor, soft=True))
    parts.append(
        text(f"most: {int(counts.max()):,} of {t.codes.size:,}", WIDTH - MARGIN, 10, anchor="end", soft=True, size=10)
    )
    return picture(parts, WIDTH, HEIGHT + 34, f"histogram of the codes, {t.type.fmt.name}")


def counted(fmt: Format, v: Ints) -> tuple[list[tuple[int, str]], Ints, list[bool]]:
    """(index, word) of bars with a label, counts of bars, and which bars are an end of the format."""
    numbers = np.unique(fmt.grid) if isinstance(fmt, FloatFormat) else None
    if numbers is None and fmt.bits <= 8:
        numbers = np.arange(fmt.min_int, fmt.max_int + 1)
    if numbers is not None:
        counts = np.bincount(np.searchsorted(numbers, v.ravel()), minlength=numbers.size)
        marks = sorted({0, int(np.searchsorted(numbers, 0)), numbers.size - 1} - {numbers.size})
        ends = [i in (0, numbers.size - 1) for i in range(numbers.size)]
        return [(i, plain(fmt, int(numbers[i]))) for i in marks], counts, ends
    lo, hi = int(v.min()), int(v.max())
    n = min(BINS // 2, hi - lo + 1)
    edges: Reals = np.linspace(lo - 0.5, hi + 0.5, n + 1)
    counts = np.histogram(v.astype(np.float64).ravel(), edges)[0]
    ends = [(i == 0 and lo == fmt.min_int) or (i == n - 1 and hi == fmt.max_int) for i in range(n)]
    return [(0, f"{lo:,}"), *([(n - 1, f"{hi:,}")] if n > 1 else [])], counts, ends


def _indented(a: object) -> str:
    return str(a).replace("\n", "\n" + " " * 7)
