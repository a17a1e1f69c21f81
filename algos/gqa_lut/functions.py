"""The functions that hardware keeps in tables, each with the interval to fit and its lines outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hwsim import front_ops
from hwsim.formats import Reals

Line = tuple[int, int]
ZERO, ONE, IDENTITY = (0, 0), (0, 1), (1, 0)
POWERS = tuple(range(7))


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function of one real.

    Args:
        name: as the user calls it.
        fn: reals to reals, an array at a time.
        span: interval that the error is taken over; codes outside take the first or the last segment.
        tails: (slope, intercept) of the function's line left and right of `span`, None where it has none.
        exact: reals at which a table must give the function exactly, where its format can.
        scales: inputs are ``q * 2**-n`` for each of these n.
        fraction, bits: fractional bits and width of slopes and intercepts that hold this function's.
    """

    name: str
    fn: Callable[[Reals], Reals]
    span: tuple[float, float]
    tails: tuple[Line | None, Line | None] = (None, None)
    exact: tuple[float, ...] = ()
    scales: tuple[int, ...] = POWERS
    fraction: int = 6
    bits: int = 8


def softplus(x: Reals) -> Reals:
    """``log(1 + exp(x))``, without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def hswish(x: Reals) -> Reals:
    """``x * relu6(x + 3) / 6``; in this order, because the published search is sensitive to the last bit."""
    return x * np.clip(x + 3, 0, 6) / 6


def erf(x: Reals) -> Reals:
    """The error function."""
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def mish(x: Reals) -> Reals:
    """``x * tanh(softplus(x))``. Source: arXiv:1908.08681."""
    return x * np.tanh(softplus(x))


def rsqrt(x: Reals) -> Reals:
    """``1 / sqrt(x)``."""
    return 1 / np.sqrt(x)


RELU: dict[str, Any] = {"tails": (ZERO, IDENTITY)}
NORMALIZED: dict[str, Any] = {"scales": (5,), "fraction": 5}  # what feeds them is brought into this interval by shifts
FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function(name="gelu", fn=front_ops.gelu, span=(-4, 4), **RELU),
        Function(name="gelu_tanh", fn=partial(front_ops.gelu, approximate="tanh"), span=(-4, 4), **RELU),
        Function(name="hswish", fn=hswish, span=(-4, 4), **RELU),
        Function(name="silu", fn=front_ops.UNARY["silu"], span=(-8, 8), **RELU),
        Function(name="mish", fn=mish, span=(-8, 8), **RELU),
        Function(name="softplus", fn=softplus, span=(-8, 8), **RELU),
        Function(name="sigmoid", fn=front_ops.sigmoid, span=(-8, 8), tails=(ZERO, ONE)),
        Function(name="hsigmoid", fn=front_ops.UNARY["hardsigmoid"], span=(-4, 4), tails=(ZERO, ONE)),
        Function(name="tanh", fn=np.tanh, span=(-4, 4), tails=((0, -1), ONE)),
        Function(name="erf", fn=erf, span=(-4, 4), tails=((0, -1), ONE)),
        Function(name="exp", fn=np.exp, span=(-8, 0), tails=(ZERO, None), exact=(0.0,)),  # softmax sums >= 1
        Function(name="reciprocal", fn=np.reciprocal, span=(0.5, 4), **NORMALIZED),
        Function(name="rsqrt", fn=rsqrt, span=(0.25, 4), **NORMALIZED),
        Function(name="log", fn=np.log, span=(0.5, 4), **NORMALIZED),
        Function(name="sin", fn=np.sin, span=(-math.pi, math.pi), fraction=5),
        Function(name="cos", fn=np.cos, span=(-math.pi, math.pi), fraction=5),
    )
}


def function_named(name: str) -> Function:
    """The function called `name`; ValueError lists the known ones."""
    if name not in FUNCTIONS:
        raise ValueError(f"function {name!r} is unknown: use one of {', '.join(FUNCTIONS)}, or give a callable")
    return FUNCTIONS[name]
