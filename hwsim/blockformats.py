"""Block formats: `block` elements along one axis share a scale of a few bits (MX, NVFP4, group-wise INT4).

    real = unit * 2**element.lsb_exp * (to_int(code) - zero) * scale        zero: asymmetric groups only
    scale = 2**(code - 127) for E8M0, else base * 2**scale.lsb_exp * to_int(code)

A block-quantized tensor is a pair of tensors (codes, scales), for asymmetric groups also zero points. `base` is the one
float: NVFP4's tensor scale, or one a channel where the scales are small integers; it lives in the type of the scales,
so the datapath stays integer. A last block that is not full is shorter, which is the same as filling it with zeros.

Source: OCP Microscaling Formats v1.0 (floor); the other scale rules as torchao names them: rceil is NVIDIA's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .formats import (
    E8M0,
    FP4_E2M1,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E5M2,
    INT4,
    INT8,
    UINT4,
    UINT8,
    Codes,
    Format,
    IntFormat,
    Reals,
    format_named,
)
from .qtensor import QTensor, QType
from .rounding import Ints

RULES = ("floor", "rceil", "ceil", "even")
BASES = ("one", "tensor", "channel")
BIAS = 127  # E8M0's, the zero point of its types: what they name is the exponent
HUGE = 2.0**1000  # beyond, differences and quotients of float64 overflow


@dataclass(frozen=True, kw_only=True)
class BlockFormat:
    """Elements, block and scale of a block format.

    Args:
        element: format of the codes.
        block: elements that share a scale; the last block of an axis may be shorter.
        scale: format of the scales: `E8M0`, or one whose grid integers are the factors.
        rule: exponent of an E8M0 scale from a = max|x| and the largest element m:
            ``floor``: floor(log2 a) - floor(log2 m), large elements saturate; ``ceil``: ceil(log2 a) - floor(log2 m);
            ``rceil``: ceil(log2(a / m)), nothing saturates; ``even``: floor, after rounding a to the element's
            mantissa bits. Other scales are the nearest to a / m.
        unit: what the element 1 means (MXINT8: 2**-6).
        zero: format of a group's zero point; None is symmetric.
        base: what multiplies scales that are no E8M0: ``one`` number 1, a ``tensor`` scale (rounded to float32), or
            one a ``channel`` (the other axis of a matrix).
        least: grid integer of the smallest scale, so that no block divides by 0.
        saturate: whether elements may saturate; else they are a ValueError.
    """

    name: str
    element: Format
    block: int
    scale: Format = E8M0
    rule: str = "floor"
    unit: float = 1.0
    zero: IntFormat | None = None
    base: str = "one"
    least: int = 1
    saturate: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for blocks, rules and bases that mean nothing."""
        if self.block < 1:
            raise ValueError(f"block format {self.name!r}: block {self.block} must be >= 1")
        if self.rule not in RULES or (self.scale != E8M0 and self.rule != "floor"):
            raise ValueError(
                f"block format {self.name!r}: rule {self.rule!r} for {self.scale.name} scales; "
                f"use one of {', '.join(RULES)}, which E8M0 alone has"
            )
        if self.base not in BASES or (self.scale == E8M0 and self.base != "one"):
            raise ValueError(
                f"block format {self.name!r}: base {self.base!r} for {self.scale.name} scales; "
                f"use one of {', '.join(BASES)}, with E8M0 'one'"
            )
        if self.zero is not None and not (isinstance(self.element, IntFormat) and not self.element.signed):
            raise ValueError(f"block format {self.name!r}: zero points need unsigned elements, not {self.element.name}")

    @property
    def top(self) -> float:
        """Largest element."""
        return self.unit * float(np.ldexp(float(self.element.max_int), self.element.lsb_exp))

    @property
    def mantissa(self) -> int:
        """Bits of the largest element behind its leading one."""
        e = self.element
        return e.bits - e.signed - 1 if isinstance(e, IntFormat) else e.man_bits

    def groups(self, size: int) -> int:
        """Blocks of an axis."""
        return -(-size // self.block)


@dataclass(frozen=True, eq=False)
class BlockTensor:
    """Codes, the scales of their blocks along `axis`, and the groups' zero points where the format has them."""

    fmt: BlockFormat
    axis: int
    codes: QTensor
    scales: QTensor
    zeros: QTensor | None = None

    def __repr__(self) -> str:
        """One line, whatever its size."""
        blocks = f"blocks of {self.fmt.block} along axis {self.axis}"
        return f"BlockTensor({self.fmt.name}, {self.codes.type.shape}, {blocks})"

    def _repr_html_(self) -> str:
        from .reports.tensor_html import block_html

        return block_html(self)

    @property
    def parts(self) -> tuple[QTensor, ...]:
        """Codes, scales and, where there are any, zero points."""
        return (self.codes, self.scales) if self.zeros is None else (self.codes, self.scales, self.zeros)

    def scale(self) -> Reals:
        """Real scale of each block."""
        return real_scales(self.scales)

    def dequantize(self) -> Reals:
        """Reals, float64."""
        zero = 0 if self.zeros is None else self.spread(self.zeros.to_int())
        elements = (self.codes.to_int() - zero) * self.codes.type.lsb
        return np.asarray(elements * self.spread(self.scale()), np.float64)

    def spread(self, per_block: Codes) -> Codes:
        """One number an element from one a block."""
        return spread(per_block, self.fmt.block, self.axis, self.codes.codes.shape[self.axis])


def spread(per_block: Codes, block: int, axis: int, size: int) -> Codes:
    """Each entry along `axis` `block` times, `size` in all."""
    return np.moveaxis(np.moveaxis(np.repeat(per_block, block, axis), axis, 0)[:size], 0, axis)


def quantize_blocks(
    x: ArrayLike,
    fmt: BlockFormat,
    *,
    axis: int = -1,
    rounding: str = "half_even",
    tensor_scale: float | None = None,
    rng: np.random.Generator | None = None,
) -> BlockTensor:
    """Codes and scales of `x` in blocks along `axis`: scale of each block first, then ``round(x / scale)``, saturated.

    Args:
        x: finite reals below 2**1000; an all-zero block gets the smallest scale and zero codes.
        fmt: the block format.
        axis: axis of the blocks.
        rounding: of the elements, see `hwsim.rounding`; scales round half to even.
        tensor_scale: base of a ``tensor`` format (calibrated); None takes ``max|x| / (top * largest scale)``.
        rng: random generator for ``stochastic``.

    Raises:
        ValueError: NaN, Inf, no axis of blocks, or an element that saturates where `fmt.saturate` is False.
    """
    x = np.asarray(x, np.float64)
    axis = _checked(x, fmt, axis, tensor_scale)
    rows = np.moveaxis(x, axis, -1)
    padding = [(0, 0)] * (x.ndim - 1) + [(0, -x.shape[axis] % fmt.block)]
    blocks = np.pad(rows, padding).reshape(*rows.shape[:-1], -1, fmt.block)
    low, high = np.minimum(blocks.min(-1), 0), np.maximum(blocks.max(-1), 0)
    peak = np.moveaxis(high - low if fmt.zero else np.maximum(high, -low), -1, axis)
    scales = _scales(peak, fmt, axis, tensor_scale)
    scale = real_scales(scales)
    zeros = None if fmt.zero is None else _zeros(np.moveaxis(-low, -1, axis) / (scale * fmt.unit), fmt.zero)
    with np.errstate(over="ignore"):  # what passes float64 saturates
        units = x / spread(scale, fmt.block, axis, x.shape[axis]) / fmt.unit
    offset = np.zeros((), np.int64) if zeros is None else spread(zeros.to_int(), fmt.block, axis, x.shape[axis])
    codes = _elements(units, offset, fmt, rounding, rng)
    return BlockTensor(fmt, axis, QTensor(QType(x.shape, fmt.element, fmt.unit), codes), scales, zeros)


def real_scales(scales: QTensor) -> Reals:
    """Real scale of each block from the tensor of its scales."""
    return np.ldexp(1.0, scales.to_int()) if scales.type.fmt == E8M0 else scales.dequantize()


def exponents(peak: Reals, fmt: BlockFormat) -> Ints:
    """Exponent of each block's E8M0 scale by `fmt.rule`; -127 where all is 0.

    Why frexp: floor(log2(x)) in floats is wrong next to powers of two.
    """
    a, ea = np.frexp(peak)  # both in [0.5, 1)
    m, em = np.frexp(fmt.top)
    bump = {"floor": a >= 1, "rceil": a > m, "ceil": a > 0.5, "even": a >= 1 - 2.0 ** -(fmt.mantissa + 2)}[fmt.rule]
    return np.asarray(np.where(peak > 0, np.clip(ea - em + bump, -BIAS, BIAS), -BIAS), np.int64)


def _scales(peak: Reals, fmt: BlockFormat, axis: int, tensor_scale: float | None) -> QTensor:
    """Scales from ``max|x|`` (asymmetric: ``max - min``) of each block."""
    if fmt.scale == E8M0:
        codes = (exponents(peak, fmt) + BIAS).astype(E8M0.dtype)
        return QTensor(QType(peak.shape, E8M0, 1.0, BIAS), codes)
    largest = fmt.top * float(np.ldexp(float(fmt.scale.max_int), fmt.scale.lsb_exp))
    base: float | tuple[float, ...] = 1.0
    if fmt.base == "tensor":
        base = _positive(float(np.float32(peak.max() / largest))) if tensor_scale is None else float(tensor_scale)
    elif fmt.base == "channel":
        base = tuple(_positive(b) for b in (peak.max(axis) / largest).tolist())
    t = QType(peak.shape, fmt.scale, base, axis=1 - axis if isinstance(base, tuple) else None)
    least = float(np.ldexp(float(fmt.least), fmt.scale.lsb_exp))
    return QTensor(t, fmt.scale.encode(np.maximum(peak / (fmt.top * t.along_axis(base)), least)))


def _zeros(z: Reals, fmt: IntFormat) -> QTensor:
    """Zero points of the groups: the code of 0, of the group's minimum counted from code 0."""
    return QTensor(QType(z.shape, fmt), fmt.encode(z))


def _elements(units: Reals, offset: Codes, fmt: BlockFormat, rounding: str, rng: np.random.Generator | None) -> Codes:
    """Codes of ``x / scale``: round, add the zero point, saturate."""
    top = np.ldexp(float(fmt.element.max_int), fmt.element.lsb_exp)
    past = units + offset > top if fmt.zero else np.abs(units) > top
    if past.any() and not fmt.saturate:
        at = tuple(int(i) for i in np.argwhere(past)[0])
        raise ValueError(
            f"quantize_blocks: element {at} is {units[at] + np.broadcast_to(offset, units.shape)[at]:.6g} of "
            f"{fmt.element.name}'s {top:g} after rule {fmt.rule!r} ({int(past.sum())} such); "
            "use saturate=True or rule 'rceil'"
        )
    if fmt.zero is None:
        return fmt.element.encode(units, rounding, rng)
    wide = IntFormat("wide", 63).encode(units, rounding, rng) + offset
    return np.clip(wide, fmt.element.min_int, fmt.element.max_int).astype(fmt.element.dtype)


def _checked(x: Reals, fmt: BlockFormat, axis: int, tensor_scale: float | None) -> int:
    """The axis, not negative; ValueError where `x` cannot be cut into blocks along it."""
    if not -x.ndim <= axis < x.ndim or x.size == 0:
        raise ValueError(f"quantize_blocks: no blocks along axis {axis} of shape {x.shape}")
    bad = ~(np.abs(x) < HUGE)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"quantize_blocks: {x[at]} at index {at}; only finite numbers below 2**1000 have blocks")
    if fmt.base == "channel" and x.ndim != 2:
        raise ValueError(
            f"quantize_blocks: {fmt.name} has a float scale a channel, which needs a matrix, not {x.shape}; "
            "use base='tensor'"
        )
    if tensor_scale is not None and (fmt.base != "tensor" or not 0 < tensor_scale < np.inf):
        raise ValueError(f"quantize_blocks: tensor_scale {tensor_scale!r} for {fmt.name}; give a number > 0 to a "
                         "format with base='tensor' alone")  # fmt: skip
    return axis % x.ndim


