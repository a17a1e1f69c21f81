"""A quantized tensor and its type.

Invariant: ``real = scale * 2**fmt.lsb_exp * (fmt.to_int(codes) - zero_point)``; one code an element, never packed
(packing is `codegen/pack.py`'s business).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .formats import Codes, FloatFormat, Format, IntFormat, Reals
from .rounding import Ints

BATCH = "N"  # the one symbolic axis: the batch, always outermost
Shape = tuple[int | str, ...]
MOST_GAIN = 30  # bits between the smallest and the largest step of channels that share a datapath


@dataclass(frozen=True)
class QType:
    """Shape, format, scale and zero point of one value.

    Args:
        shape: sizes; the first may be `BATCH`, any number of samples.
        fmt: number format of the codes.
        scale: one positive float, or one a channel along `axis`.
        zero_point: the code that means 0, one integer or one a channel; integer formats only.
        axis: channel axis where `scale` or `zero_point` is a tuple.
    """

    shape: Shape
    fmt: Format
    scale: float | tuple[float, ...] = 1.0
    zero_point: int | tuple[int, ...] = 0
    axis: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for shapes, scales and zero points that mean nothing.

        Scales and zero points of numpy become Python's own: whoever writes them down prints a number.
        """
        object.__setattr__(self, "scale", _plain(self.scale, float))
        object.__setattr__(self, "zero_point", _plain(self.zero_point, int))
        for i, d in enumerate(self.shape):
            if not (i == 0 if d == BATCH else isinstance(d, int) and d >= 1):
                raise ValueError(f"shape {self.shape}: sizes must be >= 1, with {BATCH!r} only outermost")
        if not (np.isfinite(self.scale) & (np.asarray(self.scale) > 0)).all():
            raise ValueError(f"scale {_short(self.scale)} must be finite and > 0")
        zero = np.asarray(self.zero_point)
        if isinstance(self.fmt, FloatFormat) and zero.any():
            raise ValueError(f"zero_point {_short(self.zero_point)}: {self.fmt.name} has none, use 0")
        if zero.any() and not ((zero >= self.fmt.min_int) & (zero <= self.fmt.max_int)).all():
            raise ValueError(f"zero_point {_short(self.zero_point)} is outside {self.fmt.name}")
        self._check_axis()

    def _check_axis(self) -> None:
        tuples = [t for t in (self.scale, self.zero_point) if isinstance(t, tuple)]
        if bool(tuples) != (self.axis is not None):
            raise ValueError(f"axis {self.axis}: give axis with per-channel scale or zero_point, and only then")
        if self.axis is not None:
            if not 0 <= self.axis < len(self.shape):
                raise ValueError(f"axis {self.axis} is outside shape {self.shape}")
            if any(len(t) != self.shape[self.axis] for t in tuples):
                raise ValueError(
                    f"axis {self.axis} of shape {self.shape} needs {self.shape[self.axis]} scales / zero points, "
                    f"got {' and '.join(str(len(t)) for t in tuples)}"
                )

    def __repr__(self) -> str:
        """One line, whatever the number of channels."""
        zero = f", zero_point={_ends(self.zero_point)}" if np.any(self.zero_point) else ""
        axis = "" if self.axis is None else f", axis={self.axis}"
        return f"QType({self.shape}, {self.fmt.name}, scale={_ends(self.scale)}{zero}{axis})"

    def _repr_html_(self) -> str:
        from .reports.tensor_html import type_html

        return type_html(self)

    @cached_property
    def batched(self) -> bool:
        """Whether the outermost axis is the batch."""
        return self.shape[:1] == (BATCH,)

    @cached_property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape without the batch axis."""
        return tuple(int(d) for d in self.shape[self.batched :])

    @property
    def elements(self) -> int:
        """Number of elements of one sample."""
        return prod(self.sample_shape)

    @property
    def lsb(self) -> Reals:
        """Real value of one integer step, shape () or (channels,)."""
        return np.ldexp(np.asarray(self.scale, np.float64), self.fmt.lsb_exp)

    @property
    def gains(self) -> Ints:
        """Each step over the smallest, int64 of shape () or (channels,); ValueError unless all are powers of two.

        Why: such channels share one datapath, where a step is a shift. Source: arXiv:2310.16836, eq. 15, pre-shifted
        exponent biases.
        """
        mantissa, exponent = np.frexp(np.asarray(self.scale, np.float64))
        if (mantissa != mantissa.reshape(-1)[0]).any() or (spread := int(exponent.max() - exponent.min())) > MOST_GAIN:
            raise ValueError(
                f"scales {_short(self.scale)} along axis {self.axis} must be powers of two apart, <= 2**{MOST_GAIN}"
            )
        return np.left_shift(np.int64(1), exponent - exponent.min() if spread else 0 * exponent)

    def along_axis(self, per_channel: ArrayLike) -> Codes:
        """`per_channel` (scalar, or one a channel) shaped to broadcast against this type's codes."""
        a = np.asarray(per_channel)
        if a.ndim == 0 or self.axis is None:
            return a
        return a.reshape([-1 if i == self.axis else 1 for i in range(len(self.shape))])

    def reshaped(self, shape: Shape) -> QType:
        """The same type with another shape."""
        return replace(self, shape=shape)


