"""Delay tables of a cell: what a Liberty file says of the time from one pin to another, in seconds and farad."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

RISE, FALL = 0, 1
EDGES = ("rise", "fall")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A time over a slew and a second variable; bilinear, and its outer segments go on outside.

    Args:
        slews: seconds, ascending, of the input or, of a setup time, of the data; one where it does not matter.
        others: farad of load or, of a setup time, seconds of the clock's slew, ascending; one where it does not matter.
        values: seconds, a row a slew.
    """

    slews: tuple[float, ...]
    others: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, slew: float, other: float) -> float:
        """Seconds."""
        i, i1, u = _segment(self.slews, slew)
        j, j1, v = _segment(self.others, other)
        low, high = self.values[i], self.values[i1]
        return (low[j] * (1 - v) + low[j1] * v) * (1 - u) + (high[j] * (1 - v) + high[j1] * v) * u


def _segment(axis: tuple[float, ...], x: float) -> tuple[int, int, float]:
    """Both ends of the segment that holds x or is nearest, and how far along it x is."""
    if len(axis) == 1:
        return 0, 0, 0.0
    i = min(max(bisect_right(axis, x) - 1, 0), len(axis) - 2)
    return i, i + 1, (x - axis[i]) / (axis[i + 1] - axis[i])


@dataclass(frozen=True, kw_only=True)
class Arc:
    """One ``timing`` group of a pin.

    Args:
        related: the input pin, or the clock of a clock-to-output or a setup time.
        kind: ``combinational``, ``rising_edge`` or ``setup_rising``.
        sense: ``positive_unate``, ``negative_unate`` or ``non_unate``.
        delays: by edge of this pin, None where it has none; of a setup time, the times before the clock.
        slews: by edge of this pin.
    """

    related: str
    kind: str
    sense: str
    delays: tuple[Table | None, Table | None]
    slews: tuple[Table | None, Table | None]

    def causes(self, edge: int) -> tuple[int, ...]:
        """Edges of the related pin that can make this edge."""
        if self.kind == "rising_edge":
            return (RISE,)
        return {"positive_unate": (edge,), "negative_unate": (1 - edge,)}.get(self.sense, (RISE, FALL))
