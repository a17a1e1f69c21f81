"""TFLite's CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED and pooling: constants of each engine, then exact ops.

Constants: float32 scales, multiplied in float64, cut to Q31 by `quantize_multiplier`. Convolutions are ``tflm_double``
in LiteRT's reference kernels as in TFLM; FULLY_CONNECTED is ``tfl_single`` in LiteRT's, which multiplies in float64.
Measured against LiteRT 2.3 and TFLM: tests/codegen/tflite/test_linear_fuzz.py.
"""

from __future__ import annotations

from dataclasses import replace
from math import lcm

import numpy as np

from ..contracts import Contract, Dyadic16, Pow2, TflmDouble, TflSingle, quantize_multiplier
from ..formats import INT8, INT16, INT32, UINT8, IntFormat, Reals
from ..graph import Graph, Value
from ..ops import Conv2d, Lut, MatMul, Mul, Pool, Reshape
from ..ops.shapes import per_tensor, same_grid
from ..qtensor import QTensor, QType
from ..rounding import Ints
from .float64_ratio import float64_ratio
from .linear import linear, requant
from .tflite_functions import clamp

LARGEST_COUNT = 1 << 22  # common multiple of the sizes of all windows, for exact ties
Pair = tuple[int, int]


def ratios(x: QType, weight: QType, out: QType) -> Reals:
    """Accumulator step over output step, in float64."""
    product = per_tensor("linear", x)[0] * np.asarray(weight.scale, np.float64)
    return np.asarray(product / per_tensor("linear", out)[0], np.float64)


def of_16_bits(ratio: Reals) -> Dyadic16:
    """16-bit activations: the upper 15 bits of the Q31 multiplier, one rounding half up of the int64 accumulator."""
    multipliers, shifts = quantize_multiplier(ratio)
    upper = tuple(min((m + (1 << 15)) >> 16, (1 << 15) - 1) for m in multipliers)
    return Dyadic16(multiplier=upper, shift=tuple(15 - s for s in shifts), multiplier_bits=15)


def reaches(x: QType, weight: QTensor, bias: Ints | None) -> Ints:
    """Largest |accumulator| of each output of a fully connected layer."""
    assert isinstance(x.fmt, IntFormat)
    zero = per_tensor("linear", x)[1]
    reach = np.abs(weight.to_int()).sum(1) * max(x.fmt.max_int - zero, zero - x.fmt.min_int)
    return np.asarray(reach + (0 if bias is None else np.abs(bias)), np.int64)


def largest_step(out: QType) -> int:
    """Largest |result| before the zero point that is not saturated."""
    assert isinstance(out.fmt, IntFormat)
    zero = per_tensor("linear", out)[1]
    return max(out.fmt.max_int - zero, zero - out.fmt.min_int)


def conv2d(
    g: Graph,
    x: Value,
    weight: QTensor,
    bias: Ints | None,
    out: QType,
    *,
    stride: Pair = (1, 1),
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
    activation: str = "NONE",
    name: str,
) -> Value:
    """CONV_2D and DEPTHWISE_CONV_2D; `weight` is (O, KH, KW, C / groups), other arguments as `Conv2d` and `linear`."""
    kernel = (weight.codes.shape[1], weight.codes.shape[2])
    op = Conv2d(kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups)
    ratio = ratios(x.type, weight.type, out)
    contract: Contract = of_16_bits(ratio) if x.type.fmt == INT16 else TflmDouble.of(ratio)
    lo, hi = clamp(out, activation)
    return linear(g, op, x, weight, bias, out, contract, lo=lo, hi=hi, name=name)


def depthwise_weight(weight: QTensor) -> QTensor:
    """(1, KH, KW, O) as TFLite keeps them -> (O, KH, KW, 1); channel c has outputs c * multiplier + m, as groups do."""
    codes = np.ascontiguousarray(np.moveaxis(weight.codes, 3, 0).transpose(0, 2, 3, 1))
    t = weight.type
    return QTensor(replace(t, shape=codes.shape, axis=None if t.axis is None else 0), codes)


