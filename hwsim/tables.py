"""Piecewise-linear tables as data: the coefficients that hardware keeps, and the one place that makes `Pwl` of them.

With input ``x = q * 2**-n`` and L fractional bits, ``(K * x + B) * 2**-L = (K * q + (B << n)) * 2**-(L + n)``: the
same K and B serve every n, only breakpoints and one shift change. Source: arXiv:2403.19591, eq. 3.

JSON, as GQA-LUT's authors publish theirs: ``{"gelu": {"0": {"breakpoints": [...], "slopes": [...], "intercepts":
[...]}, "1": ...}}``, one object a scale ``2**-n``, in reals. A second key, ``certificate``, tells format, width and
fraction (and how good the table is); other readers do not look at it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .formats import INT32, IntFormat, format_named
from .ops import Pwl
from .qtensor import QType
from .ranges import Interval

COLUMNS = ("breakpoints", "slopes", "intercepts")
CERTIFICATE = "certificate"
FRACTION, BITS = 6, 8  # of the published tables, which do not say


class Stored(NamedTuple):
    """One scale of a table: breakpoints in codes, slopes and intercepts in units of ``2**-fraction``."""

    breakpoints: tuple[int, ...]
    slopes: tuple[int, ...]
    intercepts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a function, ready for hardware.

    Args:
        function: what it is a table of.
        fmt: format of the input codes that it was made for.
        fraction, bits: fractional bits and width of slopes and intercepts.
        scales: n -> the table for inputs ``q * 2**-n``.
    """

    function: str
    fmt: IntFormat
    fraction: int
    bits: int
    scales: Mapping[int, Stored]

    def at(self, n: int, out: QType | None = None) -> Pwl:
        """The op for inputs at step ``2**-n``.

        Args:
            n: one of `scales`.
            out: type of the result, its scale a power of two; without it INT32 at ``2**-(fraction + n)``: exact.

        Raises:
            ValueError: no such scale, a result type that shifts do not reach, or an exact result past 32 bits.
        """
        if n not in self.scales:
            known = ", ".join(map(str, self.scales))
            raise ValueError(f"table of {self.function}: it has no scale 2**-{n}; it has exponents {known}")
        lines = self.scales[n]
        gain, shift, exact = 1, 0, out is None
        if out is None:
            out = QType((), INT32, 2.0 ** -(self.fraction + n))
        elif not (isinstance(out.fmt, IntFormat) and is_power_of_two(out.scale)):
            raise ValueError(
                f"table of {self.function}: result {out.fmt.name} at scale {out.scale} must be an integer at a power "
                "of two"
            )
        else:
            shift = self.fraction + n + exponent_of(out)
            gain, shift = 1 << max(-shift, 0), max(shift, 0)
        assert isinstance(out.fmt, IntFormat)  # checked above
        assert isinstance(out.scale, float)
        assert isinstance(out.zero_point, int)
        table = Pwl(
            breakpoints=lines.breakpoints,
            slopes=tuple(k * gain for k in lines.slopes),
            intercepts=tuple((b << n) * gain for b in lines.intercepts),
            shift=shift,
            fmt=out.fmt,
            scale=out.scale,
            zero_point=out.zero_point,
        )
        acc = table.accumulator(Interval(self.fmt.min_int, self.fmt.max_int))
        if exact and not acc.inside(Interval(INT32.min_int, INT32.max_int)):
            raise ValueError(
                f"table of {self.function}: slope * q + intercept reaches {acc.lo}..{acc.hi}, over 32 bits; "
                "take fewer bits"
            )
        return table

    def __repr__(self) -> str:
        """One line, whatever the number of segments."""
        what = f"{self.segments} segments, {self.bits} bits, inputs {self.fmt.name} at 2**-n, n in {[*self.scales]}"
        return f"Table({self.function}, {what})"

    @property
    def segments(self) -> int:
        """Of each scale."""
        return len(next(iter(self.scales.values())).slopes)

    def to_json(self) -> dict[str, Any]:
        """The published form, plain JSON data; inverse of `from_json`."""
        scales = {}
        for n, lines in self.scales.items():
            units = (2.0**-n, 2.0**-self.fraction, 2.0**-self.fraction)
            scales[str(n)] = {
                name: [v * unit for v in values] for name, unit, values in zip(COLUMNS, units, lines, strict=True)
            }
        form = {"format": self.fmt.name, "fraction": self.fraction, "bits": self.bits}
        return {self.function: scales, CERTIFICATE: form}

    @classmethod
    def from_json(
        cls, document: Any, *, fmt: IntFormat | None = None, fraction: int | None = None, bits: int | None = None
    ) -> Table:
        """The table of a document.

        Args:
            document: the parsed JSON; its first key that is not ``certificate`` names the function.
            fmt: of input codes, where the document does not say or says otherwise; INT8 where neither does.
            fraction: of slopes and intercepts, likewise; 6.
            bits: likewise; 8.

        Raises:
            ValueError: not such a document, or numbers that the format does not hold.
        """
        names = [key for key in document if key != CERTIFICATE] if isinstance(document, Mapping) else []
        if len(names) != 1 or not isinstance(document[names[0]], Mapping) or not document[names[0]]:
            raise ValueError("table: must be one object {function: {scale: {breakpoints, slopes, intercepts}}}")
        told = document.get(CERTIFICATE, {})
        told = told if isinstance(told, Mapping) else {}
        fmt = fmt or integer_format(told.get("format", "int8"))
        fraction = told.get("fraction", FRACTION) if fraction is None else fraction
        bits = told.get("bits", BITS) if bits is None else bits
        if not (type(fraction) is int and type(bits) is int and 0 <= fraction <= 14 and 2 <= bits <= 16):
            raise ValueError(f"table: fraction {fraction!r} must be in 0..14, bits {bits!r} in 2..16")
        scales = {}
        for n, columns in document[names[0]].items():
            exponent = int(n) if str(n).isdecimal() else -1
            if not 0 <= exponent <= 14:
                raise ValueError(f"table: scale {n!r} is outside 0..14; inputs are q * 2**-scale")
            scales[exponent] = stored(exponent, columns, fraction, bits)
        if len({len(lines.slopes) for lines in scales.values()}) > 1:
            raise ValueError(f"table of {names[0]}: its scales differ in their number of segments")
        return cls(function=str(names[0]), fmt=fmt, fraction=fraction, bits=bits, scales=scales)


