"""How well formats hold a tensor: SQNR, mean square error and largest error of each, and the bits they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

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


class FormatErrors(list[FormatError]):
    """One tensor in each format; a list that shows itself as a table, in a notebook with bars."""

    def __str__(self) -> str:
        """The terminal's table."""
        return str(TensorErrors({"": self}))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return TensorErrors({"": self})._repr_html_()


class TensorErrors(dict[str, FormatErrors]):
    """Several tensors by name; a dict that shows itself as a table, in a notebook with bars."""

    def __str__(self) -> str:
        """The terminal's table."""
        from .reports.comparison_html import tensors_sheets

        return "\n".join(map(str, tensors_sheets(self)))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from .reports.comparison_html import tensors_html

        return tensors_html(self)


@overload
def compare(x: Mapping[str, ArrayLike], formats: Sequence[str] = COMPARED, *, axis: int = -1) -> TensorErrors: ...
@overload
def compare(x: ArrayLike, formats: Sequence[str] = COMPARED, *, axis: int = -1) -> FormatErrors: ...


def compare(
    x: ArrayLike | Mapping[str, ArrayLike], formats: Sequence[str] = COMPARED, *, axis: int = -1
) -> FormatErrors | TensorErrors:
    """A tensor, or each of several, in each format, rounded half to even, scales from the largest magnitude.

    Args:
        x: finite reals, or arrays by name.
        formats: names in `hwsim.FORMATS` (one float scale a row) or `hwsim.BLOCK_FORMATS`.
        axis: along which dot products are taken: blocks lie along it, rows too.

    Returns:
        A row a format, for each name where `x` has names; a notebook shows table and bars, ``print`` the table,
        `hwsim.plot.compare` draws it.

    Raises:
        ValueError: an unknown format, no elements, NaN or Inf.
    """
    if isinstance(x, Mapping):
        return TensorErrors({str(name): _compare(np.asarray(v), formats, axis) for name, v in x.items()})
    return _compare(x, formats, axis)


def _compare(x: ArrayLike, formats: Sequence[str], axis: int) -> FormatErrors:
    x = np.asarray(x, np.float64)
    if x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"compare: shape {x.shape}, {int((~np.isfinite(x)).sum())} elements are NaN or Inf")
    if x.ndim and not -x.ndim <= axis < x.ndim:
        raise ValueError(f"compare: axis {axis} is outside shape {x.shape}")
    rows = np.moveaxis(np.atleast_1d(x), axis, -1)
    rows = rows.reshape(-1, rows.shape[-1])
    return FormatErrors(_row(rows, name) for name in formats)


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
