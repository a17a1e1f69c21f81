"""What each value can reach: intervals through a graph, and accumulator bounds from the actual weights.

Source: exact interval arithmetic; the dot-product bound is sum over k of max(0, w*x) and of min(0, w*x), which holds
for every partial sum in every order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .formats import Format
from .qtensor import QTensor, QType
from .rounding import Ints


class Interval(NamedTuple):
    """All integers from `lo` to `hi`, on the grid of the value's format."""

    lo: int
    hi: int

    @property
    def magnitude(self) -> int:
        """Largest absolute value."""
        return max(abs(self.lo), abs(self.hi))

    @property
    def bits(self) -> int:
        """Two's-complement bits that hold every member."""
        return 1 + max(max(self.hi, 0).bit_length(), (~self.lo).bit_length() if self.lo < 0 else 0)

    def inside(self, other: Interval) -> bool:
        """Whether every member is a member of `other`."""
        return other.lo <= self.lo and self.hi <= other.hi

    def clip(self, other: Interval) -> Interval:
        """This interval saturated to `other`."""
        return Interval(min(max(self.lo, other.lo), other.hi), min(max(self.hi, other.lo), other.hi))

    def shifted(self, by: int) -> Interval:
        """Each member plus `by`."""
        return Interval(self.lo + by, self.hi + by)

    def times(self, other: Interval) -> Interval:
        """Products of members."""
        corners = [a * b for a in self for b in other]
        return Interval(min(corners), max(corners))

    def union(self, other: Interval) -> Interval:
        """Smallest interval that holds both."""
        return Interval(min(self.lo, other.lo), max(self.hi, other.hi))


class Operand(NamedTuple):
    """What an op may know of an input when it proves its ranges: type, reach, and the tensor where it is constant."""

    type: QType
    reach: Interval
    constant: QTensor | None = None


def format_interval(fmt: Format) -> Interval:
    """Everything `fmt` can name."""
    return Interval(fmt.min_int, fmt.max_int)


def tensor_interval(t: QTensor) -> Interval:
    """What a constant really holds (grid integers, zero point not subtracted)."""
    values = t.type.fmt.to_int(t.codes)
    return Interval(int(values.min()), int(values.max()))


def zero_points(t: QType) -> Interval:
    """Smallest and largest zero point of a type."""
    z = np.atleast_1d(np.asarray(t.zero_point))
    return Interval(int(z.min()), int(z.max()))


@dataclass(frozen=True)
class DotBound:
    """Proven bounds of ``start[n] + sum_k x[k] * w[k, n]``, every partial sum included.

    Args:
        lo, hi: per output channel, int64, shape (n,).
    """

    lo: Ints
    hi: Ints

    @property
    def interval(self) -> Interval:
        """Over all channels."""
        return Interval(int(self.lo.min()), int(self.hi.max()))


def dot_bound(weights: Ints, x: Interval, start: Ints) -> DotBound:
    """Bound of a dot product with known weights.

    Args:
        weights: integers, shape (k, n).
        x: what each input can reach.
        start: what the accumulator starts at, shape (n,) or ().
    """
    size = float(np.abs(weights.astype(np.float64)).sum(0).max(initial=0)) * x.magnitude + float(np.abs(start).max())
    w = weights if size < 2.0**61 else weights.astype(object)  # Python integers where int64 might not do
    positive, negative = np.maximum(w, 0).sum(0), np.minimum(w, 0).sum(0)
    high, low = max(x.hi, 0), min(x.lo, 0)
    lo, hi = start + positive * low + negative * high, start + positive * high + negative * low
    if max(int(hi.max()), -int(lo.min())) >= 1 << 62:
        what = f"a sum of {len(weights)} products may reach {int(lo.min())}..{int(hi.max())}"
        raise ValueError(f"{what}, outside int64 with its guard bit; use narrower formats")
    return DotBound(np.asarray(lo, np.int64), np.asarray(hi, np.int64))


def witness(weights: Ints, x: Interval, channel: int, *, top: bool = True) -> Ints:
    """An input vector, shape (k,), that drives `channel`'s partial sums to the bound (inputs that may be 0)."""
    w = weights[:, channel] if top else -weights[:, channel]
    return np.where(w > 0, max(x.hi, 0), np.where(w < 0, min(x.lo, 0), 0)).astype(np.int64)
