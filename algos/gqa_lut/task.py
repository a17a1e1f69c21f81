"""What a table is asked for: the function, its codes and targets, and the format of the coefficients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import INT8, Codes, IntFormat, Reals
from hwsim.ops import Pwl
from hwsim.qtensor import QType, quantize
from hwsim.tables import Stored, Table

from .functions import Function, Line, function_named


@dataclass(frozen=True, kw_only=True)
class Task:
    """A function, where it is needed, and the format of the table.

    Args:
        function: see `Function`.
        entries: segments, 2..64.
        scales: inputs are ``q * 2**-n`` for each of these n; one table has breakpoints for each.
        fmt: format of the input codes q, at most 16 bits.
        fraction, bits: fractional bits and width of slopes and intercepts.
        span: reals that the error is taken over.
        shared: one set of slopes and intercepts for all scales (as published), or one a scale.
        out: type of the result, its scale a power of two, where rounding to it counts as error; None: not rounded.
    """

    function: Function
    entries: int = 8
    scales: tuple[int, ...]
    fmt: IntFormat = INT8
    fraction: int
    bits: int
    span: tuple[float, float]
    shared: bool = True
    out: QType | None = None

    @classmethod
    def of(cls, fn: str | Function | Callable[[Reals], Reals], entries: int = 8, **settings: object) -> Task:
        """The task of a named function, a `Function`, or a callable with `span`; None leaves the function's setting."""
        given = {k: v for k, v in settings.items() if v is not None}
        if isinstance(fn, str):
            fn = function_named(fn)
        elif not isinstance(fn, Function):
            if "span" not in given:
                raise ValueError("fit: a callable needs span=(low, high), the interval to fit")
            fn = Function(name=getattr(fn, "__name__", "function"), fn=fn, span=given["span"])
        own = {"scales": fn.scales, "fraction": fn.fraction, "bits": fn.bits, "span": fn.span}
        return cls(function=fn, entries=entries, **{**own, **given})

    def __post_init__(self) -> None:
        """Raise ValueError for tables that cannot be."""
        object.__setattr__(self, "scales", tuple(self.scales))
        limits = {"entries": (2, 64), "fraction": (0, 14), "bits": (2, 16)}
        for what, (low, high) in limits.items():
            value = getattr(self, what)
            if not (isinstance(value, int) and low <= value <= high):
                raise ValueError(f"fit: {what} {value!r} is outside {low}..{high}")
        if not self.scales or len(set(self.scales)) < len(self.scales):
            raise ValueError(f"fit: scales {self.scales} must be one or more different exponents")
        for n in self.scales:
            if not (isinstance(n, int) and 0 <= n <= 14):
                raise ValueError(f"fit: scale exponent {n!r} is outside 0..14; the input's step is 2**-n")
        if not (isinstance(self.fmt, IntFormat) and self.fmt.bits <= 16):
            raise ValueError(f"fit: input format {self.fmt.name} must be an integer format of at most 16 bits")
        if not (np.isfinite(self.span).all() and self.span[0] < self.span[1]):
            raise ValueError(f"fit: span {self.span} must be two finite numbers in order")
        flat = self.made({n: Stored((), (0,), (0,)) for n in self.scales})
        for n in self.scales:
            self._check_targets(n)
            flat.at(n, self.out)  # refuses results that no table has

    def _check_targets(self, n: int) -> None:
        codes = self.codes(n)
        if not codes.size:
            raise ValueError(f"fit: no {self.fmt.name} code at step 2**-{n} is inside {self.span[0]}..{self.span[1]}")
        y = self.targets(n)
        if y.shape != codes.shape or not np.isfinite(y).all():
            bad = codes[~np.isfinite(y)][:1] if y.shape == codes.shape else codes[:1]
            raise ValueError(f"fit: {self.function.name} gives no finite number at {bad[0] * 2.0**-n}")

    def codes(self, n: int) -> Codes:
        """Input codes inside `span` at step ``2**-n``, int64."""
        low = max(int(np.ceil(np.ldexp(self.span[0], n))), self.fmt.min_int)
        return np.arange(low, min(int(np.floor(np.ldexp(self.span[1], n))), self.fmt.max_int) + 1)

    def reals(self, n: int) -> Reals:
        """Their values."""
        return np.ldexp(self.codes(n).astype(np.float64), -n)

    def targets(self, n: int) -> Reals:
        """The function of them."""
        with np.errstate(all="ignore"):
            return np.asarray(self.function.fn(self.reals(n)), np.float64)

    def pins(self, n: int) -> NDArray[np.bool_]:
        """Which of `codes` the table must be exact at: the function says so, and a line of this format passes there."""
        x, y = self.reals(n), self.targets(n) * self.one
        slopes = np.arange(-self.reach, self.reach)
        pinned = np.isin(x, self.function.exact)
        for q in np.flatnonzero(pinned):
            b = y[q] - slopes * x[q]
            pinned[q] = ((b == np.rint(b)) & (b >= -self.reach) & (b < self.reach)).any()
        return pinned

    @property
    def reach(self) -> int:
        """Slopes and intercepts are in ``-reach..reach - 1``."""
        return 1 << (self.bits - 1)

    @property
    def one(self) -> int:
        """1.0 in units of slopes and intercepts."""
        return 1 << self.fraction

    @cached_property
    def tails(self) -> tuple[Line | None, Line | None]:
        """Lines, in stored units, of the first and the last segment where codes lie outside `span` at some scale."""
        return self.tails_at(self.scales)

    def tails_at(self, scales: Sequence[int]) -> tuple[Line | None, Line | None]:
        """The same for some scales."""
        outside = (
            any(self.codes(n)[0] > self.fmt.min_int for n in scales),
            any(self.codes(n)[-1] < self.fmt.max_int for n in scales),
        )
        lines = []
        for needed, line in zip(outside, self.function.tails, strict=True):
            stored = None if line is None else (line[0] * self.one, line[1] * self.one)
            fits = stored is not None and all(-self.reach <= v < self.reach for v in stored)
            lines.append(stored if needed and fits else None)
        return lines[0], lines[1]

    def alone(self, n: int) -> Task:
        """The task of one scale."""
        return replace(self, scales=(n,))

    def made(self, stored: Mapping[int, Stored]) -> Table:
        """What hardware keeps, of some scales."""
        return Table(
            function=self.function.name, fmt=self.fmt, fraction=self.fraction, bits=self.bits, scales=dict(stored)
        )

    def values(self, n: int, table: Pwl) -> Reals:
        """What a table gives, at each of `codes`."""
        source = QType((), self.fmt, 2.0**-n)
        y = table.run((source,), self.codes(n).astype(self.fmt.dtype)).astype(np.float64)
        return (y - table.zero_point) * table.scale

    def errors(self, n: int, table: Pwl) -> Reals:
        """Table minus function, at each of `codes`."""
        return self.values(n, table) - self.targets(n)

    def floor(self, n: int) -> float:
        """The least mean square error of any codes of `out`: those nearest to the function."""
        assert self.out is not None
        y, out = self.targets(n), self.out
        nearest = quantize(y, out.fmt, scale=out.scale, zero_point=out.zero_point).dequantize()
        return float(np.mean((nearest.astype(np.float64) - y) ** 2))
