"""How well formats hold a tensor: SQNR, mean square error and largest error of each, and the bits they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .blockformats import BLOCK_FORMATS, BlockFormat, quantize_blocks, weight_format_named
from .formats import FORMATS, Reals
from .qtensor import quantize

COMPARED = (
    *("int8", "mxint8", "mxfp8_e4m3", "mxfp6_e2m3", "int4", "int4_g32", "uint4_g32", "nvfp4", "mxfp4", "fp4_e2m1"),
    *("int2", "ternary"),
)


@dataclass(frozen=True, kw_only=True)
class FormatError:
    """One format on one tensor.

    Args:
        format: its name.
        bits: an element, its share of the scales included.
        sqnr_db: signal over quantization noise; None where nothing is lost.
        mse: mean square error, in units of the tensor squared.
        max_error: largest error, in units of the tensor.
    """

    format: str
    bits: float
    sqnr_db: float | None
    mse: float
    max_error: float


def compare(x: ArrayLike, formats: Sequence[str] = COMPARED, *, axis: int = -1) -> list[FormatError]:
    """A tensor in each format, rounded half to even, scales from the largest magnitude.

    Args:
        x: finite reals.
        formats: names in `hwsim.FORMATS` (one float scale a row) or `hwsim.BLOCK_FORMATS`.
        axis: along which dot products are taken: blocks lie along it, rows too.

    Raises:
        ValueError: an unknown format, no elements, NaN or Inf.
    """
    x = np.asarray(x, np.float64)
    if x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"compare: shape {x.shape}, {int((~np.isfinite(x)).sum())} elements are NaN or Inf")
    if x.ndim and not -x.ndim <= axis < x.ndim:
        raise ValueError(f"compare: axis {axis} is outside shape {x.shape}")
    rows = np.moveaxis(np.atleast_1d(x), axis, -1)
    rows = rows.reshape(-1, rows.shape[-1])
    return [_row(rows, name) for name in formats]


def _row(rows: Reals, name: str) -> FormatError:
    if name not in FORMATS and name not in BLOCK_FORMATS:
        raise ValueError(f"format {name!r} is unknown: use one of {', '.join([*FORMATS, *BLOCK_FORMATS])}")
    fmt = weight_format_named(name)
    if isinstance(fmt, BlockFormat):
        made = quantize_blocks(rows, fmt, axis=-1).dequantize()
        bits = fmt.element.bits + (fmt.scale.bits + (fmt.zero.bits if fmt.zero else 0)) / fmt.block
    else:
        made, bits = quantize(rows, fmt, axis=0).dequantize(), fmt.bits + 32 / rows.shape[1]
    error = made - rows
    noise, signal = float(np.mean(error**2)), float(np.mean(rows**2))
    sqnr = 10 * float(np.log10(signal / noise)) if noise > 0 and signal > 0 else None
    return FormatError(format=name, bits=bits, sqnr_db=sqnr, mse=noise, max_error=float(np.abs(error).max()))
