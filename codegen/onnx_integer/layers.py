"""Conv, Gemm, MatMul with constant weights or between two values: exact sums, then ONNX Runtime's requantization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from hwsim.blocks.exact import exact
from hwsim.contracts import OnnxFloat, Pow2
from hwsim.dialects.linear import linear, requant
from hwsim.formats import INT16, IntFormat
from hwsim.graph import Value
from hwsim.lowering.layout import NHWC
from hwsim.ops import Conv2d, MatMul
from hwsim.ops.shapes import per_tensor
from hwsim.qtensor import QTensor, QType
from hwsim.rounding import Ints

from .expression import Apply, Held, Number, Steps, Weight
from .reading import LIMITS, Reading, Refused
from .windows import windows


def ratio(x: QType, w: QType, out: QType) -> OnnxFloat:
    """``x.scale * w.scale / out.scale``, the product first, all in float32: as ONNX Runtime computes it."""
    product = np.float32(per_tensor("layer", x)[0]) * np.asarray(w.scale, np.float32)
    return OnnxFloat.of((product / np.float32(per_tensor("layer", out)[0])).astype(np.float64))


def held_and_weight(e: Apply) -> tuple[Held, Weight, Any]:
    """Operands of a layer: a value, constant codes, and the bias or None."""
    x, w, *rest = e.args
    if not isinstance(x, Held) or not isinstance(w, Weight):
        raise Refused(f"{e.node.where}: needs a quantized value and quantized constant weights")
    return x, w, rest[0] if rest else None


def bias_codes(bias: Any, x: QType, w: QType, channels: int) -> Ints | None:
    """The bias in steps of the accumulator; one in float is rounded to them."""
    if bias is None:
        return None
    lsb = per_tensor("layer", x)[0] * np.asarray(w.scale, np.float64)
    if not is_row(bias):
        raise Refused("the bias must be a constant of one number, or one a channel, along the last axis alone")
    if isinstance(bias, Steps):
        codes = bias.codes.reshape(-1)
    elif isinstance(bias, Weight):
        codes, scale = bias.tensor.codes.reshape(-1), np.asarray(bias.tensor.type.scale)
        if bias.tensor.type.fmt.bits < 32 or not np.allclose(scale, lsb, rtol=1e-3, atol=0):
            raise Refused("the bias must be int32 in steps of input scale times weight scale")
    else:
        real = bias.array.reshape(-1).astype(np.float64)
        if not np.isfinite(real).all():
            raise Refused(f"the bias holds {real[~np.isfinite(real)][0]}; weights must be finite")
        codes = np.rint(real / lsb)
    if codes.size not in (1, channels):
        raise Refused(f"a bias of {codes.size} numbers for {channels} channels")
    return np.broadcast_to(codes.astype(np.int64), (channels,)).copy()


def is_row(bias: Any) -> bool:
    """Whether a constant varies along its last axis alone."""
    if isinstance(bias, Weight):
        shape = bias.tensor.codes.shape
    elif isinstance(bias, Number):
        shape = bias.array.shape
    elif isinstance(bias, Steps):
        shape = bias.codes.shape
    else:
        return False
    return all(n == 1 for n in shape[:-1])


def conv(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """Conv of 1 or 2 dimensions, channels-last inside; see `windows` for its padding."""
    x, w, bias = held_and_weight(e)
    codes, t = w.tensor.codes, w.tensor.type
    if codes.ndim not in (3, 4) or len(x.shape) != codes.ndim - 1:
        raise Refused(f"weights {codes.shape} of an input {x.shape}: only 1-D and 2-D convolutions are read")
    if t.axis not in (None, 0):
        raise Refused(f"weights with scales along axis {t.axis}; a convolution takes them along axis 0")
    wide = codes if codes.ndim == 4 else codes[:, :, None, :]
    last = np.ascontiguousarray(wide.transpose(0, 2, 3, 1))
    weight = QTensor(replace(t, shape=last.shape, axis=None if t.axis is None else 0), last)
    image = r.image(x)
    stride, padding, dilation = windows(e.node, (last.shape[1], last.shape[2]), image.type.sample_shape[:2])
    op = Conv2d(
        kernel=(last.shape[1], last.shape[2]), stride=stride, padding=padding, dilation=dilation,
        groups=int(e.node.attrs.get("group", 1)),
    )  # fmt: skip
    start = bias_codes(bias, x.value.type, t, len(codes))
    y = linear(
        r.graph, op, image, weight, start, out, ratio(x.value.type, t, out), lo=limits[0], hi=limits[1], name=name
    )
    height, width, channels = y.type.sample_shape
    return r.held(y, (channels, width) if codes.ndim == 3 else (channels, height, width), NHWC)


def gemm(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """Gemm with constant weights, alpha and beta 1, transB alone."""
    a = e.node.attrs
    if a.get("alpha", 1.0) != 1 or a.get("beta", 1.0) != 1 or a.get("transA", 0):
        raise Refused("Gemm takes alpha = beta = 1 and no transA")
    x, w, bias = held_and_weight(e)
    return product(r, x, turned(w) if a.get("transB", 0) else w, bias, out, limits, name)


def turned(w: Weight) -> Weight:
    """The matrix transposed."""
    t = w.tensor.type
    kind = replace(t, shape=t.shape[::-1], axis=None if t.axis is None else 1 - t.axis)
    return Weight(QTensor(kind, np.ascontiguousarray(w.tensor.codes.T)))


def matmul(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """MatMul with a constant matrix, or of two values with equal leading sizes."""
    x, w, *_ = e.args
    if isinstance(x, Weight | Number):
        raise Refused(f"{e.node.where}: the constant stands first; transpose both sides, so that weights come second")
    if isinstance(x, Held) and isinstance(w, Held):
        return of_values(r, x, w, out, limits, name)
    x, w, bias = held_and_weight(e)
    return product(r, x, w, bias, out, limits, name)


def product(r: Reading, x: Held, w: Weight, bias: Any, out: QType, limits: LIMITS, name: str) -> Held:
    """``x @ w + bias`` with a constant matrix."""
    t = w.tensor.type
    if len(t.shape) != 2 or t.axis not in (None, 1):
        raise Refused(f"weights {t.shape} with scales along axis {t.axis}; needs (k, n), scales along n")
    start = bias_codes(bias, x.value.type, t, int(t.shape[1]))
    contract = ratio(x.value.type, t, out)
    y = linear(r.graph, MatMul(), r.plain(x), w.tensor, start, out, contract, lo=limits[0], hi=limits[1], name=name)
    return r.held(y, y.type.sample_shape)


def of_values(r: Reading, a: Held, b: Held, out: QType, limits: LIMITS, name: str) -> Held:
    """The product of two values; the first loses its zero point before it."""
    left, right = r.plain(a), r.plain(b)
    contract = ratio(left.type, right.type, out)
    if left.type.zero_point:
        left = centred(r, left, f"{name}.left")
    if len(right.type.shape) == 2:
        raise Refused("a product with a matrix that is a value of the batch; give both a leading axis")
    acc = exact(r.graph, MatMul(), left, right, name=f"{name}.acc")
    y = r.graph.add(requant(out, contract, *limits), acc, name=name)
    return r.held(y, y.type.sample_shape)


def centred(r: Reading, x: Value, name: str) -> Value:
    """The same reals without a zero point, exactly."""
    assert isinstance(x.type.fmt, IntFormat)
    if x.type.fmt.bits > 8:
        raise Refused(
            f"{x.name!r} has 16 bits and zero_point {x.type.zero_point}; products of values take zero_point 0"
        )
    t = QType((1,), INT16, x.type.scale)
    return r.graph.add(requant(t, Pow2(shift=(0,))), x, name=name)


def biased(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held | None:
    """Add of a constant to an unquantized MatMul or Gemm: its bias; None where it is no such sum."""
    for layer, bias in (e.args, e.args[::-1]):
        bare = isinstance(layer, Apply) and layer.node.op in ("MatMul", "Gemm") and len(layer.args) < 3
        if bare and is_row(bias):
            assert isinstance(layer, Apply)
            return LAYERS[layer.node.op](r, Apply(layer.node, (*layer.args[:2], bias)), out, limits, name)
    return None


LAYERS: dict[str, Callable[[Reading, Apply, QType, LIMITS, str], Held]] = {"Conv": conv, "Gemm": gemm, "MatMul": matmul}
