"""TFLite's functions of one INT8 or INT16 value: the engine's own formula over all codes, kept as a table.

    engine              logistic, tanh                           elu, exp, gelu    hard_swish      the others
    tfl_single, LiteRT  float32, rounded half away from zero     float32           int16           tflm_double
    tflm_double, TFLM   gemmlowp's fixed point, 4 integer bits   float32 (elu)     int16           tflm_double

Only TFLM has a kernel of elu to compare with, only LiteRT those of exp, gelu and neg. TFLM's relu6 clamps codes
and does not rescale. Functions are computed in float64 and rounded to float32, as glibc's expf and its like come out.
In INT16 logistic and tanh have one formula for both engines (`tflite_int16`), the others are as in INT8.
Measured against LiteRT 2.3 and TFLM, all codes: tests/hwsim/dialects/test_tflite_functions.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contracts import TflmDouble, quantize_multiplier
from ..formats import INT8, INT16, IntFormat, Reals
from ..graph import Graph, Value
from ..ops import Lut
from ..ops.shapes import per_tensor
from ..qtensor import QType
from ..rounding import Ints, shift_right
from . import fixed_point, tflite_int16

Float32 = NDArray[np.float32]
INTEGER_BITS = 4  # of the argument of gemmlowp's logistic and tanh
FIXED_FUNCTIONS = {"logistic": (fixed_point.logistic, 8, -128), "tanh": (fixed_point.tanh, 7, 0)}  # bits, zero point
ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {  # where they saturate
    **{"NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)},
    **{"RELU_0_TO_1": (0.0, 1.0)},
}
RELUS = tuple(a.lower() for a in ACTIVATIONS if a != "NONE")
FUNCTIONS16 = ("logistic", "tanh", "relu", "relu6", "leaky_relu", "abs", "neg")  # those with INT16 kernels of this form


def _single(fn: Callable[[Reals], Reals]) -> Callable[[Float32], Float32]:
    """`fn` of float32 numbers, rounded to float32."""

    def rounded(x: Float32) -> Float32:
        with np.errstate(over="ignore"):  # what passes float32 is infinity, in C too
            return np.asarray(fn(x.astype(np.float64)), np.float32)

    return rounded


def _logistic(x: Float32) -> Float32:
    one = np.float32(1)
    return np.asarray(one / (one + _single(np.exp)(-x)), np.float32)


def _elu(x: Float32) -> Float32:
    return np.where(x < 0, _single(np.expm1)(x), x)


def _gelu(x: Float32) -> Float32:
    """``x / 2 * erfc(-x / sqrt(2))``."""
    arguments = x * np.float32(-math.sqrt(0.5))
    return np.float32(0.5) * x * np.array([math.erfc(v) for v in arguments.tolist()], np.float32)


def _gelu_tanh(x: Float32) -> Float32:
    """``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x**3)))``."""
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.float32(0.5) * x * (np.float32(1) + _single(np.tanh)(inner))


FLOAT_FUNCTIONS: dict[str, Callable[[Float32], Float32]] = {
    **{"logistic": _logistic, "tanh": _single(np.tanh), "exp": _single(np.exp), "elu": _elu},
    **{"gelu": _gelu, "gelu_tanh": _gelu_tanh},
}
KINDS = (*FLOAT_FUNCTIONS, *RELUS, "hard_swish", "leaky_relu", "abs", "neg")


def unary(g: Graph, kind: str, x: Value, out: QType, contract: str, *, alpha: float = 0.0, name: str) -> Value:
    """One function as a table.

    Args:
        g: where to add it.
        kind: a name of this file's table, in lower case.
        x: INT8 or INT16, one scale.
        out: type of the result in the same format (its shape is not looked at).
        contract: ``tfl_single`` is LiteRT, ``tflm_double`` TFLM.
        alpha: slope of leaky_relu below 0.
        name: of the result.
    """
    fmt = out.fmt
    if (fmt != INT8 and fmt != INT16) or x.type.fmt != fmt:
        raise ValueError(
            f"{kind} {name!r}: {x.type.fmt.name} to {fmt.name}; a table takes INT8 to INT8 or INT16 to INT16"
        )
    (scale, zero), (out_scale, out_zero) = per_tensor(kind, x.type), per_tensor(kind, out)
    codes = table(kind, (scale, zero), (out_scale, out_zero), contract, alpha, fmt)
    entries = tuple(np.clip(codes, fmt.min_int, fmt.max_int).tolist())
    return g.add(Lut(table=entries, fmt=fmt, scale=out_scale, zero_point=out_zero), x, name=name)


def table(
    kind: str, x: tuple[float, int], out: tuple[float, int], contract: str, alpha: float = 0.0, fmt: IntFormat = INT8
) -> Ints:
    """Codes of the result before saturation, for all codes of `fmt`; types as (scale, zero point)."""
    if fmt == INT16:
        _check_int16(kind, x[1], out[1], contract)
    if fmt == INT16 and kind in tflite_int16.KINDS:
        return tflite_int16.table(kind, x[0], out[0])
    q = np.arange(fmt.min_int, fmt.max_int + 1, dtype=np.int64) - x[1]
    real = scale_type(contract)
    ratio = float(real(x[0]) / real(out[0]))
    if kind == "hard_swish":
        return _hard_swish(q, x[0], out[0]) + out[1]
    if kind == "leaky_relu":
        below = float(real(x[0]) * real(alpha) / real(out[0]))
        return np.where(q >= 0, _scaled(q, ratio), _scaled(q, below)) + out[1]
    if kind == "abs":
        return (np.abs(q) if x[0] == out[0] else _scaled(np.abs(q), ratio)) + out[1]
    if kind == "neg" and contract == "tfl_single":  # LiteRT negates the code itself
        if x != out or x[1] != 0:
            raise ValueError(
                f"neg: LiteRT negates codes, which is a negation for one type and zero_point 0, not {x}, {out}"
            )
        return np.where(q == fmt.min_int, q, -q)  # as the format wraps
    if kind == "relu6" and contract == "tflm_double":  # TFLM clamps the input's codes and never rescales
        return np.clip(q + x[1], *clamp(QType((1,), fmt, *x), kind.upper()))
    if kind in RELUS:
        return np.clip(_scaled(q, ratio) + out[1], *clamp(QType((1,), fmt, *out), kind.upper()))
    if kind in FIXED_FUNCTIONS and contract == "tflm_double":
        return _fixed(kind, q, x[0])
    if kind in FLOAT_FUNCTIONS:
        return _float(FLOAT_FUNCTIONS[kind], q, x[0], out)
    raise ValueError(f"{kind}: no {fmt.name.upper()} function under {contract}; known are {', '.join(KINDS)}")


def _check_int16(kind: str, zero: int, out_zero: int, contract: str) -> None:
    if kind not in FUNCTIONS16:
        raise ValueError(f"{kind}: no INT16 function under {contract}; known are {', '.join(FUNCTIONS16)}")
    if zero or out_zero:
        raise ValueError(f"{kind}: INT16 has zero_point 0 in TFLite, not {zero} and {out_zero}")


def scale_type(contract: str) -> type[np.float32] | type[np.float64]:
    """In which LiteRT (float32) and TFLM (float64) multiply and divide the scales of mul, leaky_relu, relu and abs."""
    return np.float32 if contract == "tfl_single" else np.float64


def clamp(out: QType, activation: str) -> tuple[int | None, int | None]:
    """Codes at which a fused activation saturates: ``zero_point + round(limit / scale)``, float32, half away."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation} is not taken: use one of {', '.join(ACTIVATIONS)}")
    scale, zero = per_tensor("activation", out)
    assert isinstance(out.fmt, IntFormat)

    def code(limit: float | None) -> int | None:
        if limit is None:
            return None
        real = float(np.float32(limit) / np.float32(scale))
        return int(np.clip(zero + np.copysign(np.floor(abs(real) + 0.5), real), out.fmt.min_int, out.fmt.max_int))

    low, high = ACTIVATIONS[activation]
    return code(low), code(high)


