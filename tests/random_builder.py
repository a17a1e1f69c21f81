"""A random graph in the making: what every step of `tests.random_graphs` draws from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hwsim.formats import (
    BINARY,
    FP4_E2M1,
    FP6_E2M3,
    FP8_E4M3,
    INT4,
    INT8,
    INT16,
    UINT8,
    Codes,
    Format,
    IntFormat,
)
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QTensor, QType

INPUTS: tuple[Format, ...] = (INT8, INT8, UINT8, INT4, INT16, FP4_E2M1, FP6_E2M3, FP8_E4M3, BINARY)


def random_codes(rng: np.random.Generator, fmt: Format, shape: tuple[int, ...]) -> Codes:
    """Codes that name numbers, with the ends over-represented."""
    if isinstance(fmt, IntFormat):
        x = rng.integers(fmt.min_int, fmt.max_int, shape, endpoint=True)
        ends = rng.choice([fmt.min_int, fmt.max_int], shape)
        return np.where(rng.random(shape) < 0.1, ends, x).astype(fmt.dtype)
    legal = np.array([c for c in range(1 << fmt.bits) if not fmt.is_reserved(np.array(c))], np.uint8)
    return rng.choice(legal, shape)


class Builder:
    """A graph in the making, and the values that may be read next."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph(f"random {seed}")
        rank = int(self.rng.integers(1, 4))
        self.values = []
        for i in range(int(self.rng.integers(1, 3))):
            shape = (BATCH, *(int(d) for d in self.rng.integers(1, 6, rank)))
            fmt = self.pick(INPUTS)
            zero = int(self.rng.integers(-3, 4)) if isinstance(fmt, IntFormat) and fmt.signed else 0
            self.values.append(self.graph.input(f"in{i}", QType(shape, fmt, float(self.rng.uniform(0.01, 1)), zero)))

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def any(self, keep: Callable[[Value], bool] = lambda v: True) -> Value:
        """A recent value that fits; ValueError, which skips the step, where there is none."""
        fits = [v for v in self.values if keep(v) and v.type.axis is None]
        if not fits:
            raise ValueError("nothing fits")
        return fits[-1 - int(self.rng.integers(min(4, len(fits))))]

    def constant(
        self, fmt: Format, shape: tuple[int, ...], scale: float | tuple[float, ...] = 0.5, zero: int = 0
    ) -> Value:
        axis = len(shape) - 1 if isinstance(scale, tuple) else None
        codes = random_codes(self.rng, fmt, shape)
        return self.graph.constant(
            f"c{len(self.graph.constants)}", QTensor(QType(shape, fmt, scale, zero, axis), codes)
        )

    def add(self, op: object, *ins: Value) -> None:
        self.values.extend(self.graph.add_all(op, *ins))