@dataclass(frozen=True, eq=False)
class QTensor:
    """Codes and their type; see the module's invariant."""

    type: QType
    codes: Codes

    def __post_init__(self) -> None:
        """Raise ValueError unless codes have the type's shape and container and all name numbers."""
        if self.codes.shape[self.type.batched :] != self.type.sample_shape:
            raise ValueError(f"codes have shape {self.codes.shape}, their type says {self.type.shape}")
        if self.codes.dtype != self.type.fmt.dtype:
            raise ValueError(f"codes are {self.codes.dtype}, {self.type.fmt.name} is kept in {self.type.fmt.dtype}")
        check_codes(self.codes, self.type.fmt)

    def __repr__(self) -> str:
        """One line, whatever its size."""
        codes = f"codes {self.codes.min()}..{self.codes.max()}" if self.codes.size else "no codes"
        return f"QTensor({self.type!r}, {codes})"

    def _repr_html_(self) -> str:
        from .reports.tensor_html import tensor_html

        return tensor_html(self)

    def to_int(self) -> Ints:
        """Integers on the format's grid, less the zero point, int64."""
        return np.asarray(self.type.fmt.to_int(self.codes) - self.type.along_axis(self.type.zero_point), np.int64)

    def narrow(self) -> Codes:
        """`to_int` in narrow integers, whatever holds it: the codes themselves where these are the numbers."""
        fmt = self.type.fmt
        if isinstance(fmt, FloatFormat):
            return fmt.grid.astype(np.min_scalar_type(fmt.min_int - 1))[self.codes]
        return self.to_int() if np.any(self.type.zero_point) else self.codes

    def dequantize(self) -> Reals:
        """Reals, float64."""
        return np.asarray(self.to_int() * self.type.along_axis(self.type.lsb), np.float64)


def holds_codes_alone(dtype: np.dtype[Any], fmt: Format) -> bool:
    """Whether every number of `dtype` is a code of `fmt`, in its own container."""
    return isinstance(fmt, IntFormat) and fmt.bits == 8 * dtype.itemsize and dtype == fmt.dtype and not fmt.narrow


def check_codes(codes: Codes, fmt: Format, what: str = "codes") -> None:
    """Raise ValueError, naming the first culprit, unless every code names a number of `fmt`."""
    if holds_codes_alone(codes.dtype, fmt):
        return
    if not isinstance(fmt, FloatFormat) and codes.size and fmt.min_code <= codes.min() and codes.max() <= fmt.max_code:
        return  # Why first: no array of bools
    bad = (codes < fmt.min_code) | (codes > fmt.max_code)
    if isinstance(fmt, FloatFormat):
        bad = bad | fmt.is_reserved(codes)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{what}: {int(codes[at])} at index {at} is no number of {fmt.name} ({int(bad.sum())} such)")


