"""How an accumulator adds up: ``acc = limit(acc + sum of the next `tree` products, each cut by `drop` bits)``.

It starts at the bias, takes the products in ascending k (conv2d: kh, kw, cin). In 8 bits with products 100, 50, -90:

    refuse    a type error, the sums pass 127
    saturate  100, 127,  37    limited after every step, so the order counts
    wrap      100, -106, 60    = 60 wrapped once: addition modulo 2**bits may wrap at any time, so the order is free

Why cutting rounds by the signs: two's complement drops bits by an arithmetic shift (floor), sign-magnitude cuts the
magnitude (toward zero).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, get_args

import numpy as np

from ..formats import Codes, IntFormat
from ..jit import jit
from ..ranges import Interval
from ..rounding import Ints, shift_right

Overflow = Literal["refuse", "saturate", "wrap"]
Signs = Literal["twos", "magnitude"]
MAX_DROP = 32
MAX_BITS = 62  # of an accumulator that saturates or wraps: one step more fits int64


@dataclass(frozen=True, kw_only=True)
class Datapath:
    """What an accumulator does at its limits, and with the low bits of its products.

    Args:
        overflow: ``refuse``: a graph is a type error unless no partial sum can overflow; ``saturate`` or ``wrap``
            after every step.
        drop: low bits cut off every product; the accumulator's and the bias's step grows by ``2**drop``.
        tree: products that an adder tree sums exactly before each step, a power of two.
        signs: two's complement, or sign and magnitude, whose limits are +-(2**(bits - 1) - 1).
    """

    overflow: Overflow = "refuse"
    drop: int = 0
    tree: int = 1
    signs: Signs = "twos"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist."""
        for field, known in (("overflow", get_args(Overflow)), ("signs", get_args(Signs))):
            if getattr(self, field) not in known:
                raise ValueError(f"datapath: {field} {getattr(self, field)!r} is unknown: use {', '.join(known)}")
        if type(self.drop) is not int or not 0 <= self.drop <= MAX_DROP:
            raise ValueError(f"datapath: drop {self.drop!r} must be 0..{MAX_DROP} bits")
        if type(self.tree) is not int or self.tree < 1 or self.tree & (self.tree - 1):
            raise ValueError(f"datapath: tree {self.tree!r} must be a power of two, 1 or more products")
        if self.overflow == "wrap" and self.signs == "magnitude":
            raise ValueError("datapath: wrap is not defined for sign-magnitude; use saturate or two's complement")

    def check(self, op: str, acc: IntFormat) -> None:
        """ValueError unless `acc` can behave so."""
        if self.signs == "magnitude" and not acc.signed:
            raise ValueError(f"{op}: a sign-magnitude accumulator cannot be {acc.name}; use a signed format")
        if self.overflow != "refuse" and acc.bits > MAX_BITS:
            raise ValueError(f"{op}: {self.overflow} in {acc.bits} bits; at most {MAX_BITS}, wider ones are proven")
        if self.overflow == "wrap" and acc.narrow:
            raise ValueError(f"{op}: {acc.name} leaves a code out, so wrap is not defined; use saturate")

    @property
    def rounding(self) -> str:
        """How a product loses its low bits."""
        return "floor" if self.signs == "twos" else "toward_zero"

    def limits(self, acc: IntFormat) -> Interval:
        """What the accumulator can hold."""
        return Interval(max(acc.min_int, -acc.max_int) if self.signs == "magnitude" else acc.min_int, acc.max_int)

    def cut(self, products: Ints) -> Ints:
        """Products without their low bits."""
        return shift_right(products, self.drop, self.rounding) if self.drop else products

    def cut_ends(self, products: Interval) -> Interval:
        """The interval of cut products; cutting keeps the order."""
        lo, hi = self.cut(np.array(products, np.int64)).tolist()
        return Interval(lo, hi)

    def limit(self, y: Ints, acc: IntFormat) -> Ints:
        """What becomes of a sum in the accumulator."""
        lo, hi = self.limits(acc)
        match self.overflow:
            case "saturate":
                return np.clip(y, lo, hi)
            case "wrap":
                return (y - lo) % (1 << acc.bits) + lo
        return y

    def stepped(self, bound: Interval, acc: IntFormat) -> bool:
        """Whether the result may differ from the plain sum, limited once; `bound` holds every exact partial sum."""
        return self.drop > 0 or (self.overflow == "saturate" and not bound.inside(self.limits(acc)))

    def quick(self, product: int, acc: IntFormat) -> bool:
        """Whether steps of products up to `product` cost no more than a proof that they make no difference."""
        near = self.limits(acc).magnitude + self.tree * product < 1 << 31  # one instruction adds, in 32 bits
        return self.drop > 0 or (self.overflow == "saturate" and near)

    def run(self, a: Ints, b: Ints, start: Ints, acc: IntFormat) -> Ints:
        """The definition: a (k,) or (.., m, k) times b (k, n) or (.., k, n), from `start`, which broadcasts."""
        if self.overflow == "refuse" and not self.drop:
            return np.asarray(a @ b + start)
        y = start + 0 * (a[..., :1] @ b[..., :1, :])
        for first in range(0, a.shape[-1], self.tree):
            for k in range(first, min(first + self.tree, a.shape[-1])):
                y = y + self.cut(a[..., k, None] * (b[k] if b.ndim == 2 else b[..., k, None, :]))
            y = self.limit(y, acc)
        return y

    def run_fast(self, a: Codes, b: Codes, start: Ints, acc: IntFormat) -> Ints:
        """Same bits, in the narrowest lanes that hold every step; operands and result are integers of any width."""
        groups, k, n = prod(b.shape[:-2]), *b.shape[-2:]
        m = prod(a.shape[:-1]) if b.ndim == 2 else a.shape[-2]
        left, right = a.reshape(groups, m, k), b.reshape(groups, k, n)
        product = _ends(a).times(_ends(b))
        cut, most = self.cut_ends(product), max(map(abs, _ends(start)))
        part = Interval(*(min(self.tree, k) * end for end in cut))
        most += k * cut.magnitude
        limits = self.limits(acc) if self.overflow == "saturate" else Interval(-most, most)
        lanes = self._lanes(limits.union(_ends(start)), part, limits, product, _ends(a), _ends(b))
        starts = start if start.ndim < 2 else np.broadcast_to(start, (*a.shape[:-1], n)).reshape(groups, m, n)
        y = self._run_in(lanes, limits, left, right, starts).reshape(*a.shape[:-1], n)
        return y if self.overflow == "saturate" else self.limit(y.astype(np.int64), acc)

    def _lanes(self, held: Interval, part: Interval, limits: Interval, *others: Interval) -> np.dtype[Any]:
        """The narrowest integers for what the accumulator holds, a step adds, and all others."""
        steps = Interval(held.lo + part.lo, held.hi + part.hi)
        for lanes in (np.dtype(np.int16), np.dtype(np.int32)):
            whole = Interval(int(np.iinfo(lanes).min), int(np.iinfo(lanes).max))
            saturates = lanes == np.int16 or limits == whole  # then a step may pass the lanes
            fit = all(i.inside(whole) for i in (held, part, *others, *(() if saturates else (steps,))))
            if fit and self.drop < 8 * lanes.itemsize:
                return lanes
        return np.dtype(np.int64)

    @property
    def cut_numbers(self) -> tuple[int, ...] | None:
        """Bits to drop, what is added to negative products before that, `tree`; less where there is less to do."""
        mask = (1 << self.drop) - 1 if self.rounding == "toward_zero" else 0
        return (self.drop, mask, self.tree) if self.tree > 1 else (self.drop, mask) if self.drop else None

    def _run_in(self, lanes: np.dtype[Any], limits: Interval, a: Codes, b: Codes, start: Ints) -> Ints:
        """The kernel on (groups, m, k) and (groups, k, n)."""
        if lanes.itemsize < 8:
            from ..kernels.saturating import run

            return run(a, b, start, lanes, limits, self.cut_numbers)
        drop, mask, tree = (*(self.cut_numbers or (0, 0)), 1)[:3]
        y = np.empty((len(a), a.shape[1], b.shape[2]), np.int64)
        y[...] = start
        for rows, matrix, out in zip(a.astype(np.int64), b.astype(np.int64), y, strict=True):
            _steps(rows, matrix, out, limits.lo, limits.hi, np.zeros(b.shape[2], np.int64), drop, mask, tree)
        return y


PLAIN = Datapath()


def accumulator_named(name: str) -> IntFormat:
    """The signed integer of any width called ``int<bits>``, such as ``int12``; ValueError for other names."""
    if not (m := re.fullmatch(r"int([1-9]\d?)", name)) or not 2 <= int(m[1]) <= 64:
        raise ValueError(f"accumulator {name!r} must be int2 to int64, such as int16")
    return IntFormat(name, int(m[1]))


@jit
def _steps(a: Any, b: Any, y: Any, lo: Any, hi: Any, part: Any, drop: Any, mask: Any, tree: Any) -> None:
    """`Datapath.run` in int64; `part` is the adder tree's row, `mask` moves negative products up, toward zero."""
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            x = np.int64(a[i, k])
            for j in range(b.shape[1]):
                p = x * b[k, j]
                part[j] += (p + (p >> 63 & mask)) >> drop
            if (k + 1) % tree == 0 or k + 1 == a.shape[1]:
                for j in range(b.shape[1]):
                    y[i, j] = min(max(y[i, j] + part[j], lo), hi)
                    part[j] = 0


def _ends(x: Codes) -> Interval:
    """Smallest and largest, zero included."""
    return Interval(int(x.min(initial=0)), int(x.max(initial=0)))
