"""``y = saturate(contract(x - zero_point_x) + zero_point)``: from one scale and format to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..contracts import TOLERANCE, Contract, Dyadic16
from ..formats import INT8, Codes, IntFormat
from ..qtensor import QType
from ..ranges import Interval, Operand, zero_points


@dataclass(frozen=True, kw_only=True)
class Requant:
    """Requantization under a named contract (`hwsim.contracts`).

    Args:
        contract: the arithmetic and its constants, for all or per channel of the last axis.
        fmt: format of the result.
        scale: real value of one step of the result, for all or one a channel of the last axis.
        zero_point: code of the result that means 0.
        lo, hi: saturation limits inside the format (an activation's clamp); None is the format's own.
    """

    contract: Contract
    fmt: IntFormat = INT8
    scale: float | tuple[float, ...]
    zero_point: int = 0
    lo: int | None = None
    hi: int | None = None
    name: ClassVar[str] = "requant"

    @classmethod
    def to(
        cls,
        out: QType,
        source: QType,
        contract: type[Contract],
        rounding: str = "half_up",
        lo: int | None = None,
        hi: int | None = None,
    ) -> Requant:
        """From type `source` to the format, scale and zero point of `out`, saturating at `lo` and `hi`."""
        if not (isinstance(out.fmt, IntFormat) and isinstance(out.zero_point, int)):
            raise ValueError(f"requant: target {out.fmt.name} must be an integer format with one zero point")
        made = contract.of(source.lsb / out.lsb, rounding)
        return cls(contract=made, fmt=out.fmt, scale=out.scale, zero_point=out.zero_point, lo=lo, hi=hi)

    @property
    def limits(self) -> Interval:
        """Where the result saturates."""
        lo = self.fmt.min_int if self.lo is None else self.lo
        return Interval(lo, self.fmt.max_int if self.hi is None else self.hi)

    def out_type(self, x: QType) -> QType:
        """`x`'s shape in the new format; the contract must apply the ratio of the scales."""
        limits = self.limits
        if not (self.fmt.min_int <= limits.lo <= limits.hi <= self.fmt.max_int):
            raise ValueError(f"requant: limits {limits.lo}..{limits.hi} are outside {self.fmt.name}")
        if x.axis is not None and x.axis != len(x.shape) - 1:
            raise ValueError(f"requant: input is per channel along axis {x.axis} of {x.shape}, must be its last")
        if self.contract.channels > 1 and (not x.shape or self.contract.channels != x.shape[-1]):
            raise ValueError(
                f"requant: {self.contract.channels} constants for {x.shape}; need 1 or one a last-axis channel"
            )
        many = isinstance(self.scale, tuple)
        out = QType(x.shape, self.fmt, self.scale, self.zero_point, len(x.shape) - 1 if many else None)
        wanted = np.atleast_1d(x.lsb / out.lsb)
        error = np.abs(self.contract.ratio / wanted - 1)
        limit = 2.0**-self.contract.multiplier_bits if isinstance(self.contract, Dyadic16) else TOLERANCE
        if not (error <= limit).all():
            c = int(error.argmax())
            applied, want = (float(np.broadcast_to(a, error.shape)[c]) for a in (self.contract.ratio, wanted))
            raise ValueError(
                f"requant: {self.contract.name} applies {applied!r}, the scales say {want!r} (channel {c})"
            )
        return out

    def reach(self, x: Operand) -> Interval:
        """Saturated; contracts are monotone, so the ends of the input give the ends of the result."""
        zero = zero_points(x.type)
        ends = Interval(x.reach.lo - zero.hi, x.reach.hi - zero.lo)
        if ends.magnitude > self.contract.max_input:
            raise ValueError(
                f"requant: input may reach {ends.lo}..{ends.hi}, {self.contract.name} with these shifts takes "
                f"|x| <= {self.contract.max_input}; use dyadic16 or narrower formats"
            )
        y = [self.contract.apply(np.full(self.contract.channels, e)) + self.zero_point for e in ends]
        return Interval(int(y[0].min()), int(y[1].max())).clip(self.limits)

    def run(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """The definition."""
        y = self.contract.apply(ins[0].fmt.to_int(x) - ins[0].along_axis(ins[0].zero_point)) + self.zero_point
        return np.clip(y, *self.limits).astype(self.fmt.dtype).reshape(x.shape)

    def run_fast(self, ins: tuple[QType, ...], x: Codes) -> Codes:
        """Numba twin of the contract, then the same offset and saturation."""
        y = self.contract.apply_fast(ins[0].fmt.to_int(x) - ins[0].along_axis(ins[0].zero_point)) + self.zero_point
        return np.clip(y, *self.limits).astype(self.fmt.dtype).reshape(x.shape)
