"""Graphs through the definition and through the machine: the codes must be equal."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.formats import Codes, Format
from hwsim.graph import Graph, Value
from hwsim.kernels.plan import Plan
from hwsim.kernels.plans import plan_of
from hwsim.qtensor import BATCH, QTensor, QType
from hwsim.simulation import simulate
from tests.compare import assert_same
from tests.random_builder import random_codes

WIDTHS = (1, 2, 15, 16, 17, 64, 65)
"""Around whole vectors and panels."""


def codes(fmt: Format, *shape: int, seed: int = 0) -> Codes:
    """Random codes of a format, its ends among them."""
    return random_codes(np.random.default_rng(seed), fmt, shape)


def given(g: Graph, name: str, fmt: Format, *shape: int, scale: Any = 1.0, zero: int = 0) -> Value:
    """An input, per channel of the last axis where `scale` is a tuple."""
    axis = len(shape) if isinstance(scale, tuple) else None
    return g.input(name, QType((BATCH, *shape), fmt, scale, zero, axis))


def fixed(g: Graph, fmt: Format, *shape: int, scale: float = 1.0, zero: int = 0, seed: int = 1) -> Value:
    """A random constant."""
    tensor = QTensor(QType(shape, fmt, scale, zero), codes(fmt, *shape, seed=seed))
    return g.constant(f"c{len(g.constants)}", tensor)


def plan(g: Graph, *, trace: bool = False) -> Plan:
    """What numba's engine would run."""
    return plan_of(g, trace)


def alone(g: Graph) -> list[str]:
    """Names of the ops that the machine leaves alone."""
    return [s.node.op.name for s in plan(g).steps if s.node is not None]


def check(g: Graph, inputs: dict[str, Codes] | None = None, *, on_machine: bool = True, samples: int = 3) -> None:
    """Fail unless all codes are the definition's: outputs alone, traced, for other batch sizes, on two threads."""
    x = inputs or {v.name: codes(v.type.fmt, samples, *v.type.sample_shape, seed=7) for v in g.inputs}
    want = simulate(g, x, engine="numpy", trace=True)
    n = len(next(iter(x.values())))
    runs = [(n, False, 1), (n, True, 1), (1, False, 1), (n, False, 2), (max(n - 1, 1), True, 1)]
    for count, trace, threads in runs:
        got = simulate(g, {k: v[:count] for k, v in x.items()}, trace=trace, threads=threads)
        for name, y in got.items():
            expected = want[name][:count] if g.known[name].type.batched else want[name]
            assert y.dtype == expected.dtype
            assert_same(expected, y, what=f"{name}, {count} samples, trace {trace}, {threads} threads")
    assert not on_machine or alone(g) == []
