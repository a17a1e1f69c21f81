"""Functions of one real: GELU by erf or tanh, SiLU, sigmoid ..., however the file composes them.

A composition *is* a function where both agree on a grid from -12 to 12 (float32 constants leave 1e-6; GELU by tanh and
by erf are 5e-4 apart).
"""

from __future__ import annotations

import numpy as np

from hwsim.front_ops import UNARY

from ..onnx_model import Model, Node
from .formula import POINTWISE, evaluate

GRID = np.linspace(-12, 12, 4801)
CLOSE = 1e-5  # of max(1, |y|)
BENT = frozenset((
    "Erf", "Tanh", "Sigmoid", "Exp", "Relu", "Clip", "Max", "Min", "HardSigmoid", "HardSwish", "Gelu", "Swish",
))  # fmt: skip
"""Operators without which nothing is one of the functions."""
FUNCTIONS = {(name, ""): function(GRID) for name, function in UNARY.items() if name != "gelu"} | {
    ("gelu", how): UNARY["gelu"](GRID, how) for how in ("none", "tanh")
}


def function_of_one(model: Model, x: str, inner: list[Node]) -> Node | None:
    """``hwsim.function`` with the front graph's name for it, or None."""
    if not all(n.op in POINTWISE for n in inner) or BENT.isdisjoint(n.op for n in inner):
        return None
    constants = {i: model.constants[i] for n in inner for i in n.ins if i in model.constants}
    if any(c.size != 1 for c in constants.values()) or model.shapes.get(x) != model.shapes.get(inner[-1].outs[0]):
        return None
    y = evaluate(inner, {k: c.reshape(()) for k, c in constants.items()}, x, GRID)
    for (name, how), wanted in FUNCTIONS.items():
        if (np.abs(y - wanted) <= CLOSE * np.maximum(1, np.abs(wanted))).all():
            attrs = {"function": name} | ({"approximate": how} if how else {})
            return Node(op="hwsim.function", ins=(x,), outs=inner[-1].outs, attrs=attrs, where=inner[-1].where)
    return None
