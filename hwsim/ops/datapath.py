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
from typing import Any, Literal, get_args

import numpy as np

from ..formats import IntFormat
from ..jit import jit
from ..ranges import Interval
from ..rounding import Ints, shift_right

Overflow = Literal["refuse", "saturate", "wrap"]
Signs = Literal["twos", "magnitude"]
MAX_DROP = 32
MAX_BITS = 62  # of an accumulator that saturates or wraps: one step more fits int64
INT16_RANGE = Interval(-(1 << 15), (1 << 15) - 1)


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

    def run_fast(self, a: Ints, b: Ints, start: Ints, acc: IntFormat) -> Ints:
        """Same bits, one matrix product at a time, in the narrowest lanes that hold every step."""
        y = start + np.zeros_like(a[..., :1] @ b[..., :1, :])
        product = _ends(a).times(_ends(b))
        most = self.cut_ends(product).magnitude * a.shape[-1] + int(np.abs(start).max())
        limits = self.limits(acc) if self.overflow == "saturate" else Interval(-most, most)
        simple = self.tree == 1 and not self.drop
        if simple and product.inside(INT16_RANGE) and limits.inside(INT16_RANGE):
            bits, kernel = 16, _saturate16
        elif simple and limits.magnitude + product.magnitude < 1 << 31:
            bits, kernel = 32, _saturate32
        else:
            bits, kernel = 64, _steps
        lanes = np.dtype(f"int{bits}")
        numbers: list[Any] = [lanes.type(limits.lo), lanes.type(limits.hi)]
        if kernel is _steps:
            mask = (1 << self.drop) - 1 if self.rounding == "toward_zero" else 0
            numbers += [np.zeros(b.shape[-1], np.int64), self.drop, mask, self.tree]
        matrices = _narrow(b, lanes).reshape(-1, *b.shape[-2:])
        rows, sums = _narrow(a, lanes), y.astype(lanes)
        batches = zip(
            rows.reshape(len(matrices), -1, a.shape[-1]), matrices, sums.reshape(len(matrices), -1, b.shape[-1]),
            strict=True,
        )  # fmt: skip
        for r, matrix, out in batches:
            kernel(r, matrix, out, *numbers)
        return self.limit(sums.astype(np.int64), acc)


PLAIN = Datapath()


def accumulator_named(name: str) -> IntFormat:
    """The signed integer of any width called ``int<bits>``, such as ``int12``; ValueError for other names."""
    if not (m := re.fullmatch(r"int([1-9]\d?)", name)) or not 2 <= int(m[1]) <= 64:
        raise ValueError(f"accumulator {name!r} must be int2 to int64, such as int16")
    return IntFormat(name, int(m[1]))


@jit
def _saturate16(a: Any, b: Any, y: Any, lo: Any, hi: Any) -> None:
    """`Datapath.run` in int16. Why literals: comparing with them compiles to the CPU's saturating addition."""
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            x = a[i, k]
            for j in range(b.shape[1]):
                total = np.int16(min(max(y[i, j] + np.int16(x * b[k, j]), -32768), 32767))
                y[i, j] = min(max(total, lo), hi)


@jit
def _saturate32(a: Any, b: Any, y: Any, lo: Any, hi: Any) -> None:
    """`Datapath.run` in int32, where no step passes it. Why casts: lanes of 32 bits, not numba's 64."""
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            x = a[i, k]
            for j in range(b.shape[1]):
                y[i, j] = min(max(np.int32(y[i, j] + np.int32(x * b[k, j])), lo), hi)


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


def _ends(x: Ints) -> Interval:
    return Interval(int(x.min()), int(x.max()))


def _narrow(x: Ints, lanes: np.dtype[Any]) -> Any:
    """`x` in int8 where it fits, for loads, else in the lanes of the sum."""
    small = lanes.itemsize < 8 and _ends(x).inside(Interval(-128, 127))
    return np.asarray(x.astype(np.int8 if small else lanes), order="C")