def _positive(base: float) -> float:
    return base if base > 0 else 1.0


def int4_groups(group: int, *, scale: Format = UINT8, symmetric: bool = True) -> BlockFormat:
    """Group-wise INT4 weights: ``scale`` UINT8 or the like (one float a channel), FP8_E4M3 (one a tensor) or E8M0."""
    base = "one" if scale == E8M0 else "channel" if isinstance(scale, IntFormat) else "tensor"
    kind, zero = ("int4", None) if symmetric else ("uint4", UINT4)
    return BlockFormat(
        name=f"{kind}_g{group}" + (f"_{scale.name}" if scale != UINT8 else ""),
        element=INT4 if symmetric else UINT4, block=group, scale=scale,
        rule="rceil" if scale == E8M0 else "floor", zero=zero, base=base,
    )  # fmt: skip


MXFP4 = BlockFormat(name="mxfp4", element=FP4_E2M1, block=32)
MXFP6_E2M3 = BlockFormat(name="mxfp6_e2m3", element=FP6_E2M3, block=32)
MXFP6_E3M2 = BlockFormat(name="mxfp6_e3m2", element=FP6_E3M2, block=32)
MXFP8_E4M3 = BlockFormat(name="mxfp8_e4m3", element=FP8_E4M3, block=32)
MXFP8_E5M2 = BlockFormat(name="mxfp8_e5m2", element=FP8_E5M2, block=32)
MXINT8 = BlockFormat(name="mxint8", element=INT8, block=32, unit=2.0**-6)
NVFP4 = BlockFormat(
    name="nvfp4", element=FP4_E2M1, block=16, scale=FP8_E4M3, base="tensor", least=8
)  # 8: 2**-6, normal
INT4_G32, INT4_G64, INT4_G128 = (int4_groups(g) for g in (32, 64, 128))
UINT4_G32, UINT4_G64, UINT4_G128 = (int4_groups(g, symmetric=False) for g in (32, 64, 128))

BLOCK_FORMATS: dict[str, BlockFormat] = {
    f.name: f
    for f in (
        *(MXFP4, MXFP6_E2M3, MXFP6_E3M2, MXFP8_E4M3, MXFP8_E5M2, MXINT8, NVFP4),
        *(INT4_G32, INT4_G64, INT4_G128, UINT4_G32, UINT4_G64, UINT4_G128),
    )
}


def weight_format_named(name: str) -> Format | BlockFormat:
    """The format of weights called `name`, of elements or of blocks."""
    return BLOCK_FORMATS[name] if name in BLOCK_FORMATS else format_named(name)


def block_format_named(name: str) -> BlockFormat:
    """The block format called `name`; ValueError lists the known ones."""
    if name not in BLOCK_FORMATS:
        raise ValueError(f"block format {name!r} is unknown: use one of {', '.join(BLOCK_FORMATS)}")
    return BLOCK_FORMATS[name]