def read_table(path: str | os.PathLike[str]) -> Table:
    """The table in a JSON file, as ``hwsim fit-lut --json`` writes it."""
    try:
        return Table.from_json(json.loads(Path(path).read_text()))
    except (OSError, ValueError) as e:
        raise ValueError(f"{path}: {e}") from None


def stored(n: int, columns: Any, fraction: int, bits: int) -> Stored:
    """One scale of a document in integers."""
    segments = len(columns["slopes"]) if isinstance(columns, Mapping) and isinstance(columns.get("slopes"), list) else 0
    reach, one = 1 << (bits - 1), 1 << fraction
    found = []
    for name, unit in zip(COLUMNS, (2.0**n, one, one), strict=True):
        wanted = segments - (name == "breakpoints")
        values = columns.get(name) if isinstance(columns, Mapping) else None
        if not isinstance(values, list) or len(values) != wanted or not all(type(v) in (int, float) for v in values):
            raise ValueError(f"table: scale {n} needs {max(wanted, 0)} {name}, all numbers")
        units = np.asarray(values, np.float64) * unit
        off = units != np.rint(units)
        if name != "breakpoints":
            off |= (units < -reach) | (units >= reach)
        if not np.isfinite(units).all() or off.any():
            bad = values[int(np.argmax(off | ~np.isfinite(units)))]
            raise ValueError(
                f"table: scale {n}, {name}: {bad} is no number of {bits} bits, {fraction} of them fractional"
                if name != "breakpoints"
                else f"table: scale {n}, breakpoints: {bad} is no multiple of 2**-{n}"
            )
        found.append(tuple(units.astype(int).tolist()))
    if list(found[0]) != sorted(found[0]):
        raise ValueError(f"table: scale {n}, breakpoints {columns['breakpoints']} are not in order")
    return Stored(*found)


def integer_format(name: Any) -> IntFormat:
    """The integer format called `name`, of at most 16 bits."""
    fmt = format_named(str(name))
    if not isinstance(fmt, IntFormat) or fmt.bits > 16:
        raise ValueError(f"table: format {name!r} must be an integer format of at most 16 bits")
    return fmt


def is_power_of_two(scale: object) -> bool:
    """Whether one scale is a power of two."""
    return isinstance(scale, float) and bool(np.frexp(scale)[0] == 0.5)


def exponent_of(t: QType) -> int:
    """E of a type whose step is ``2**e``."""
    return int(np.frexp(float(t.lsb))[1]) - 1
