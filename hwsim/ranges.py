"""What each value can reach: intervals through a graph, and accumulator bounds from the actual weights.

Source: exact interval arithmetic. The dot-product bound is the largest (smallest) sum after any number of steps, in the
stated order, of each product's largest (smallest) value: some input reaches it. Where inputs may be 0 no product leads
back, and the bound holds in every order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .formats import Codes, FloatFormat, Format
from .qtensor import QTensor, QType
from .rounding import Ints

if TYPE_CHECKING:
    from .graph import Graph, Node


BLOCK = 1 << 16  # weights that a bound looks at at a time, so that large ones take no multiple of their memory


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


def operands(graph: Graph, node: Node) -> tuple[Operand, ...]:
    """What `graph` knows of the inputs of `node`."""
    return tuple(Operand(v.type, graph.reach[v.name], graph.constants.get(v.name)) for v in node.ins)


def format_interval(fmt: Format) -> Interval:
    """Everything `fmt` can name."""
    return Interval(fmt.min_int, fmt.max_int)


def tensor_interval(t: QTensor) -> Interval:
    """What a constant really holds (grid integers, zero point not subtracted)."""
    fmt, codes = t.type.fmt, t.codes
    if isinstance(fmt, FloatFormat):
        codes = fmt.grid[distinct(codes)]
    return Interval(int(codes.min()), int(codes.max()))


def distinct(codes: Codes) -> Codes:
    """The bytes that occur in `codes`, ascending."""
    flat, seen = codes.reshape(-1), np.zeros(256, np.bool_)
    for i in range(0, flat.size, BLOCK):
        seen[flat[i : i + BLOCK]] = True
    return np.flatnonzero(seen)


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


class Inputs(NamedTuple):
    """What each input of a dot product can reach: int64, shape (k,)."""

    lo: Ints
    hi: Ints

    @classmethod
    def of(cls, x: Interval, k: int) -> Inputs:
        """All `k` alike."""
        return cls(np.full(k, x.lo, np.int64), np.full(k, x.hi, np.int64))

    def with_zero(self) -> Inputs:
        """The same, and every one may be 0: no product leads back, so a bound holds in every order."""
        return Inputs(np.minimum(self.lo, 0), np.maximum(self.hi, 0))


class Dot(NamedTuple):
    """One kind of dot product in a node: an index of the result less its channel, weights (k, n), inputs, start."""

    at: tuple[int, ...]
    weights: Ints
    x: Inputs
    start: Ints


def dot_bound(
    weights: Ints, x: Interval | Inputs, start: Ints, cut: Callable[[Ints], Ints] = np.asarray, tree: int = 1
) -> DotBound:
    """Bound of a dot product with known weights, reached by `witness`.

    Args:
        weights: integers of any width, shape (k, n).
        x: what the inputs, or each of them, can reach.
        start: what the accumulator starts at, shape (n,) or ().
        cut: what is done to each product; keeps their order.
        tree: products that are summed before the accumulator takes them.
    """
    x = Inputs.of(x, len(weights)) if isinstance(x, Interval) else x
    hull = Interval(int(x.lo.min()), int(x.hi.max()))
    product = hull.times(Interval(int(weights.min()), int(weights.max())))
    if product.magnitude >= 1 << 62:
        raise ValueError(f"a product may reach {product.lo}..{product.hi}, outside int64; use narrower formats")
    blocks = np.array_split(weights, min(weights.shape[1], 1 + weights.size // BLOCK), axis=1)
    total = max(float(np.abs(block.astype(np.float64)).sum(0).max()) for block in blocks)
    size = total * hull.magnitude + float(np.abs(start).max())
    exact = np.int64 if size < 2.0**61 else object  # Python integers where int64 might not do
    furthest: list[list[Ints]] = [[], []]
    for block in (b.astype(np.int64) for b in blocks):
        ends = block * x.lo[:, None], block * x.hi[:, None]
        for sums, worst in zip(furthest, (np.minimum, np.maximum), strict=True):
            sums.append(_furthest(cut(worst(*ends)).astype(exact, copy=False), x, tree, worst))
    lo, hi = (start + np.concatenate(sums) for sums in furthest)
    if max(int(hi.max()), -int(lo.min())) >= 1 << 62:
        what = f"a sum of {len(weights)} products may reach {int(lo.min())}..{int(hi.max())}"
        raise ValueError(f"{what}, outside int64 with its guard bit; use narrower formats")
    return DotBound(np.asarray(lo, np.int64), np.asarray(hi, np.int64))


def _furthest(terms: Ints, x: Inputs, tree: int, worst: np.ufunc) -> Ints:
    """The smallest or largest sum of `terms`, shape (k, n), over all steps, none included."""
    if (x.lo <= 0).all() and (x.hi >= 0).all():
        return np.asarray(terms.sum(0))  # no term leads back, so the last step is the worst
    return np.asarray(worst(worst.reduce(np.cumsum(terms, 0)[_step_ends(len(terms), tree)]), 0))


def _step_ends(k: int, tree: int) -> list[int]:
    """Index of the last product of each step."""
    return [min(first + tree, k) - 1 for first in range(0, k, tree)]


def witness(
    weights: Ints,
    x: Interval | Inputs,
    channel: int,
    *,
    top: bool = True,
    cut: Callable[[Ints], Ints] = np.asarray,
    tree: int = 1,
) -> Ints:
    """An input vector, shape (k,), that drives `channel` to its `dot_bound`; what follows that step is next to 0."""
    x = Inputs.of(x, len(weights)) if isinstance(x, Interval) else x
    w, rest = weights[:, channel], np.clip(0, x.lo, x.hi)
    best = np.where(w == 0, rest, np.where((w > 0) == top, x.hi, x.lo))
    sums = np.cumsum(cut(w * best))[_step_ends(len(w), tree)] * (1 if top else -1)
    used = min((int(sums.argmax()) + 1) * tree, len(w)) if sums.max() > 0 else 0
    return np.where(np.arange(len(w)) < used, best, rest).astype(np.int64)
