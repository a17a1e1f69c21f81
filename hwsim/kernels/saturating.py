"""Products added in exact order to accumulators that stop at limits, in vector registers: see `hwsim.ops.datapath`.

A tile of accumulators stays in registers while k goes up: one multiplication and one saturating addition a vector of
int16 or int32 lanes (LLVM's generic `sadd.sat`, so every CPU gives the same bits), then a minimum and a maximum where
limits are narrower than the lanes. k is never padded: a product of 0 would be limited too.

Why tile and driver are in one file: numba compiles again when the file of the jitted function changes, no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..formats import Codes
from ..jit import jit
from ..rounding import Ints
from .llvm import I64, called, loop, splat

ROWS = 6
WIDE, NARROW = 256, 64
"""Bytes of columns in a panel; the last ones are narrow. The sizes of tiles, whatever the CPU."""


def run(
    a: Codes,
    b: Codes,
    start: Ints,
    lanes: np.dtype[Any],
    limits: tuple[int, int],
    cut: tuple[int, ...] | None,
) -> Codes:
    """`accumulate` on integers of any width, (groups, m, k) and (groups, k, n), from `start`, which broadcasts."""
    m, n, whole = a.shape[1], b.shape[2], NARROW // lanes.itemsize
    turned = _up(n, whole) * m > _up(m, whole) * n  # few columns: they become rows
    if turned:
        a, b, m, n = b.swapaxes(1, 2), a.swapaxes(1, 2), n, m
    y = np.zeros((len(a), m, _up(n, whole)), lanes)
    filled = y[..., :n].swapaxes(1, 2) if turned else y[..., :n]
    filled[...] = start
    ends = np.iinfo(lanes).min, np.iinfo(lanes).max
    bounds = None if limits == ends else tuple(map(lanes.type, limits))
    left, right = (x.astype(lanes, order="C", copy=False) for x in (a, b))
    accumulate(left, right, y, bounds, cut and tuple(map(lanes.type, cut)))
    return filled


def _up(n: int, whole: int) -> int:
    return -(-n // whole) * whole


@jit
def accumulate(a: Any, b: Any, y: Any, limits: Any, cut: Any) -> None:
    """``y = limit(y + part)`` for each part of a row of `a` times a column of `b`, k ascending; all one int16 or int32.

    Args:
        a: shape (groups, m, k), C order.
        b: (groups, k, n), C order. Every product and part fits the lanes.
        y: starts and results, (groups, m, columns), C order; columns: n, up to whole `NARROW` bytes.
        limits: (lo, hi) of the lanes' type, or None for what the lanes hold. int32 sums must fit before they are
            limited; int16 ones need not.
        cut: of the lanes' type. None: a part is a product; (drop, mask): shifted right by `drop` after `mask` is added
            to negative ones; (drop, mask, tree): the sum of `tree` such.
    """
    k, columns = b.shape[1], y.shape[2]
    if k == 0:
        return
    wide, narrow = WIDE // y.itemsize, NARROW // y.itemsize
    memory = np.empty(k * wide, y.dtype)
    for g in range(y.shape[0]):
        j = 0
        while j < columns:
            width = wide if columns - j >= wide else narrow
            panel = memory[: k * width].reshape(k, width)
            _pack(panel, b[g, :, j:])
            _panel(a[g], panel, y[g, :, j:], limits, cut)
            j += width


@jit
def _pack(panel: Any, b: Any) -> None:
    """The first columns of `b`, and zeros where there are none."""
    n = min(panel.shape[1], b.shape[1])
    for k in range(panel.shape[0]):
        for j in range(n):
            panel[k, j] = b[k, j]
        for j in range(n, panel.shape[1]):
            panel[k, j] = 0


@jit
def _panel(a: Any, panel: Any, y: Any, limits: Any, cut: Any) -> None:
    """All rows with one panel."""
    i, wide = 0, panel.shape[1] * panel.itemsize == WIDE
    while i + ROWS <= a.shape[0]:
        if wide:
            _rows_wide(a[i:], panel, y[i:], limits, cut)
        else:
            _rows_narrow(a[i:], panel, y[i:], limits, cut)
        i += ROWS
    while i < a.shape[0]:
        if wide:
            _row_wide(a[i:], panel, y[i:], limits, cut)
        else:
            _row_narrow(a[i:], panel, y[i:], limits, cut)
        i += 1


def _tile(rows: int, width: int) -> Any:
    """The first `rows` of `a` and of `y` with a panel of `width` bytes, callable from compiled code."""

    def made(typing: Any, a: Any, panel: Any, y: Any, limits: Any, cut: Any) -> tuple[Any, Callable[..., Any]]:
        kinds = a, panel, y, limits, cut
        return types.void(*kinds), lambda context, b, _, values: _write(context, b, kinds, values, rows, width)

    return intrinsic(made)


_rows_wide, _rows_narrow, _row_wide, _row_narrow = (_tile(r, w) for r, w in product((ROWS, 1), (WIDE, NARROW)))


def _write(context: Any, b: ir.IRBuilder, kinds: Any, values: Any, rows: int, width: int) -> Any:
    """What numba asks for: code of a tile on these values."""
    arrays = [context.make_array(t)(context, b, v) for t, v in zip(kinds[:3], values[:3], strict=True)]
    a, panel, y = ((b.ptrtoint(x.data, I64), b.extract_value(x.strides, 0)) for x in arrays)
    limits, cut = (
        [b.extract_value(v, i) for i in range(t.count)] if isinstance(t, types.UniTuple) else []
        for t, v in zip(kinds[3:], values[3:], strict=True)
    )
    triple, _, features = context.codegen().magic_tuple()
    tree = b.sext(cut[2], I64) if len(cut) > 2 else None
    size, height, vectors = registers(triple, features, cuts=bool(cut))
    lane = ir.IntType(kinds[2].dtype.bitwidth)
    depth = b.extract_value(arrays[1].shape, 0)
    given: dict[str, Any] = {"a": a, "panel": panel, "y": y, "limits": limits, "cut": cut[:2], "tree": tree}
    tile = Tile(b=b, lane=lane, size=size, depth=depth, **given)
    tile.blocks(rows, width, height, vectors)
    return context.get_dummy_value()


def registers(triple: str, features: str, *, cuts: bool) -> tuple[int, int, int]:
    """Bytes of a vector, rows and vectors of a block that stays in the CPU's registers; cuts need room of their own."""
    has = {f[1:] for f in features.split(",") if f.startswith("+")}
    if "avx512bw" in has or triple.startswith(("aarch64", "arm64")):
        return (64 if "avx512bw" in has else 16), (3 if cuts else 6), 4
    return (32 if "avx2" in has else 16), (2 if cuts else 3), 2


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Writes the code of a tile.

    Args:
        b: where to.
        lane: int16 or int32.
        size: bytes of a vector.
        depth: k, at least 1.
        a, panel, y: address, and bytes from row to row.
        limits, cut: numbers as in `accumulate`, none or all; tree: products a step, None for one.
    """

    b: ir.IRBuilder
    lane: ir.IntType
    size: int
    depth: Any
    a: tuple[Any, Any]
    panel: tuple[Any, Any]
    y: tuple[Any, Any]
    limits: list[Any]
    cut: list[Any]
    tree: Any

    @cached_property
    def kind(self) -> ir.VectorType:
        """A vector."""
        return ir.VectorType(self.lane, 8 * self.size // self.lane.width)

    def blocks(self, rows: int, width: int, height: int, vectors: int) -> None:
        """All of a tile, blocks of at most so many rows and vectors: whole ones, sizes are powers of 2, rows 1 or 6."""
        b, height, columns = self.b, min(height, rows), min(self.size * vectors, width)
        offsets = range(0, columns, self.size)

        def across(j: Any, none: list[Any]) -> list[Any]:
            def down(i: Any, none: list[Any]) -> list[Any]:
                at = b.mul(i, I64(height))
                self.block([b.add(at, I64(r)) for r in range(height)], [b.add(left, I64(c)) for c in offsets])
                return none

            left = b.mul(j, I64(columns))
            return loop(b, I64(rows // height), none, down)

        loop(b, I64(width // columns), [], across)

    def block(self, rows: list[Any], columns: list[Any]) -> None:
        """Accumulators of some rows and columns (bytes) in registers, all of k."""
        limits = [self._all(x) for x in self.limits]
        cut = self.cutter()

        def one(k: Any, held: list[Any]) -> list[Any]:
            products = self._multiplied(k, rows, columns)
            return [self._added(x, cut(p), limits) for x, p in zip(held, products, strict=True)]

        def several(number: Any, held: list[Any]) -> list[Any]:
            part = self._part(number, rows, columns, cut)
            return [self._added(x, p, limits) for x, p in zip(held, part, strict=True)]

        places = [self._place(self.y, i, j, self.kind) for i, j in product(rows, columns)]
        sums = [self._load(p) for p in places]
        if self.tree is None:
            sums = loop(self.b, self.depth, sums, one)
        else:
            parts = self.b.udiv(self.b.add(self.depth, self.b.sub(self.tree, I64(1))), self.tree)
            sums = loop(self.b, parts, sums, several)
        for p, total in zip(places, sums, strict=True):
            self.b.store(total, p).align = self.lane.width // 8

    def cutter(self) -> Callable[[Any], Any]:
        """What drops the low bits of a product."""
        if not self.cut:
            return lambda p: p
        b, (drop, mask) = self.b, (self._all(x) for x in self.cut)
        sign = ir.Constant(self.kind, [self.lane.width - 1] * self.kind.count)
        return lambda p: b.ashr(b.add(p, b.and_(b.ashr(p, sign), mask)), drop)

    def _part(self, number: Any, rows: list[Any], columns: list[Any], cut: Callable[[Any], Any]) -> list[Any]:
        """Sums of the next `tree` products, or of what is left."""
        b = self.b
        first = b.mul(number, self.tree)
        left = b.sub(self.depth, first)
        count = b.select(b.icmp_signed("<", left, self.tree), left, self.tree)

        def one(k: Any, part: list[Any]) -> list[Any]:
            products = self._multiplied(b.add(first, k), rows, columns)
            return [b.add(x, cut(p)) for x, p in zip(part, products, strict=True)]

        return loop(b, count, [ir.Constant(self.kind, None)] * len(rows) * len(columns), one)

    def _multiplied(self, k: Any, rows: list[Any], columns: list[Any]) -> list[Any]:
        """Products of the rows' number k with the panel's row k."""
        at = self.b.mul(k, I64(self.lane.width // 8))
        left = [self._load(self._place(self.a, i, at, self.lane)) for i in rows]
        right = [self._load(self._place(self.panel, k, j, self.kind)) for j in columns]
        return [self.b.mul(self._all(x), w) for x, w in product(left, right)]

    def _added(self, total: Any, part: Any, limits: list[Any]) -> Any:
        """A step. Why plain in int32 with limits: no sum passes the lanes there, and x86 saturates 16 bits alone."""
        plain = limits and self.lane.width == 32
        total = self.b.add(total, part) if plain else self._call("sadd.sat", total, part)
        for name, limit in zip(("smax", "smin")[: len(limits)], limits, strict=True):
            total = self._call(name, total, limit)
        return total

    def _call(self, name: str, x: Any, y: Any) -> Any:
        """LLVM's generic operation on vectors."""
        return called(self.b, f"llvm.{name}.v{self.kind.count}i{self.lane.width}", x.type, x, y)

    def _place(self, base: tuple[Any, Any], row: Any, offset: Any, kind: Any) -> Any:
        b, (first, pitch) = self.b, base
        return b.inttoptr(b.add(b.add(first, b.mul(row, pitch)), offset), kind.as_pointer())

    def _all(self, x: Any) -> Any:
        """`x` in every lane."""
        return splat(self.b, x, self.kind.count)

    def _load(self, place: Any) -> Any:
        value = self.b.load(place)
        value.align = self.lane.width // 8
        return value