def fully_connected(
    g: Graph,
    x: Value,
    weight: QTensor,
    bias: Ints | None,
    out: QType,
    contract: str,
    *,
    activation: str = "NONE",
    name: str,
) -> Value:
    """FULLY_CONNECTED: `weight` is (units, K), `x` (.., K); `contract` says whose bits, other arguments as `linear`."""
    t = weight.type
    turned = QTensor(replace(t, shape=t.shape[::-1], axis=None if t.axis is None else 1), weight.codes.T.copy())
    ratio = np.atleast_1d(ratios(x.type, t, out))
    made: Contract = of_16_bits(ratio) if x.type.fmt == INT16 else TflmDouble.of(ratio)
    if contract == TflSingle.name:
        if x.type.fmt == INT16:
            raise ValueError(f"fully_connected {name!r}: LiteRT's float64 sums of 16 bits; read it as tflm_double")
        reach = reaches(x.type, weight, bias)
        made = float64_ratio(ratio, reach if ratio.size > 1 else reach.max(keepdims=True), largest_step(out))
    lo, hi = clamp(out, activation)
    return linear(g, MatMul(), x, turned, bias, out, made, lo=lo, hi=hi, name=name)


def max_pool(g: Graph, x: Value, out: QType, op: Pool, *, activation: str = "NONE", name: str) -> Value:
    """MAX_POOL_2D: the largest code, then the activation's clamp."""
    same_grid("max_pool", x.type, out)
    if activation == "NONE":
        return g.add(op, x, name=name)
    return g.add(requant(out, Pow2(shift=(0,)), *clamp(out, activation)), g.add(op, x, name=f"{name}.max"), name=name)


def average_pool(g: Graph, x: Value, out: QType, op: Pool, *, activation: str = "NONE", name: str) -> Value:
    """AVERAGE_POOL_2D: ``half_away(sum of codes / how many)``, padding in neither; ties go by the code's sign.

    Why the multiplier is cut upwards: an exact tie must not fall below itself. Codes lose their zero point first and
    get it back last, by tables, since TFLite rounds codes, not numbers.
    """
    same_grid("average_pool", x.type, out)
    scale, zero = per_tensor("average_pool", x.type)
    if x.type.fmt not in (INT8, UINT8):
        raise ValueError(f"average_pool {name!r}: {x.type.fmt.name}; only INT8 and UINT8 are taken")
    raw = _marked(g, x, scale, 0, f"{name}.raw") if zero else x
    total = g.add(op, raw, name=f"{name}.sum")
    counts = _counts(op, x.type.sample_shape)
    common = lcm(*(int(c) for c in np.unique(counts)))
    if common > LARGEST_COUNT:
        raise ValueError(f"average_pool {name!r}: padded windows of {np.unique(counts).tolist()} codes; pad less")
    if (counts != op.count).any():
        factor = (common // counts)[:, :, None].astype(np.int32)
        kind = QType(factor.shape, INT32, op.count / common)
        factors = g.constant(f"{name}.factor", QTensor(kind, factor))
        total = g.add(Mul(fmt=INT32), total, factors, name=f"{name}.even")
    up = common.bit_length() - 1
    multiplier = -((-1 << (30 + up)) // common)
    if multiplier == 1 << 31:
        multiplier, up = 1 << 30, up - 1
    contract = TflSingle(multiplier=(multiplier,), shift=(1 - up,))
    lo, hi = clamp(out, activation)
    unmarked = QType((1,), x.type.fmt, scale, 0)
    if not zero:
        return g.add(requant(unmarked, contract, lo, hi), total, name=name)
    mean = g.add(requant(unmarked, contract, lo, hi), total, name=f"{name}.mean")
    return _marked(g, mean, scale, zero, name)


def _marked(g: Graph, x: Value, scale: float, zero: int, name: str) -> Value:
    """The same codes under another zero point."""
    fmt = x.type.fmt
    table = tuple(range(fmt.min_code, fmt.max_code + 1))
    return g.add(Lut(table=table, fmt=fmt, scale=scale, zero_point=zero), x, name=name)


def _counts(op: Pool, size: tuple[int, ...]) -> Ints:
    """Codes under each window that lie inside the image, shape (OH, OW)."""
    inside = []
    for axis in (0, 1):
        at = np.arange(op.window.out_size(size)[axis]) * op.stride[axis] - op.padding[axis][0]
        inside.append(np.minimum(at + op.kernel[axis], size[axis]) - np.maximum(at, 0))
    return np.asarray(np.outer(*inside), np.int64)


def flat(g: Graph, x: Value, name: str) -> Value:
    """All axes of a sample as one."""
    return x if len(x.type.shape) == 2 else g.add(Reshape(shape=(x.type.elements,)), x, name=name)