def _scaled(q: Ints, ratio: float) -> Ints:
    """``tflm_double`` by a float64 ratio."""
    if ratio == 0:
        return q * 0
    (multiplier,), (shift,) = quantize_multiplier(abs(ratio))  # a slope may be negative, which no contract takes
    high = shift_right((q << max(shift, 0)) * (multiplier if ratio > 0 else -multiplier), 31, "half_up")
    return shift_right(high, max(-shift, 0), "half_away")


def _float(fn: Callable[[Float32], Float32], q: Ints, scale: float, out: tuple[float, int]) -> Ints:
    """``half_away(fn(q * scale) * (1 / out_scale)) + out_zero``, all in float32."""
    one = np.float32(1)
    with np.errstate(over="ignore"):
        y = fn(np.float32(scale) * q.astype(np.float32)) * (one / np.float32(out[0]))
    rounded = np.sign(y) * np.floor(np.abs(y.astype(np.float64)) + 0.5)
    return np.asarray(np.clip(rounded, -1e6, 1e6).astype(np.int64) + out[1])


def _fixed(kind: str, q: Ints, scale: float) -> Ints:
    """The function in gemmlowp's fixed point; arguments past its integer bits saturate."""
    fn, bits, zero = FIXED_FUNCTIONS[kind]
    multiplier, shift = quantize_multiplier(scale * 2.0 ** (31 - INTEGER_BITS))
    ends = fixed_point.radius(INTEGER_BITS, shift[0])
    inside = np.clip(q, 1 - ends, ends - 1) if ends else q * 0
    argument = TflmDouble(multiplier=multiplier, shift=shift).apply(inside)
    y = np.clip(fixed_point.divide_pot(fn(argument, INTEGER_BITS), 31 - bits) + zero, -128, 127)
    return np.where(q <= -ends, -128, np.where(q >= ends, 127, y))


def _hard_swish(q: Ints, scale: float, out_scale: float) -> Ints:
    """``x * relu6(x + 3) / 6`` in int16 fixed point, before the zero point.

    Source: TFLite's reference HardSwish: 7 bits below the input's code, multipliers of 16 bits, a product that
    truncates.
    """
    fine = np.float32(scale) * np.float32(1 / 128)
    to_out, out_shift = _multiplier16(fine / np.float32(out_scale))
    to_relu, relu_shift = _multiplier16(fine / np.float32(3 / 32768))
    if out_shift > 0:
        raise ValueError(f"hard_swish: scale {scale!r} over {out_scale!r} is 128 or more, which TFLite refuses")
    x = q << 7
    gate = _int16(x << max(relu_shift - 1, 0))
    gate = shift_right(gate * to_relu, 15, "half_up")
    gate = _int16(gate << 1) if relu_shift > 0 else shift_right(gate, max(-relu_shift, 0), "half_away")
    gate = (gate + (1 << 15)) >> 1
    product = shift_right(gate * shift_right(x * to_out, 15, "half_up"), 15, "toward_zero")
    return shift_right(product, -out_shift, "half_away")


def _multiplier16(ratio: Any) -> tuple[int, int]:
    """A 31-bit multiplier rounded to 16 bits, and its left shift."""
    (m,), (shift,) = quantize_multiplier(float(ratio))
    return min((m + (1 << 15)) >> 16, (1 << 15) - 1), shift


def _int16(x: Ints) -> Ints:
    return np.clip(x, -(1 << 15), (1 << 15) - 1)
