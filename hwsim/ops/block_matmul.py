"""``y = sum over blocks of round(dot(a, b) * factors * 2**(exponents - lsb_exp))``: a matmul of block-scaled operands.

Inside a block the dot product is exact, on the integer grids of the elements. A block's scale is an exponent (E8M0:
exponents of both sides add, the dot product is shifted) or an integer factor (E4M3 and integer scales: it is
multiplied). Every block's contribution is rounded to the accumulator's lsb, then added; the sum is exact, or as the
datapath says: `drop` bits are cut off each product of elements, `tree` contributions, in ascending order of the blocks,
are summed exactly before the accumulator takes them, saturates or wraps. `Float32Sum` adds contributions in float32.

Why `max_exp`: all E8M0 exponents would take 500 bits. A block whose exponent passes `max_exp` enters with `max_exp`;
constants that do are refused. Exponents below `lsb_exp` are shifted right, past 62 bits to what remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..blockformats import BIAS, BlockTensor, spread
from ..formats import E8M0, INT32, Codes, IntFormat
from ..jit import jit
from ..qtensor import QType, Shape
from ..ranges import Interval, Operand
from ..rounding import ROUNDINGS, Ints, check_rounding, shift_right, shift_right_scalar
from .accumulation import exact_float, held
from .block_scales import check_scales, scale_range, scaled, split_scale
from .datapath import PLAIN, Datapath
from .float_sum import Float32Sum
from .shapes import per_tensor

ZERO = np.zeros((), np.int64)
LIMIT = 1 << 61  # of a block before and after its shift: rounding offsets and a shift by 62 stay exact


class Bound(NamedTuple):
    """What one block's dot product, one product of elements, one block's contribution, and exact sums can reach."""

    dot: Interval
    product: Interval
    term: Interval
    total: Interval


@dataclass(frozen=True, kw_only=True)
class BlockMatMul:
    """Inputs a (..., k), b (k, n), b's scales (blocks, n); then a's scales (..., blocks), b's zero points (blocks, n).

    The zero point of `a` is subtracted (it need not be folded into anything).

    Args:
        block: elements of k that share a scale; the last block may be shorter.
        acc: format of accumulator and result.
        lsb_exp: exponent of the accumulator's lsb, in units of both grids' steps, ``2**drop`` times as large.
        max_exp: largest exponent of a block (sum of both sides'); 0 without E8M0 scales.
        rounding: of what is shifted out, per block.
        left: whether `a` has block scales.
        zeros: whether the blocks of `b` have zero points.
        datapath: what the accumulator does at its limits, and with the low bits of the products of elements; or
            `Float32Sum`, where nothing is shifted: `lsb_exp` is that of the result.
    """

    block: int = 32
    acc: IntFormat = INT32
    lsb_exp: int = 0
    max_exp: int = 0
    rounding: str = "half_even"
    left: bool = False
    zeros: bool = False
    datapath: Datapath | Float32Sum = PLAIN
    name: ClassVar[str] = "block_matmul"

    def __post_init__(self) -> None:
        """Raise ValueError for blocks, roundings and shifts that mean nothing."""
        check_rounding(self.rounding)
        if self.block < 1:
            raise ValueError(f"block_matmul: block {self.block} must be >= 1")
        if not (isinstance(self.datapath, Float32Sum) or -62 <= self.lsb_exp - self.max_exp <= 62):
            raise ValueError(
                f"block_matmul: lsb_exp {self.lsb_exp} and max_exp {self.max_exp} are more than 62 apart; "
                "raise lsb_exp (what lies below it is rounded)"
            )

    @classmethod
    def exact(cls, b: BlockTensor, *, acc: IntFormat = INT32, left: Interval | None = None) -> BlockMatMul:
        """The op for weights `b` that shifts nothing out; `left`: exponents that a's E8M0 scales may have."""
        low = high = 0
        if b.fmt.scale == E8M0:
            used = b.scales.to_int()[_held(b)]  # a block of zeros has the least exponent there is, and no say
            low, high = int(used.min(initial=BIAS)), int(used.max(initial=-BIAS))
            low, high = (low, high) if used.size else (0, 0)
        low, high = low + (left.lo if left else 0), high + (left.hi if left else 0)
        return cls(
            block=b.fmt.block, acc=acc, lsb_exp=low, max_exp=high, left=left is not None, zeros=b.zeros is not None
        )

    @property
    def at_left(self) -> int | None:
        """Which input holds a's scales."""
        return 3 if self.left else None

    @property
    def at_zeros(self) -> int | None:
        """Which input holds b's zero points."""
        return 3 + self.left if self.zeros else None

    @property
    def path(self) -> Datapath:
        """How integers add up; plain inside the blocks of a float32 sum."""
        return self.datapath if isinstance(self.datapath, Datapath) else PLAIN

    def grid(self, ins: tuple[QType, ...]) -> int:
        """Exponent of the grid that exact contributions lie on, in the numbers that codes name."""
        return sum(t.fmt.lsb_exp for t in ins[: 3 + self.left])

    def blocks(self, k: int) -> int:
        """Blocks of k elements."""
        return -(-k // self.block)

    def out_type(self, a: QType, b: QType, scales: QType, *more: QType) -> QType:
        """Shape (..., n) in the accumulator's format; real scale is the product of all scales and ``2**lsb_exp``."""
        if len(more) != self.left + self.zeros:
            raise ValueError(
                f"block_matmul: {3 + len(more)} inputs, left={self.left} and zeros={self.zeros} "
                f"take {3 + self.left + self.zeros}"
            )
        shape = self._shape(a, b, scales, more)
        (sa, _), (sb, zero) = per_tensor("block_matmul", a), per_tensor("block_matmul", b)
        if zero:
            raise ValueError(f"block_matmul: zero_point {zero} of the second operand; give zero points of its blocks")
        if isinstance(self.datapath, Float32Sum):
            grid = self.grid((a, b, scales, *more))
            ends = self.lsb_exp + grid, self.max_exp + grid
            self.datapath.check("block_matmul", self.acc, self.rounding, ends)
        self.path.check("block_matmul", self.acc)
        step = np.ldexp(sa * sb * scales.lsb, a.fmt.lsb_exp + b.fmt.lsb_exp + self.lsb_exp + self.path.drop)
        check_scales(scales, len(scales.shape) - 1)
        if self.left:
            check_scales(more[0], None)
            step = step * more[0].lsb
        if self.max_exp and all(t.fmt != E8M0 for t in (scales, *more[: self.left])):
            raise ValueError(
                f"block_matmul: max_exp {self.max_exp} without e8m0 scales, which alone have exponents; use 0"
            )
        z = more[-1] if self.zeros else None
        if z is not None and not (isinstance(z.fmt, IntFormat) and (z.scale, z.zero_point) == (1.0, 0)):
            raise ValueError(f"block_matmul: zero points are {z.fmt.name} scale {z.scale!r}, must be integers, scale 1")
        many = step.ndim == 1
        return QType(
            shape, self.acc, tuple(step.tolist()) if many else float(step), axis=len(shape) - 1 if many else None
        )

    def _shape(self, a: QType, b: QType, scales: QType, more: tuple[QType, ...]) -> Shape:
        if len(a.shape) < 1 or len(b.shape) != 2 or a.shape[-1] != b.shape[0] or b.batched or a.shape == ("N",):
            raise ValueError(f"block_matmul: {a.shape} @ {b.shape} is no product of (..., k) and (k, n)")
        groups = self.blocks(int(b.shape[0]))
        wanted: list[Shape] = [(groups, b.shape[1])]
        wanted += [(*a.shape[:-1], groups)] if self.left else []
        wanted += [(groups, b.shape[1])] if self.zeros else []
        got = [t.shape for t in (scales, *more)]
        if got != wanted:
            raise ValueError(
                f"block_matmul: scales and zero points have shapes {got}, {groups} blocks of {self.block} take {wanted}"
            )
        return (*a.shape[:-1], b.shape[1])

    def bound(self, a: Operand, b: Operand, scales: Operand, *more: Operand) -> Bound:
        """Proof of every intermediate, from the actual codes and scales of `b` where they are constant."""
        x = a.reach.shifted(-int(np.max(a.type.zero_point)))
        low, high, product = self._dots(x, b, more[-1] if self.zeros else None)
        factors, exponent = scale_range(scales.type, scales.reach, scales.constant)
        others: list[Any] = [1]
        if self.left:
            ends, most = scale_range(more[0].type, more[0].reach, None)
            others, exponent = [e[0, 0] for e in ends], exponent + most
        if any(s.constant is None for s in (scales, *more[: self.left])):
            exponent = np.minimum(exponent, self.max_exp)
        most = int(exponent.max())
        if most > self.max_exp:
            raise ValueError(
                f"block_matmul: constant scales reach exponent {most}, max_exp is {self.max_exp}; raise it"
            )
        corners = [d * f * o for d in (low, high) for f in factors for o in others]
        size = np.maximum(-low, high) * np.maximum(1, abs(np.array(factors))).max(0) * max(1, *map(abs, others), 1)
        if isinstance(self.datapath, Float32Sum):
            grid = self.grid(tuple(x.type for x in (a, b, scales, *more)))
            term = total = self._float_bound(self.datapath, corners, exponent + grid, int(np.max(size)), grid)
        else:
            term, total = self._sums(corners, exponent, int(np.max(size)))
        return Bound(Interval(int(np.min(low)), int(np.max(high))), product, term, total)

    def _dots(self, x: Interval, b: Operand, zeros: Operand | None) -> tuple[Any, Any, Interval]:
        """Least and greatest dot product, partial ones included, of each block and column, and a product's reach."""
        k, starts = int(b.type.shape[0]), np.arange(0, int(b.type.shape[0]), self.block)
        zero = Interval(0, 0) if zeros is None else zeros.reach
        product = x.times(Interval(b.reach.lo - zero.hi, b.reach.hi - zero.lo)).union(Interval(0, 0))
        drop = self.path.drop
        if drop and self.block * product.magnitude >= LIMIT:
            raise ValueError(
                f"block_matmul: {self.block} products may reach {self.block * product.magnitude}, takes < 2**61 where "
                "bits are dropped; use narrower formats"
            )
        if b.constant is None or (zeros is not None and zeros.constant is None):
            sizes = np.minimum(k - starts, self.block).astype(object)[:, None]
            ends = self.path.cut_ends(product) if drop else product
            return sizes * ends.lo, sizes * ends.hi, product
        w = b.constant.to_int()
        if zeros is not None and zeros.constant is not None:
            w = w - spread(zeros.constant.to_int(), self.block, 0, k)
        up, down = max(x.hi, 0), min(x.lo, 0)
        if drop:
            worst = (self.path.cut(pick(w * down, w * up)) for pick in (np.minimum, np.maximum))
            lows, highs = (np.add.reduceat(ends, starts, 0).astype(object) for ends in worst)
            return lows, highs, product
        positive, negative = (
            np.add.reduceat(half, starts, 0).astype(object) for half in (np.maximum(w, 0), np.minimum(w, 0))
        )
        return positive * down + negative * up, positive * up + negative * down, product

    def _float_bound(self, adder: Float32Sum, corners: list[Any], exponent: Any, size: int, grid: int) -> Interval:
        """Codes of the extreme float32 sums; ValueError past 61 bits a block or past float32."""
        if size >= LIMIT:
            raise ValueError(f"block_matmul: a block may reach {size}, takes < 2**61; use narrower formats")
        many = np.broadcast_arrays(*corners, exponent)
        low, high = (pick.reduce([many[0] * 0, *many[:-1]]) for pick in (np.minimum, np.maximum))
        return Interval(*adder.bound("block_matmul", (low, high), many[-1], self.lsb_exp + grid, self.acc))

    def _sums(self, corners: list[Any], exponent: Any, size: int) -> tuple[Interval, Interval]:
        """What a contribution and exact sums can reach, in any order; ValueError past 61 bits a block, 62 in all."""
        shift = np.clip((self.lsb_exp - exponent).astype(np.int64), self.lsb_exp - self.max_exp, 62)
        left = 2 ** np.maximum(-shift, 0).astype(object)
        if size >= LIMIT or int(np.max(size * left)) >= 2 * LIMIT:
            raise ValueError(
                f"block_matmul: a block may reach {size} before and {int(np.max(size * left))} after its shift, takes "
                "< 2**61 and < 2**62; use narrower formats, lower max_exp or raise lsb_exp"
            )
        right = np.maximum(shift, 0)
        ends = [shift_right(np.asarray(c, np.int64), right, self.rounding).astype(object) * left for c in corners]
        lows, highs = (pick.reduce([e * 0 for e in ends[:1]] + ends) for pick in (np.minimum, np.maximum))
        total = Interval(int(np.min(lows.sum(0))), int(np.max(highs.sum(0))))
        if total.magnitude >= 2 * LIMIT:
            raise ValueError(
                f"block_matmul: the sum may reach {total.lo}..{total.hi}, outside int64 with its guard bit; "
                "lower max_exp or raise lsb_exp"
            )
        return Interval(int(np.min(lows)), int(np.max(highs))), total

    def reach(self, *ins: Operand) -> Interval:
        """Bound over all columns, partial sums and zero included; at most what the accumulator can hold."""
        total = self.bound(*ins).total
        return held("block_matmul", self.acc, self.path, total, lambda: total)

    def operands(self, ins: tuple[QType, ...], codes: tuple[Codes, ...]) -> tuple[Ints, ...]:
        """Integers: a, b, factors and exponents of b's blocks (blocks, n), then of a's (..., blocks)."""
        a = ins[0].fmt.to_int(codes[0]) - ins[0].along_axis(ins[0].zero_point)
        b, factor, exponent = self.weights(ins, codes)
        one = np.ones((*a.shape[:-1], len(factor)), np.int64)
        return a, b, factor, exponent, *(split_scale(ins[3], codes[3]) if self.left else (one, one - 1))

    def weights(self, ins: tuple[QType, ...], codes: Sequence[Codes]) -> tuple[Ints, Ints, Ints]:
        """Integers of b less zero points, factors and exponents of its blocks; `codes` of a are not looked at."""
        b = ins[1].fmt.to_int(codes[1])
        if self.at_zeros:
            b = b - spread(codes[self.at_zeros].astype(np.int64), self.block, 0, len(b))
        return b, *split_scale(ins[2], codes[2])

    def shifted(self, x: Ints, exponent: Ints) -> Ints:
        """``round(x * 2**(min(exponent, max_exp) - lsb_exp))``."""
        s = np.clip(self.lsb_exp - exponent, self.lsb_exp - self.max_exp, 62)
        return shift_right(x << np.maximum(-s, 0), np.maximum(s, 0), self.rounding)

    def run(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """The definition."""
        a, b, factor, exponent, a_factor, a_exponent = self.operands(ins, codes)
        if isinstance(self.datapath, Float32Sum):
            return self._in_floats(self.datapath, ins, a, b, factor, exponent, a_factor, a_exponent)
        y = np.zeros((*a.shape[:-1], b.shape[1]), np.int64)
        for g in range(len(factor)):
            k = slice(g * self.block, (g + 1) * self.block)
            dot = self._products.run(a[..., k], b[k], ZERO, self.acc) * a_factor[..., g, None] * factor[g]
            y += self.shifted(dot, a_exponent[..., g, None] + exponent[g])
            if self.steps(g, len(factor)):
                y = self.path.limit(y, self.acc)
        return y.astype(self.acc.dtype)

    def _in_floats(
        self, adder: Float32Sum, ins: tuple[QType, ...], a: Any, b: Any, factor: Ints, exponent: Ints, *left: Ints
    ) -> Codes:
        """The definition of a float32 sum; `a` and `b` may be floats that hold every dot product."""
        grid, (a_factor, a_exponent) = self.grid(ins), left
        y = np.zeros((*a.shape[:-1], b.shape[1]), np.float32)
        for g in range(len(factor)):
            k = slice(g * self.block, (g + 1) * self.block)
            dot = (a[..., k] @ b[k]).astype(np.int64) * a_factor[..., g, None] * factor[g]
            powers = np.minimum(a_exponent[..., g, None] + exponent[g], self.max_exp) + grid
            y += adder.term(dot, powers)
        return adder.codes(y, self.lsb_exp + grid, self.acc).astype(self.acc.dtype)

    @property
    def _products(self) -> Datapath:
        """How the products inside a block are summed: cut, never limited."""
        return replace(self.path, overflow="refuse")

    def steps(self, g: int, groups: int) -> bool:
        """Whether the accumulator takes what the adder tree holds after block `g`."""
        return (g + 1) % self.path.tree == 0 or g + 1 == groups

    def run_fast(self, ins: tuple[QType, ...], *codes: Codes) -> Codes:
        """Same bits: one BLAS product with the scales multiplied in where all is exact, else one a block and numba."""
        a, b, factor, exponent, a_factor, a_exponent = self.operands(ins, codes)
        if isinstance(self.datapath, Float32Sum):
            return self._in_floats(self.datapath, ins, *self._exact(a, b), factor, exponent, a_factor, a_exponent)
        shape, groups = (*a.shape[:-1], b.shape[1]), len(factor)
        rows = a.reshape(-1, a.shape[-1]), a_factor.reshape(-1, groups), a_exponent.reshape(-1, groups)
        y = self._by_blas(b, factor, exponent, *rows)
        if y is None:
            y = self._by_blocks(b, factor, exponent, *rows)
        return y.reshape(shape).astype(self.acc.dtype)

    def _by_blocks(self, b: Ints, factor: Ints, exponent: Ints, a: Ints, a_factor: Ints, a_exponent: Ints) -> Ints:
        """The loop of `run`; dot products in a float type that holds them, if there is one."""
        cuts = self.path.drop > 0
        left, right = (a, b) if cuts else self._exact(a, b)
        constants = self.lsb_exp, self.max_exp, ROUNDINGS.index(self.rounding)
        y = np.zeros((len(a), b.shape[1]), np.int64)
        for g in range(len(factor)):
            k = slice(g * self.block, (g + 1) * self.block)
            dot = self._products.run_fast(left[:, k], right[k], ZERO, self.acc) if cuts else left[:, k] @ right[k]
            _add(dot, a_factor[:, g], a_exponent[:, g], factor[g], exponent[g], *constants, y)
            if self.steps(g, len(factor)):
                y = self.path.limit(y, self.acc)
        return y

    def _exact(self, a: Ints, b: Ints) -> tuple[Any, Any]:
        """Both in a float type that holds every dot product of a block, if there is one."""
        dtype = exact_float(self.block * int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0)))
        return (a, b) if dtype is None else (a.astype(dtype), b.astype(dtype))

    def _by_blas(self, b: Ints, factor: Ints, exponent: Ints, a: Ints, a_factor: Ints, a_exponent: Ints) -> Ints | None:
        """The product where nothing is cut, shifted out or saturates and every partial sum fits a float's mantissa."""
        path, low, a_low = self.path, int(exponent.min()), int(a_exponent.min())
        if path.drop:
            return None
        if low + a_low < self.lsb_exp or int(exponent.max()) + int(a_exponent.max()) > self.max_exp:
            return None
        k = len(b)
        left = scaled(a, a_factor, a_exponent - a_low, self.block, 1)
        right = scaled(b, factor, exponent - low, self.block, 0)
        dtype = exact_float(k * int(np.abs(left).max(initial=0)) * int(np.abs(right).max(initial=0)))
        if dtype is None:
            return None
        left, right, up = left.astype(dtype), right.astype(dtype), low + a_low - self.lsb_exp
        if path.overflow == "saturate":
            most = int((np.abs(left).max(0, initial=0) @ np.abs(right)).max(initial=0)) << up
            if not Interval(-most, most).inside(path.limits(self.acc)):
                return None
        return path.limit(np.asarray(left @ right).astype(np.int64) << up, self.acc)


def _held(b: BlockTensor) -> NDArray[np.bool_]:
    """Which blocks along axis 0 hold something but zeros."""
    codes = b.codes.to_int() - (0 if b.zeros is None else b.spread(b.zeros.to_int()))
    return np.logical_or.reduceat(codes != 0, np.arange(0, len(codes), b.fmt.block), 0)


@jit
def _add(
    dot: Any,
    a_factor: Any,
    a_exponent: Any,
    factor: Any,
    exponent: Any,
    lsb_exp: Any,
    max_exp: Any,
    rounding: Any,
    y: Any,
) -> None:
    """Numba twin of one step of the loop in `run`: add a block's contribution to y."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            s = min(max(lsb_exp - a_exponent[i] - exponent[j], lsb_exp - max_exp), 62)
            x = np.int64(dot[i, j]) * a_factor[i] * factor[j]
            y[i, j] += x << -s if s < 0 else shift_right_scalar(x, s, rounding)
