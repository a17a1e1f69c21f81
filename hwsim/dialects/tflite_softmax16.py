"""TFLite's INT16 SOFTMAX: lines between 513 points of exp on -10..0, and of 1 / (1 + x) on 0..1.

    d = x - max(x)     e = exp(d), Q15     s = sum e, m = half_up(s / 2**(floor(log2(s)) - 16)), 1..2 in Q16
    r = 1 / m, Q15     y = half_up(e * r / 2**floor(log2(s))), at most 32767

Both engines round twice; LiteRT makes its points in float64, TFLM in float32, two of which differ.
Measured against LiteRT 2.3 and TFLM: tests/hwsim/dialects/test_tflite_softmax16.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..blocks.exact import negated
from ..contracts import Pow2, TflmDouble
from ..formats import INT16, INT32, INT64, UINT16, Reals
from ..graph import Graph, Value
from ..ops import Add, Lut, Mul, Normalize, Reduce, Requant, Shift, ShiftBy
from ..ops.shapes import per_tensor
from ..qtensor import QTensor, QType
from ..rounding import Ints, shift_right

OUT_SCALE = 2.0**-15
OUT = QType((1,), INT16, OUT_SCALE)  # the only result that TFLite takes
LONGEST = (1 << 15) - 1  # so that the sum fits int32
EXP_STEP = 10.0 / 65535  # of the argument of exp
SEGMENTS, SEGMENT_BITS = 512, 7


def softmax16(g: Graph, x: Value, out: QType, contract: str, *, beta: float = 1.0, name: str) -> Value:
    """Softmax along the last axis.

    Args:
        g: where to add it.
        x: INT16, one scale, zero point 0; up to `LONGEST` codes a row.
        out: INT16 with scale 2**-15 (its shape is not looked at).
        contract: ``tfl_single`` is LiteRT, ``tflm_double`` TFLM.
        beta: factor of the argument.
        name: of the result; the steps take it as prefix.
    """
    scale, zero = per_tensor("softmax", x.type)
    if x.type.fmt != INT16 or zero or out.reshaped((1,)) != OUT:
        raise ValueError(
            f"softmax {name!r}: {x.type.fmt.name} zero_point {zero} to {out.fmt.name} scale {out.scale!r} zero_point "
            f"{out.zero_point}; TFLite's is INT16 to INT16, zero points 0, the result's scale 2**-15"
        )
    keys = x.type.shape[-1]
    if len(x.type.shape) < 2 or not isinstance(keys, int) or keys > LONGEST:
        raise ValueError(
            f"softmax {name!r}: shape {x.type.shape}; need a last axis of at most {LONGEST} besides the batch"
        )
    last = len(x.type.shape) - 1
    e = _exp(g, x, scale, float(np.float32(beta)), contract, name)
    total = g.add(Reduce(kind="sum", axes=(last,), fmt=INT32), e, name=f"{name}.total")
    _, exponent = g.add_all(Normalize(bits=2), total, names=(f"{name}.leading", f"{name}.exponent"))
    r = _reciprocal(g, total, exponent, contract, name)
    product = g.add(Mul(fmt=INT32), e, r, name=f"{name}.product")
    y = g.add(ShiftBy(rounding="half_up", fmt=INT32), product, exponent, name=f"{name}.quotient")
    return g.add(Requant(contract=Pow2(shift=(0,)), fmt=INT16, scale=OUT_SCALE, lo=0), y, name=name)


def _exp(g: Graph, x: Value, scale: float, beta: float, contract: str, name: str) -> Value:
    """Exponentials of ``x - max(x)`` in steps of ``2**-15``; 0 is at code 32767."""
    top = g.add(Reduce(kind="max", axes=(len(x.type.shape) - 1,), fmt=INT16), x, name=f"{name}.max")
    minus = negated(g, top, f"{name}.minus_max")
    d = g.add(Add(fmt=INT32), x, minus, name=f"{name}.below")
    constants = TflmDouble.of(beta * scale / EXP_STEP)
    step = Requant(contract=constants, fmt=INT16, scale=EXP_STEP / beta, zero_point=INT16.max_int)
    entries = lines(np.exp, -10.0, 0.0, contract)
    return g.add(_lut(entries, OUT_SCALE), g.add(step, d, name=f"{name}.argument"), name=f"{name}.exp")


def _reciprocal(g: Graph, total: Value, exponent: Value, contract: str, name: str) -> Value:
    """``2**15 / m`` with ``m = total / 2**exponent`` in 1..2, of which 16 bits below 1 are looked at."""
    wide = g.add(Shift(bits=-30, fmt=INT64), total, name=f"{name}.wide")
    normal = g.add(ShiftBy(rounding="floor", fmt=INT64), wide, exponent, name=f"{name}.normal")
    unit = float(normal.type.lsb)
    one = g.constant(f"{name}.one", QTensor(QType((1,), INT32, unit), np.array([-(1 << 30)], np.int32)))
    above = g.add(Add(fmt=INT64), normal, one, name=f"{name}.above_one")
    cut = Requant(contract=Pow2(shift=(14,)), fmt=UINT16, scale=float(np.ldexp(unit, 14)))
    entries = lines(lambda v: 1 / (1 + v), 0.0, 1.0, contract)
    return g.add(_lut(entries, 1.0), g.add(cut, above, name=f"{name}.mantissa"), name=f"{name}.reciprocal")


def _lut(entries: Ints, scale: float) -> Lut:
    return Lut(table=tuple(entries.tolist()), fmt=INT16, scale=scale)


def lines(fn: Callable[[Reals], Reals], lo: float, hi: float, contract: str) -> Ints:
    """`fn` on lo..hi in steps of ``2**-15`` for all 65,536 places: `SEGMENTS` lines between its `points`."""
    left = points(fn, lo, hi, np.float64 if contract == "tfl_single" else np.float32)
    place = np.arange(1 << 16, dtype=np.int64)
    i, rest = place >> SEGMENT_BITS, place & ((1 << SEGMENT_BITS) - 1)
    return np.asarray(left[i] + shift_right((left[i + 1] - left[i]) * rest, SEGMENT_BITS, "half_up"))


def points(fn: Callable[[Reals], Reals], lo: float, hi: float, real: type[Any]) -> Ints:
    """Ends of the lines; each start is lowered by half of its line's error in the middle.

    Source: TFLite's LUTPopulate for int16, in the engine's `real`, rounding half away.
    """
    one, two, many = real(1 << 15), real(2), np.arange(SEGMENTS + 1).astype(real)
    step = (real(hi) - real(lo)) / real(SEGMENTS)
    start = real(lo) + many[:-1] * step
    ends = (start, start + step / two, real(lo) + many[1:] * step)
    here, middle, after = (fn(e.astype(np.float64)).astype(real) * one for e in ends)
    value = _away(here)
    error = _away((after + value) / two) - _away(middle)
    last = _away(fn(np.array([hi])).astype(real) * one)
    codes = np.concatenate([value - _away(error / two), last])
    return np.asarray(np.clip(codes, INT16.min_int, INT16.max_int).astype(np.int64))


def _away(x: Any) -> Any:
    return np.sign(x) * np.floor(np.abs(x) + x.dtype.type(0.5))
