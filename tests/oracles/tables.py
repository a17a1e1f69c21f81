"""A fitted table by its published reals alone: Python's fractions, no code under test."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from .exact import ROUND


def table_value(document: Mapping[str, Any], n: int, code: int) -> Fraction:
    """``slope * x + intercept`` at ``x = code * 2**-n``; a tie goes to the right segment."""
    (columns,) = (v for k, v in document.items() if k != "certificate")
    scale, x = columns[str(n)], Fraction(code, 2**n)
    i = sum(Fraction(p) <= x for p in scale["breakpoints"])
    return Fraction(scale["slopes"][i]) * x + Fraction(scale["intercepts"][i])


def finest(document: Mapping[str, Any]) -> int:
    """The largest exponent n that a table has."""
    return max(int(n) for k, v in document.items() if k != "certificate" for n in v)


def table_code(document: Mapping[str, Any], n: int, code: int, fraction: int, top: int = 65535) -> int:
    """The value with `fraction` fractional bits, rounded half up, unsigned and saturated."""
    return min(max(ROUND["half_up"](table_value(document, n, code) * 2**fraction), 0), top)
