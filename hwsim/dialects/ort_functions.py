"""What ONNX Runtime makes of one quantized value, element by element: a table over all its codes.

    DequantizeLinear   x = float32(code - z_x) * s_x                      QuantizeLinear   half_even(y / s_y) + z_y

Both in float32, saturated last; between them any function of float32 numbers, evaluated by whoever has its bits:
ONNX Runtime's sigmoid, tanh and their like are approximations of its own. QLinearSigmoid and QLinearLeakyRelu are
tables of the same codes.
Measured against ONNX Runtime 1.32, all codes of 8 and 16 bits: tests/hwsim/dialects/test_ort_functions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..formats import IntFormat
from ..graph import Graph, Value
from ..ops import Concat, Lut
from ..ops.shapes import per_tensor
from ..qtensor import QType
from ..rounding import Ints

Float32 = NDArray[np.float32]
WIDEST = 16  # bits of a table's input


def table(g: Graph, x: Value, out: QType, fn: Callable[[Float32], Float32], *, name: str) -> Value:
    """``quantize(fn(dequantize(x)))``.

    Args:
        g: where to add it.
        x: integers of up to 16 bits, one scale.
        out: integer type of the result (its shape is not looked at).
        fn: from one float32 array of all dequantized codes, in ascending order, to another of its shape.
        name: of the result.
    """
    if not (isinstance(x.type.fmt, IntFormat) and isinstance(out.fmt, IntFormat)) or x.type.fmt.bits > WIDEST:
        raise ValueError(f"table {name!r}: {x.type.fmt.name} to {out.fmt.name}; takes integers of up to {WIDEST} bits")
    reals = dequantized(x.type)
    y = np.asarray(fn(reals), np.float32)
    if y.shape != reals.shape or np.isnan(y).any():
        bad = f"shape {y.shape}" if y.shape != reals.shape else f"NaN at {float(reals[np.isnan(y)][0])!r}"
        raise ValueError(f"table {name!r}: the function gives {bad}; every code must become one number")
    scale, zero = per_tensor("table", out)
    return g.add(Lut(table=tuple(quantized(y, out).tolist()), fmt=out.fmt, scale=scale, zero_point=zero), x, name=name)


def dequantized(t: QType) -> Float32:
    """All codes of a type as DequantizeLinear gives them, the least first."""
    scale, zero = per_tensor("table", t)
    q = np.arange(t.fmt.min_code, t.fmt.max_code + 1) - zero
    return np.asarray(q.astype(np.float32) * np.float32(scale))


def quantized(y: Float32, t: QType) -> Ints:
    """Codes of a type, with one scale or one a channel, as QuantizeLinear gives them."""
    scale, zero = (t.along_axis(v) for v in (np.asarray(t.scale, np.float32), t.zero_point))
    with np.errstate(over="ignore"):  # what passes float32 is infinity, which saturates
        units = np.rint(y / scale).astype(np.float64)
    return np.asarray(np.clip(units + zero, t.fmt.min_code, t.fmt.max_code).astype(np.int64))


def leaky_relu(g: Graph, x: Value, out: QType, *, alpha: float, name: str) -> Value:
    """``x if x >= 0 else alpha * x``; arguments as `table`, `alpha` is taken as float32."""
    return table(g, x, out, lambda r: np.where(r >= 0, r, np.float32(alpha) * r), name=name)


def requantize(g: Graph, x: Value, out: QType, *, name: str) -> Value:
    """DequantizeLinear, then QuantizeLinear: the same reals in another type; arguments as `table`."""
    return table(g, x, out, lambda r: r, name=name)


def concat(g: Graph, parts: Sequence[Value], out: QType, *, axis: int, name: str) -> Value:
    """QLinearConcat: each part in type `out`, side by side; one that has it already is taken as it is."""
    target = (out.fmt, per_tensor("concat", out))
    same = [
        p if (p.type.fmt, per_tensor("concat", p.type)) == target else requantize(g, p, out, name=f"{name}.part{i}")
        for i, p in enumerate(parts)
    ]
    return g.add(Concat(axis=axis), *same, name=name)
