"""Horizontal bars for notebooks (SVG): a line a label, parts one after the other, a figure at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .svg import area, bar, color, picture, tail, text

LABEL, WIDTH, FIGURE, ROW = 190, 320, 90, 17  # pixels of names, of the longest bar, of figures, between rows


def bars(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    figures: Sequence[str],
    about: str,
    longest: float = 0.0,
) -> str:
    """The picture.

    Args:
        labels: from top to bottom.
        series: parts by name, each a number >= 0 or None for each label; a legend names several.
        figures: what stands behind each bar.
        about: what is shown, above the bars.
        longest: what the longest bar stands for; default the largest sum.
    """
    sums = [sum(values[i] or 0.0 for values in series.values()) for i in range(len(labels))]
    unit, top = WIDTH / (longest or max(sums, default=0.0) or 1.0), 36 if len(series) > 1 else 20
    shapes: list[list[str]] = [[] for _ in series]
    parts = [text(about, LABEL, 13, soft=True), *(_legend(list(series)) if len(series) > 1 else [])]
    for i, (label, figure) in enumerate(zip(labels, figures, strict=True)):
        x, y = float(LABEL), top + ROW * i
        for shape, values in zip(shapes, series.values(), strict=True):
            if width := unit * max(values[i] or 0.0, 0.0):
                shape.append(bar(x, y + 2, width, ROW - 5))
            x += width
        parts.append(text(tail(label, LABEL - 10), LABEL - 8, y + 12, anchor="end"))
        parts.append(text(figure, x + 5, y + 12, soft=True))
    parts += [area("".join(shape), color(i), 0.85) for i, shape in enumerate(shapes) if shape]
    return picture(parts, LABEL + WIDTH + FIGURE, top + ROW * len(labels) + 2, about)


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], float(LABEL)
    for i, name in enumerate(names):
        parts += [area(bar(x, 20, 10, 10), color(i), 0.85), text(name, x + 14, 29, soft=True)]
        x += 30 + 6.6 * len(name)
    return parts
