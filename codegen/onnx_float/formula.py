"""What a few connected ONNX nodes compute, in float64: `evaluate` is how patterns are told apart from each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.front_ops import erf, gelu, sigmoid

from ..onnx_model import Model, Node

Array = NDArray[Any]
LONGEST = 40  # nodes of one pattern
REAL_CODES = (1, 10, 11, 16)  # ONNX's float, float16, double, bfloat16


def hard_sigmoid(x: Array, alpha: float, beta: float) -> Array:
    """``min(max(alpha * x + beta, 0), 1)``."""
    return np.clip(alpha * x + beta, 0, 1)


def clip(node: Node, x: Array, low: Any = None, high: Any = None) -> Array:
    """``min(max(x, low), high)``."""
    return np.clip(x, -np.inf if low is None else low, np.inf if high is None else high)


def cast(node: Node, x: Array) -> Array:
    """Between reals; NaN where the file rounds to integers, so that nothing is recognised."""
    return x if node.attrs["to"] in REAL_CODES else x * np.nan


POINTWISE: dict[str, Callable[..., Any]] = {
    **{"Add": lambda n, a, b: a + b, "Sub": lambda n, a, b: a - b, "Mul": lambda n, a, b: a * b},
    **{
        "Div": lambda n, a, b: a / b,
        "Pow": lambda n, a, b: a**b,
        "Neg": lambda n, x: -x,
        "Abs": lambda n, x: np.abs(x),
    },
    **{"Sqrt": lambda n, x: np.sqrt(x), "Reciprocal": lambda n, x: 1 / x, "Exp": lambda n, x: np.exp(x)},
    **{
        "Log": lambda n, x: np.log(x),
        "Erf": lambda n, x: erf(np.asarray(x, np.float64, order="C")),
        "Tanh": lambda n, x: np.tanh(x),
    },
    **{"Sigmoid": lambda n, x: sigmoid(x), "Relu": lambda n, x: np.maximum(x, 0), "Clip": clip},
    **{"Max": lambda n, *xs: np.maximum.reduce(np.broadcast_arrays(*xs))},
    **{"Min": lambda n, *xs: np.minimum.reduce(np.broadcast_arrays(*xs))},
    **{"Softplus": lambda n, x: np.logaddexp(0, x), "Identity": lambda n, x: x, "Cast": cast},
    "HardSigmoid": lambda n, x: hard_sigmoid(x, n.attrs.get("alpha", 0.2), n.attrs.get("beta", 0.5)),
    "HardSwish": lambda n, x: x * hard_sigmoid(x, 1 / 6, 0.5),
    "Gelu": lambda n, x: gelu(x, n.attrs.get("approximate", "none")),
    "Swish": lambda n, x: x * sigmoid(n.attrs.get("alpha", 1.0) * x),
}
"""Operators that work number by number; arguments are (node, *inputs)."""


def axes_of(node: Node, rank: int, given: Array | None = None) -> tuple[int, ...]:
    """Axes of a reduction, as an attribute or as an input; all where there are none."""
    found = node.attrs.get("axes", []) if given is None else np.asarray(given).reshape(-1)
    named = tuple(sorted(int(a) % rank for a in found))
    return named if named or node.attrs.get("noop_with_empty_axes") else tuple(range(rank))


def reduced(function: Callable[..., Array]) -> Callable[..., Array]:
    """A reduction by numpy's function of the same name."""

    def run(node: Node, x: Array, axes: Array | None = None) -> Array:
        return function(x, axis=axes_of(node, x.ndim, axes), keepdims=bool(node.attrs.get("keepdims", 1)))

    return run


def reshaped(node: Node, x: Array, shape: Array) -> Array:
    """Reshape, 0 keeping a size."""
    keep = not node.attrs.get("allowzero")
    return x.reshape([x.shape[i] if n == 0 and keep else int(n) for i, n in enumerate(np.asarray(shape))])


def squeezed(node: Node, x: Array, axes: Array | None = None) -> Array:
    """Axes of size 1 dropped."""
    named = node.attrs.get("axes") if axes is None else np.asarray(axes).reshape(-1)
    return np.squeeze(x, None if named is None else tuple(int(a) for a in named))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceMean": reduced(np.mean),
    "ReduceSum": reduced(np.sum),
    "ReduceMax": reduced(np.max),
    "ReduceSumSquare": reduced(lambda x, **kw: np.sum(np.square(x), **kw)),
    "ReduceL2": reduced(lambda x, **kw: np.sqrt(np.sum(np.square(x), **kw))),
    "ReduceLogSumExp": reduced(lambda x, **kw: np.log(np.sum(np.exp(x), **kw))),
}
MOVEMENT: dict[str, Callable[..., Any]] = {
    "Reshape": reshaped,
    "Squeeze": squeezed,
    "Unsqueeze": lambda n, x, axes=None: np.expand_dims(
        x, tuple(int(a) for a in (n.attrs["axes"] if axes is None else axes))
    ),
    "Expand": lambda n, x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(int(s) for s in shape))),
}
FORMULA = POINTWISE | REDUCTIONS | MOVEMENT


def evaluate(nodes: Sequence[Node], constants: Mapping[str, Array], x: str, numbers: Array) -> Array:
    """Result of the last of `nodes`, which read `x` and constants alone; NaN where the formula has no value."""
    env: dict[str, Array] = {x: numbers}
    with np.errstate(all="ignore"):
        for node in nodes:
            ins = [None if not i else env[i] if i in env else wide(constants[i]) for i in node.ins]
            env[node.outs[0]] = FORMULA[node.op](node, *ins)
    return np.asarray(env[nodes[-1].outs[0]], np.float64)


def wide(x: Array) -> Array:
    """Reals in float64, integers as they are."""
    return x.astype(np.float64) if x.dtype.kind == "f" else x


class Regions:
    """Which nodes lie between a value and what is computed of it alone."""

    def __init__(self, model: Model) -> None:
        """Look up makers and readers once."""
        self.model, self.makers, self.readers = model, model.makers(), model.readers()
        self.position = {name: at for at, node in enumerate(model.nodes) for name in node.outs}

    def of(self, end: Node) -> Iterator[tuple[str, list[Node]]]:
        """(x, nodes in order) of every formula of one value x that ends at `end`, smallest first.

        No result inside is read outside, or is an output.
        """
        inner: list[Node] = [end]
        frontier = self.values(end)
        while frontier and len(inner) <= LONGEST and all(n.op in FORMULA for n in inner):
            if len(frontier) == 1 and self.is_closed(inner, end):
                yield next(iter(frontier)), sorted(inner, key=lambda n: self.position[n.outs[0]])
            last = max(frontier, key=lambda name: self.position.get(name, -1))
            if last not in self.makers:
                return
            frontier.remove(last)
            inner.append(self.makers[last])
            frontier |= self.values(self.makers[last])

    def values(self, node: Node) -> set[str]:
        """Inputs that are no constants."""
        return {i for i in node.ins if i and i not in self.model.constants}

    def is_closed(self, inner: list[Node], end: Node) -> bool:
        """Whether only `end` is seen from outside."""
        seen = {o for n in inner if n is not end for o in n.outs}
        own = {n.outs for n in inner}
        return seen.isdisjoint(self.model.outputs) and all(r.outs in own for o in seen for r in self.readers.get(o, []))
