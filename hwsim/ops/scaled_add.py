"""``y = saturate(half_even(fma(a, scale_a, fma(b, scale_b, offset))))``, all in float32: ONNX Runtime's QLinearAdd.

a and b are codes, zero points included: `offset` holds what is left of all three. ``fma(x, f, c)`` is ``x * f + c``
rounded once to float32, as a fused multiply-add of hardware gives it. It is computed in float64, which holds product
and sum exactly: the type rule proves it, so that no second rounding can show.

Source: IEEE 754-2019, 5.4.1 (fusedMultiplyAdd); measured in tests/hwsim/dialects/test_ort_elementwise.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..contracts import TOLERANCE
from ..formats import INT8, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand, format_interval
from ..rounding import Ints
from .shapes import broadcast, per_tensor

MANTISSA = 53  # bits that float64 holds
LARGEST, SMALLEST = 62, -126  # powers of two between which everything stays


@dataclass(frozen=True, kw_only=True)
class ScaledAdd:
    """Sum of two values of different scales in a third one, element by element, broadcasting.

    Args:
        scale_a, scale_b: float32 factors, scale of the operand over that of the result.
        offset: float32, ``zero_point - zero_point_a * scale_a - zero_point_b * scale_b`` as its engine rounds it.
        fmt, scale, zero_point: type of the result.
        lo, hi: saturation limits inside the format (an activation's clamp); None is the format's own.
    """

    scale_a: float
    scale_b: float
    offset: float
    fmt: IntFormat = INT8
    scale: float
    zero_point: int = 0
    lo: int | None = None
    hi: int | None = None
    name: ClassVar[str] = "scaled_add"

    def __post_init__(self) -> None:
        """Raise ValueError for constants that are no float32, or factors that are not positive."""
        for field in ("scale_a", "scale_b", "offset"):
            v = getattr(self, field)
            if not (isinstance(v, float) and np.isfinite(v) and (v > 0 or field == "offset") and _single(v)):
                kind = "finite" if field == "offset" else "positive finite"
                raise ValueError(f"scaled_add: {field} {v!r} is no {kind} float32")

    @property
    def limits(self) -> Interval:
        """Where the result saturates."""
        lo = self.fmt.min_int if self.lo is None else self.lo
        return Interval(lo, self.fmt.max_int if self.hi is None else self.hi)

    def out_type(self, a: QType, b: QType) -> QType:
        """Broadcast shape in the result's type; constants must be those of the scales, and every step exact."""
        limits = self.limits
        if not (self.fmt.min_int <= limits.lo <= limits.hi <= self.fmt.max_int):
            raise ValueError(f"scaled_add: limits {limits.lo}..{limits.hi} are outside {self.fmt.name}")
        out = QType(broadcast("scaled_add", a.shape, b.shape), self.fmt, self.scale, self.zero_point)
        step, _ = per_tensor("scaled_add", out)
        offset, size = float(self.zero_point), abs(float(self.zero_point))
        for field, t in (("scale_a", a), ("scale_b", b)):
            if not isinstance(t.fmt, IntFormat) or t.fmt.bits > 16:
                raise ValueError(f"scaled_add: operand of {t.fmt.name}; takes integers of up to 16 bits")
            scale, zero = per_tensor("scaled_add", t)
            applied, wanted = getattr(self, field), scale / step
            if not abs(applied / wanted - 1) <= TOLERANCE:
                raise ValueError(f"scaled_add: {field} is {applied!r}, the scales say {wanted!r}")
            offset, size = offset - zero * wanted, size + abs(zero * wanted)
        if not abs(self.offset - offset) <= TOLERANCE * (1 + size):
            raise ValueError(f"scaled_add: offset is {self.offset!r}, the zero points say {offset!r}")
        self._check_exact(a, b)
        return out

    def _check_exact(self, a: QType, b: QType) -> None:
        """ValueError unless float64 holds both sums: a whole number of units below ``2**53``.

        The unit is the least bit of all constants; rounding to float32 never makes one that is smaller.
        """
        unit = min(_unit(v) for v in (self.scale_a, self.scale_b, self.offset))
        most = abs(self.offset)
        for t, factor in ((b, self.scale_b), (a, self.scale_a)):
            most = (most + format_interval(t.fmt).magnitude * factor) * (1 + 2.0**-23)
        if not (most < 2.0 ** min(unit + MANTISSA, LARGEST) and unit >= SMALLEST):
            raise ValueError(
                f"scaled_add: float64 does not hold sums of up to {most:.6g} in steps of 2**{unit}, which scale_a "
                f"{self.scale_a!r}, scale_b {self.scale_b!r} and offset {self.offset!r} make; bring the scales closer"
            )

    def reach(self, a: Operand, b: Operand) -> Interval:
        """Rounding keeps order, so the ends of the operands give those of the result."""
        lo, hi = (int(self._codes(np.array(x), np.array(y))) for x, y in zip(a.reach, b.reach, strict=True))
        return Interval(lo, hi)

    def run(self, ins: tuple[QType, ...], a: Codes, b: Codes) -> Codes:
        """The definition."""
        return self._codes(a.astype(np.int64), b.astype(np.int64)).astype(self.fmt.dtype)

    def _codes(self, a: Ints, b: Ints) -> Ints:
        y = fused(a, self.scale_a, fused(b, self.scale_b, np.float32(self.offset)))
        return np.asarray(np.clip(np.rint(y), *self.limits).astype(np.int64))


def fused(x: Ints, factor: float, addend: Any) -> NDArray[np.float32]:
    """``float32(x * factor + addend)``, rounded once where float64 holds the sum."""
    return np.asarray(x.astype(np.float64) * factor + np.asarray(addend, np.float64), np.float32)


def _single(v: float) -> bool:
    with np.errstate(over="ignore"):
        return float(np.float32(v)) == v


def _unit(v: float) -> int:
    """Exponent of the least bit of `v`; that of 0 is any."""
    top, bottom = Fraction(v).as_integer_ratio()
    return LARGEST if not top else (top & -top).bit_length() - bottom.bit_length()
