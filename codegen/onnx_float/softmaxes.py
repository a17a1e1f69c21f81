"""softmax and log-softmax composed of exp, sum and quotient, with or without the maximum taken away first."""

from __future__ import annotations

import numpy as np

from ..onnx_model import Model, Node
from .formula import evaluate
from .norms import reduced_axis

CLOSE = 1e-9  # no constants are in it, so float64 leaves nothing else
EXPONENTIALS = ("Exp", "ReduceLogSumExp")


def softmax(model: Model, x: str, inner: list[Node]) -> Node | None:
    """``Softmax`` or ``LogSoftmax`` over the axis of its reductions, or None."""
    axis = reduced_axis(model, inner)
    if axis is None or not any(n.op in EXPONENTIALS for n in inner):
        return None
    if model.shapes[x] != model.shapes[inner[-1].outs[0]]:
        return None
    z = np.random.default_rng(0).normal(size=model.shapes[x]) * 4
    y = evaluate(inner, model.constants, x, z)
    e = np.exp(z - z.max(axis, keepdims=True))
    p = e / e.sum(axis, keepdims=True)
    for op, wanted in (("Softmax", p), ("LogSoftmax", np.log(p))):
        if y.shape == wanted.shape and np.abs(y - wanted).max() <= CLOSE:
            return Node(op=op, ins=(x,), outs=inner[-1].outs, attrs={"axis": axis}, where=inner[-1].where)
    return None
