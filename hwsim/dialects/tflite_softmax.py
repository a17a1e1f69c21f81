"""TFLite's INT8 SOFTMAX in gemmlowp's fixed point: two tables of exp, one reciprocal by Newton's method.

    d = x - max(x)     e = exp(d), Q0     s = sum e, Q12     m = s / 2**floor(log2(s)), half = m / 2
    r = 1 / m: a line, three steps x += x * (1 - half * x)     y = half_away(high_mul(r, e) / 2**(floor(log2(s)) + 4))

LiteRT's reference kernel and TFLM give the same bits; LiteRT's default kernel is a float32 one, which this is not.
TFLM stops the program where the sum of exps reaches 512, so rows of 512 equal codes have no answer there; here they do.
Measured against LiteRT 2.3 and TFLM: tests/hwsim/dialects/test_tflite_softmax.py.
"""

from __future__ import annotations

import numpy as np

from ..blocks.exact import negated
from ..contracts import Pow2, quantize_multiplier
from ..formats import INT8, INT16, INT32, INT64
from ..graph import Graph, Value
from ..ops import Add, Lut, Mul, Normalize, Reduce, Requant, Shift, ShiftBy
from ..ops.shapes import per_tensor
from ..qtensor import QTensor, QType
from ..rounding import Ints
from . import fixed_point
from .fixed_point import NEWTON_START, NEWTON_STEPS
from .rows import below_max

EXP_BITS, SUM_BITS = 5, 12  # integer bits of the argument of exp, and of the sum
OUT = QType((1,), INT8, 2.0**-8, -128)  # the only result that TFLite takes
LONGEST = (1 << SUM_BITS) - 1
SMALL = 1 << 25  # a Newton step corrects by less: the line is at most 1/17 off


def softmax(g: Graph, x: Value, out: QType, *, beta: float = 1.0, name: str) -> Value:
    """Softmax along the last axis.

    Args:
        g: where to add it.
        x: INT8, one scale; up to `LONGEST` codes a row.
        out: INT8 with scale 1/256 and zero point -128 (its shape is not looked at).
        beta: factor of the argument.
        name: of the result; the steps take it as prefix.
    """
    scale, _ = per_tensor("softmax", x.type)
    if x.type.fmt != INT8 or out.reshaped((1,)) != OUT:
        raise ValueError(
            f"softmax {name!r}: {x.type.fmt.name} to {out.fmt.name} scale {out.scale!r} zero_point {out.zero_point}; "
            "TFLite's is INT8 to INT8 with scale 1/256 and zero_point -128"
        )
    keys = x.type.shape[-1]
    if len(x.type.shape) < 2 or not isinstance(keys, int) or keys > LONGEST:
        raise ValueError(
            f"softmax {name!r}: shape {x.type.shape}; need a last axis of at most {LONGEST} besides the batch"
        )
    d = below_max(g, x, name)
    e = exps(scale, beta)
    exp = g.add(_table(e, 2.0**-31), d, name=f"{name}.exp")
    terms = g.add(_table(fixed_point.divide_pot(e, SUM_BITS), 2.0 ** (SUM_BITS - 31)), d, name=f"{name}.terms")
    total = g.add(Reduce(kind="sum", axes=(len(x.type.shape) - 1,), fmt=INT32), terms, name=f"{name}.total")
    _, exponent = g.add_all(Normalize(bits=2), total, names=(f"{name}.leading", f"{name}.exponent"))
    r = _reciprocal(g, total, exponent, name)
    y = _high_mul(g, r, exp, 0, fixed_point.ONE, f"{name}.quotient")
    y = g.add(ShiftBy(bits=SUM_BITS - 8, rounding="half_away", fmt=INT16), y, exponent, name=f"{name}.shifted")
    return g.add(Requant(contract=Pow2(shift=(0,)), fmt=INT8, scale=2.0**-8, zero_point=-128), y, name=name)


def exps(scale: float, beta: float) -> Ints:
    """Exponentials of the differences -255..0 in Q0; 0 where the argument leaves its integer bits."""
    real = min(float(np.float32(beta)) * scale * 2.0 ** (31 - EXP_BITS), 2.0**31 - 1)
    (multiplier,), (shift,) = quantize_multiplier(real)
    d = np.arange(-255, 1, dtype=np.int64)
    inside = d >= -fixed_point.radius(EXP_BITS, shift)
    argument = fixed_point.high_mul(np.where(inside, d, 0) << shift, multiplier)
    return np.where(inside, fixed_point.exp_negative(argument, EXP_BITS), 0)


def _table(entries: Ints, scale: float) -> Lut:
    return Lut(table=tuple(entries.tolist()), fmt=INT32, scale=scale, first=-255)


def _reciprocal(g: Graph, total: Value, exponent: Value, name: str) -> Value:
    """``1 / m`` with ``m = total / 2**exponent`` in 1..2. The limits only tell the proof what mathematics knows."""
    wide = g.add(Shift(bits=-30, fmt=INT64), total, name=f"{name}.wide")
    shifted = g.add(ShiftBy(rounding="floor", fmt=INT64), wide, exponent, name=f"{name}.normal")
    unit = float(shifted.type.lsb)
    limits = {"lo": 1 << 30, "hi": (1 << 31) - 1}
    half = g.add(Requant(contract=Pow2(shift=(0,)), fmt=INT32, scale=unit, **limits), shifted, name=f"{name}.half")
    step = 2.0**-60 / unit  # of x, so that half * x counts in 2**-29
    line = _constant(g, NEWTON_START[1], step * 2.0**-31 / unit, f"{name}.slope")
    x = _high_mul(g, half, line, -(1 << 30), 0, f"{name}.newton0.line")
    x = g.add(Add(fmt=INT32), x, _constant(g, NEWTON_START[0], step, f"{name}.start"), name=f"{name}.newton0")
    one = _constant(g, 1 << 29, 2.0**-29, f"{name}.one")
    for i in range(1, NEWTON_STEPS + 1):
        part = f"{name}.newton{i}"
        product = _high_mul(g, half, x, 0, 1 << 30, f"{part}.product")
        minus = negated(g, product, f"{part}.minus")
        rest = g.add(Add(fmt=INT32), one, minus, name=f"{part}.rest")
        change = _high_mul(g, x, rest, -SMALL, SMALL, f"{part}.change")
        x = g.add(Add(fmt=INT32), x, g.add(Shift(bits=-2), change, name=f"{part}.step"), name=part)
    r = Requant(contract=Pow2(shift=(-1,)), fmt=INT32, scale=step / 2)
    return g.add(r, x, name=f"{name}.reciprocal")


def _high_mul(g: Graph, a: Value, b: Value, lo: int, hi: int, name: str) -> Value:
    """``half_up(a * b / 2**31)``, which lies in lo..hi."""
    product = g.add(Mul(fmt=INT64), a, b, name=f"{name}.exact")
    scale = float(np.ldexp(product.type.lsb, 31))
    contract = Pow2(shift=(31,), rounding="half_up")
    return g.add(Requant(contract=contract, fmt=INT32, scale=scale, lo=lo, hi=hi), product, name=name)


def _constant(g: Graph, value: int, scale: float, name: str) -> Value:
    fmt = INT8 if value == -1 else INT32
    return g.constant(name, QTensor(QType((1,), fmt, scale), np.array([value], fmt.dtype)))
