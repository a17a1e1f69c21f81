"""Integers to a block format at run time: a scale exponent for each block of the last axis, then the elements.

    m = max|x - zero_point| of the block          l = floor(log2 m), a leading-one detector
    e = clip(l - floor(log2 largest element) + bump, lo, hi)      lo where m is 0
    code = saturate(round((x - zero_point) / 2**e)) in the element format

all in integers: `bump` is a comparison of m with a constant times 2**l (the scale rules of `hwsim.blockformats`), and a
magnitude v is rounded where its own leading one says: shift s = max(floor(log2 v) - mantissa, t), t = e + lsb_exp of
the elements; its code is ``(s - t) * 2**mantissa + round(v / 2**s)``, which carries into the next power of two.

The exponents count powers of two of the input's step; they are OCP's where its scale is a power of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ..blockformats import BIAS, RULES, BlockFormat
from ..formats import E8M0, FP4_E2M1, Codes, FloatFormat, Format, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand, format_interval
from ..rounding import Ints, check_rounding, shift_right
from .normalize import Normalize
from .shapes import per_tensor

ROUNDINGS = ("half_even", "half_away", "toward_zero")  # of magnitudes


class Bump(NamedTuple):
    """The exponent is one higher where ``m * gain + offset > threshold * 2**floor(log2 m)``."""

    gain: int
    offset: int
    threshold: int


@dataclass(frozen=True, kw_only=True)
class BlockQuantize:
    """Two results: codes (..., k) and E8M0 scales (..., blocks); the last block may be shorter.

    Args:
        fmt: format of the elements, signed.
        block: elements that share a scale.
        rule: ``floor | rceil | ceil | even``, see `hwsim.blockformats.BlockFormat`.
        lo, hi: declared range of the exponents, in steps of the input.
        rounding: of the elements' magnitudes: ``half_even | half_away | toward_zero``.
    """

    fmt: Format = FP4_E2M1
    block: int = 32
    rule: str = "floor"
    lo: int = -BIAS
    hi: int = BIAS
    rounding: str = "half_even"
    name: ClassVar[str] = "block_quantize"

    def __post_init__(self) -> None:
        """Raise ValueError for blocks, rules, ranges and roundings that mean nothing."""
        check_rounding(self.rounding, ROUNDINGS)
        if self.block < 1 or self.rule not in RULES:
            raise ValueError(f"block_quantize: block {self.block} of rule {self.rule!r}; use >= 1, {', '.join(RULES)}")
        if not -BIAS <= self.lo <= self.hi <= BIAS:
            raise ValueError(f"block_quantize: exponents {self.lo}..{self.hi} are outside -{BIAS}..{BIAS}")
        if self.fmt.min_int >= 0:
            raise ValueError(f"block_quantize: {self.fmt.name} elements have no sign; use a signed format")
        if isinstance(self.fmt, FloatFormat) and self.fmt.unsigned_zero:
            raise ValueError(f"block_quantize: {self.fmt.name}'s zero has no sign, which no engine makes; use fp8_e4m3")
        if isinstance(self.fmt, FloatFormat) and self.mantissa == 0 and self.rounding == "half_even":
            # Why: the parity of such a code is its exponent's, which the rounding shift does not see
            raise ValueError(f"block_quantize: {self.fmt.name} has no mantissa, so no even neighbour; use 'half_away'")

    @property
    def mantissa(self) -> int:
        """Bits of the largest element behind its leading one."""
        return BlockFormat(name="", element=self.fmt, block=1).mantissa

    @property
    def top_exp(self) -> int:
        """``floor(log2 largest element)``."""
        return self.fmt.max_int.bit_length() - 1 + self.fmt.lsb_exp

    @property
    def bump(self) -> Bump:
        """The comparison that `rule` makes."""
        man, top = self.mantissa, self.fmt.max_int
        top //= top & -top  # its significant bits
        return {
            "floor": Bump(0, 0, 1),
            "ceil": Bump(1, 0, 1),
            "rceil": Bump(1 << (top.bit_length() - 1), 0, top),
            "even": Bump(2 << man, 1, (4 << man) - 1),
        }[self.rule]

    @property
    def tops(self) -> tuple[int, int]:
        """Largest magnitude codes of numbers >= 0 and < 0."""
        if isinstance(self.fmt, IntFormat):
            return self.fmt.max_int, -self.fmt.min_int
        return (1 << (self.fmt.bits - 1)) - self.fmt.reserved - 1, (1 << (self.fmt.bits - 1)) - self.fmt.reserved - 1

    def blocks(self, k: int) -> int:
        """Blocks of k elements."""
        return -(-k // self.block)

    def out_type(self, x: QType) -> tuple[QType, QType]:
        """Codes whose element 1 is one step of `x`, and exponents."""
        per_tensor("block_quantize", x)
        if len(x.shape) <= x.batched:
            raise ValueError(f"block_quantize: shape {x.shape} has no axis of blocks")
        scales = (*x.shape[:-1], self.blocks(int(x.shape[-1])))
        return QType(x.shape, self.fmt, float(x.lsb)), QType(scales, E8M0, 1.0, BIAS)

    def reach(self, x: Operand) -> tuple[Interval, Interval]:
        """Every element; exponents up to that of the largest magnitude."""
        most = x.reach.shifted(-int(np.max(x.type.zero_point))).magnitude
        bits = most.bit_length() + self.mantissa + 3  # what `bump` compares
        if bits > 61:
            raise ValueError(
                f"block_quantize: input may reach {most}, which takes {bits} bits to compare with {self.fmt.name}'s "
                "largest element, must be 61; requantize it first"
            )
        top = int(self.exponent(np.array([most]))[0])
        return format_interval(self.fmt), Interval(self.lo + BIAS, top + BIAS)

    def exponent(self, most: Ints) -> Ints:
        """Exponent of each block from its largest magnitude."""
        _, log = Normalize(bits=2).apply(most)
        gain, offset, threshold = self.bump
        e = log - self.top_exp + (most * gain + offset > threshold << log)
        return np.where(most > 0, np.clip(e, self.lo, self.hi), self.lo)

    def run(self, ins: tuple[QType, ...], x: Codes) -> tuple[Codes, Codes]:
        """The definition."""
        v = ins[0].fmt.to_int(x) - ins[0].along_axis(ins[0].zero_point)
        short = -v.shape[-1] % self.block
        blocks = np.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, short)]).reshape(*v.shape[:-1], -1, self.block)
        e = self.exponent(np.abs(blocks).max(-1))
        size, t = np.abs(blocks), e[..., None] + self.fmt.lsb_exp
        _, log = Normalize(bits=2).apply(size)
        s = np.maximum(log - self.mantissa, t)
        raised: Ints = np.left_shift(size, np.maximum(-s, 0))
        rounded = shift_right(raised, np.minimum(np.maximum(s, 0), 62), self.rounding)
        code = np.where(size > 0, (s - t << self.mantissa) + rounded, 0)  # 0 has no leading one
        magnitude = np.minimum(code, np.where(blocks < 0, self.tops[1], self.tops[0]))
        codes = signed(self.fmt, magnitude, blocks < 0).reshape(*v.shape[:-1], -1)[..., : v.shape[-1]]
        return codes.astype(self.fmt.dtype), (e + BIAS).astype(E8M0.dtype)


def signed(fmt: Format, magnitude: Ints, negative: Codes) -> Ints:
    """Codes of magnitudes with signs: two's complement, or a sign bit that -0 keeps."""
    if isinstance(fmt, IntFormat):
        return np.where(negative, -magnitude, magnitude)
    return np.asarray(magnitude | negative.astype(np.int64) << (fmt.bits - 1), np.int64)