def quantize(
    x: ArrayLike,
    fmt: Format,
    *,
    scale: float | Sequence[float] | None = None,
    zero_point: int | Sequence[int] = 0,
    axis: int | None = None,
    rounding: str = "half_even",
    rng: np.random.Generator | None = None,
) -> QTensor:
    """``codes = saturate(round(x / scale) + zero_point)``, as ONNX's QuantizeLinear orders it.

    Args:
        x: reals, any shape, finite.
        fmt: format of the codes.
        scale: real value of 1.0 on the format's grid, or one a channel; None takes the smallest symmetric
            scale that holds `x` (per channel if `axis` is given).
        zero_point: the code that means 0, or one a channel.
        axis: channel axis.
        rounding: see `hwsim.rounding`; the default is what torch and ONNX do.
        rng: random generator for ``stochastic``.

    Returns:
        QTensor whose shape has no batch axis.

    Raises:
        ValueError: NaN or Inf in `x`, or a scale / zero point / axis that does not fit.
    """
    x = np.asarray(x, np.float64)
    if not np.isfinite(x).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise ValueError(f"quantize: {x[at]} at index {at}; only finite numbers can be quantized")
    if axis is not None and -x.ndim <= axis < 0:
        axis += x.ndim
    if scale is None:
        scale = symmetric_scale(x, fmt, axis)
    t = QType(x.shape, fmt, _plain(scale, float), _plain(zero_point, int), axis)
    return QTensor(t, encode(x, t, rounding, rng))


def encode(x: Reals, t: QType, rounding: str = "half_even", rng: np.random.Generator | None = None) -> Codes:
    """Codes of the reals `x` in type `t`; see `quantize`."""
    with np.errstate(over="ignore"):  # what passes float64 saturates
        units = x / t.along_axis(t.scale)
    if isinstance(t.fmt, FloatFormat) or not np.any(t.zero_point):
        return t.fmt.encode(units, rounding, rng)
    # Why two steps: ONNX rounds, adds the zero point, then saturates; adding before rounding moves ties.
    wide = IntFormat("wide", 63).encode(units, rounding, rng)
    shifted = wide + t.along_axis(t.zero_point)
    return np.clip(shifted, t.fmt.min_int, t.fmt.max_int).astype(t.fmt.dtype)


def symmetric_scale(x: Reals, fmt: Format, axis: int | None = None) -> float | tuple[float, ...]:
    """``max|x| / max value of fmt``, per tensor or per channel along `axis`; 1.0 where all is zero."""
    others = None if axis is None else tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    top = np.abs(x).max(axis=others, initial=0.0) / np.ldexp(float(fmt.max_int), fmt.lsb_exp)
    return _plain(np.where(top > 0, top, 1.0), float)


def _plain(v: ArrayLike, kind: type) -> Any:
    if isinstance(v, tuple) and all(type(e) is kind for e in v):
        return v
    a = np.asarray(v)
    if a.ndim > 1 or (kind is int and (a != np.rint(a)).any()):
        raise ValueError(f"quantize: scale or zero_point {_short(v)} must be one {kind.__name__} or one a channel")
    return kind(a) if a.ndim == 0 else tuple(kind(e) for e in a)


def _ends(v: float | tuple[float, ...]) -> str:
    """A number, or the smallest and largest of several."""
    return f"{min(v):.6g}..{max(v):.6g} ({len(v)} channels)" if isinstance(v, tuple) else repr(v)


def _short(v: object) -> str:
    text = " ".join(repr(v).split())
    return text if len(text) <= 60 else text[:57] + "..."
