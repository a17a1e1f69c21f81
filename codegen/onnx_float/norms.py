"""LayerNorm and RMSNorm, however the file composes them, with weight and bias.

A composition *is* a norm over an axis where, on random samples of many sizes, its result is ``weight * u + bias`` with
``u`` the normalised sample: weight and bias come out of that fit, and are the file's own constants where those fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..onnx_model import Model, Node
from .formula import REDUCTIONS, axes_of, evaluate

Array = NDArray[np.float64]
SAMPLES = 8
CLOSE = 1e-6  # of the largest result; the file's constants are float32
ROOTS = ("Sqrt", "Pow")
LARGEST_EPS = 0.1


def norm(model: Model, x: str, inner: list[Node]) -> Node | None:
    """``hwsim.norm`` with axis, eps, weight and bias, or None."""
    ops = {n.op for n in inner}
    axis = reduced_axis(model, inner)
    if ops.isdisjoint(ROOTS) or axis is None or model.shapes[x] != model.shapes[inner[-1].outs[0]]:
        return None
    samples, results = probes(model, x, inner)
    if not np.isfinite(results).all():
        return None
    for centred in (True, False):
        for eps in epsilons(model, inner):
            u = normalised(samples, axis, eps, centred=centred)
            if fitted := affine(u, results, axis):
                weight, bias = (own(model, inner, numbers) for numbers in fitted)
                attrs = {"axis": axis, "eps": eps, "centred": centred, "weight": weight, "bias": bias}
                return Node(op="hwsim.norm", ins=(x,), outs=inner[-1].outs, attrs=attrs, where=inner[-1].where)
    return None


def reduced_axis(model: Model, inner: list[Node]) -> int | None:
    """The one axis that all reductions work on, not the batch."""
    found = set()
    for n in inner:
        if n.op in REDUCTIONS:
            given = model.constants.get(n.ins[1]) if len(n.ins) > 1 else None
            found.add(axes_of(n, len(model.shapes[n.ins[0]]), given))
    one = next(iter(found)) if len(found) == 1 else ()
    return one[0] if len(one) == 1 and one[0] != 0 else None


def probes(model: Model, x: str, inner: list[Node]) -> tuple[Array, Array]:
    """Random samples, from small ones that eps rules to large ones, and the formula's results."""
    rng, shape = np.random.default_rng(0), model.shapes[x]
    samples, results = [], []
    for _ in range(-(-SAMPLES // shape[0])):
        size = 10.0 ** rng.uniform(-3, 1, (shape[0], *[1] * (len(shape) - 1)))
        samples.append(size * (rng.normal(size=shape) + rng.normal(size=size.shape)))
        results.append(evaluate(inner, model.constants, x, samples[-1]))
    return np.concatenate(samples), np.concatenate(results)


def epsilons(model: Model, inner: list[Node]) -> list[float]:
    """Small constants of the formula, and none at all."""
    numbers = {
        float(c.reshape(())) for n in inner for i in n.ins if (c := model.constants.get(i)) is not None and c.size == 1
    }
    return [*sorted(c for c in numbers if 0 < c < LARGEST_EPS), 0.0]


def normalised(x: Array, axis: int, eps: float, *, centred: bool) -> Array:
    """``x / sqrt(mean(x ** 2) + eps)``, of ``x - mean(x)`` where centred."""
    z = x - x.mean(axis, keepdims=True) if centred else x
    return z / np.sqrt(np.square(z).mean(axis, keepdims=True) + eps)


def affine(u: Array, y: Array, axis: int) -> tuple[Array, Array] | None:
    """Weight and bias along `axis` with ``y = weight * u + bias``, or None where there are none."""
    mean_u, mean_y = u.mean(0), y.mean(0)
    weight = ((u - mean_u) * (y - mean_y)).sum(0) / np.maximum(np.square(u - mean_u).sum(0), np.finfo(float).tiny)
    bias = mean_y - weight * mean_u
    w, b = (np.moveaxis(a, axis - 1, -1).reshape(-1, a.shape[axis - 1]).mean(0) for a in (weight, bias))
    shape = [-1 if a == axis - 1 else 1 for a in range(u.ndim - 1)]
    same = np.abs(w.reshape(shape) * u + b.reshape(shape) - y).max() <= CLOSE * max(np.abs(y).max(), 1e-30)
    return (w, b) if same else None


def own(model: Model, inner: list[Node], fitted: Array) -> NDArray[np.float32]:
    """The file's constant where one is as good as the fit; else the fit, 0 where it is no more than noise."""
    close = 10 * CLOSE * max(1.0, float(np.abs(fitted).max()))
    for n in inner:
        for c in (model.constants[i] for i in n.ins if i in model.constants):
            if c.size == fitted.size and c.dtype.kind == "f" and np.abs(c.reshape(-1) - fitted).max() <= close:
                return c.reshape(-1).astype(np.float32)
    ideal = np.rint(fitted)
    return np.where(np.abs(fitted - ideal) <= close, ideal, fitted).astype(np.float32)
