"""ONNX Runtime's QLinearSoftmax: a table of exp in integers, an exact sum, one quotient in float32.

    e = round(exp((x - max(x) + shift) * s_x)), shift = log((2**32 - 1) // n) / s_x, so that n of them fit 32 bits
    y = half_even(float32(e) * float32(k) / float32(sum e)) + z_y, k = the whole part of 1 / s_y

A DequantizeLinear, Softmax over the last axis, QuantizeLinear becomes this operator in ONNX Runtime as well.
Measured against ONNX Runtime 1.32: tests/hwsim/dialects/test_ort_softmax.py.
"""

from __future__ import annotations

import math

import numpy as np

from ..blocks.exact import exact, narrowest
from ..contracts import Pow2
from ..graph import Graph, Value
from ..ops import FloatDivide, Lut, Reduce, Requant
from ..ops.shapes import per_tensor
from ..qtensor import QType
from ..rounding import Ints
from .ort_elementwise import checked
from .rows import below_max

LARGEST = (1 << 32) - 1


def softmax(g: Graph, x: Value, out: QType, *, name: str) -> Value:
    """Softmax along the last axis.

    Args:
        g: where to add it.
        x: INT8 or UINT8, one scale.
        out: type of the result (its shape is not looked at).
        name: of the result; the steps take it as prefix.
    """
    fmt = checked("softmax", name, x.type, out)
    (scale, _), (step, zero) = per_tensor("softmax", x.type), per_tensor("softmax", out)
    keys = x.type.shape[-1]
    if len(x.type.shape) < 2 or not isinstance(keys, int):
        raise ValueError(f"softmax {name!r}: shape {x.type.shape}; need a last axis besides the batch")
    e = exps(scale, keys)
    top = int(e[-1])
    entries = narrowest(top)
    exp = g.add(
        Lut(table=tuple(e.tolist()), fmt=entries, scale=1.0, first=-255), below_max(g, x, name), name=f"{name}.exp"
    )
    total = exact(g, Reduce(kind="sum", axes=(len(x.type.shape) - 1,)), exp, name=f"{name}.sum")
    # The limits only tell the proof what mathematics knows: the largest of a row is in its sum.
    known = Requant(contract=Pow2(shift=(0,)), fmt=narrowest(top * keys), scale=1.0, lo=top, hi=top * keys)
    total = g.add(known, total, name=f"{name}.total")
    whole = int(np.float32(1) / np.float32(step))
    return g.add(FloatDivide(gain=whole, fmt=fmt, scale=step, zero_point=zero), exp, total, name=name)


def exps(scale: float, keys: int) -> Ints:
    """``round(exp(d * scale) * (LARGEST // keys))`` of the differences d = -255..0, in float64 as the engine has it."""
    s = float(np.float32(scale))
    shift = math.log(LARGEST // keys) / s
    return np.array([math.floor(math.exp((d + shift) * s) + 0.5) for d in range(-255, 1)], np.int64)
