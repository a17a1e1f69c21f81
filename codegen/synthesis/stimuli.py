"""Operands for synthesized units: named distributions, so that a record's energies span what layers show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, FloatFormat, Format, IntFormat

HOLD = 16  # cycles that a held operand stays
SMOOTH = 0.95  # correlation of successive smooth numbers
KINDS = {
    "uniform": "every code alike",
    "normal": "normal, standard deviation 1/4 of the largest number",
    "narrow": "normal, standard deviation 1/16",
    "relu": "the positive half of normal, else 0",
    "smooth": f"normal, successive numbers correlated by {SMOOTH}",
    "held": f"normal, {HOLD} cycles each",
    "zero": "0",
}


def operands(kind: str, fmt: Format, shape: tuple[int, int], rng: np.random.Generator) -> Codes:
    """Codes of a distribution.

    Args:
        kind: one of `KINDS`.
        fmt: of the codes.
        shape: sequences, cycles.
        rng: of the numbers.
    """
    if kind == "uniform":
        if isinstance(fmt, FloatFormat):
            every = np.arange(fmt.min_code, fmt.max_code + 1)
            return rng.choice(every[~fmt.is_reserved(every)], shape)
        return rng.integers(fmt.min_code, fmt.max_code, shape, endpoint=True)
    return _codes(fmt, reals(kind, shape, rng))


def reals(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Numbers of a distribution in units of the largest, unlimited."""
    x = rng.standard_normal(shape) / 4
    match kind:
        case "zero":
            return np.zeros(shape)
        case "narrow":
            return x / 4
        case "relu":
            return np.maximum(x, 0)
        case "held":
            return x[:, np.arange(shape[1]) // HOLD * HOLD]
        case "smooth":
            for i in range(1, shape[1]):
                x[:, i] = SMOOTH * x[:, i - 1] + np.sqrt(1 - SMOOTH**2) * x[:, i]
    return x


def _codes(fmt: Format, x: NDArray[np.float64]) -> Codes:
    """The nearest codes of ``x * largest``; unsigned formats take the magnitude."""
    if isinstance(fmt, IntFormat):
        x = x if fmt.min_int < 0 else np.abs(x)
        return np.clip(np.rint(x * float(fmt.max_int)), float(fmt.min_int), float(fmt.max_int)).astype(np.int64)
    top = float(np.ldexp(float(fmt.max_int), fmt.lsb_exp))
    return fmt.encode(np.clip(x * top, -top, top))
