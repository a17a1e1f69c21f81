"""Add, Mul and Concat of quantized values, as ONNX Runtime's QLinear operators compute them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwsim.dialects import ort_elementwise
from hwsim.graph import Value
from hwsim.lowering.layout import NHWC, PLAIN, nhwc_axis
from hwsim.ops import Concat
from hwsim.qtensor import QTensor, QType

from .expression import Apply, Held, Weight
from .layers import biased
from .reading import LIMITS, Reading, Refused, same_grid
from .tables import table


def add(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """QLinearAdd, or the bias of a matrix product."""
    if (layer := biased(r, e, out, limits, name)) is not None:
        return layer
    return _binary(r, e, out, limits, name, ort_elementwise.add)


def mul(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """QLinearMul."""
    return _binary(r, e, out, limits, name, ort_elementwise.mul)


def _binary(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str, make: Callable[..., Value]) -> Held:
    sides = list(e.args)
    if len(sides) != 2 or not all(isinstance(s, Held | Weight) for s in sides):
        raise Refused(f"{e.node.op} of reals that are not quantized; quantize each operand")
    held = [s for s in sides if isinstance(s, Held)]
    if not held:
        raise Refused(f"{e.node.op} of constants")
    shape = np.broadcast_shapes(*(s.shape for s in held))
    channels_last = all(s.layout == NHWC and s.shape == shape for s in held) and len(shape) == 3
    values = [_operand(r, s, name, i, channels_last) for i, s in enumerate(sides)]
    y = make(r.graph, *values, out, lo=limits[0], hi=limits[1], name=name)
    if not channels_last:
        return r.held(y, y.type.sample_shape)
    height, width, channels = y.type.sample_shape
    return r.held(y, (channels, height, width), NHWC)


def _operand(r: Reading, side: object, name: str, i: int, channels_last: bool) -> Value:
    if isinstance(side, Held):
        return side.value if channels_last else r.plain(side)
    assert isinstance(side, Weight)
    codes, t = side.tensor.codes, side.tensor.type
    if codes.ndim and codes.shape[0] == 1 and codes.ndim > 3:
        codes = codes[0]
    if channels_last and codes.ndim:
        codes = codes.reshape((1,) * (3 - codes.ndim) + codes.shape).transpose(1, 2, 0)
    codes = np.ascontiguousarray(codes.reshape(codes.shape or (1,)))
    return r.graph.constant(f"{name}.constant{i}", QTensor(QType(codes.shape, t.fmt, t.scale, t.zero_point), codes))


def concat(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """Each part in the type of the result, then side by side."""
    parts = [p for p in e.args if isinstance(p, Held)]
    if len(parts) != len(e.args) or limits != (None, None):
        raise Refused("Concat of anything but quantized values, or inside a clamp, is not read")
    rank = len(parts[0].shape) + 1
    axis = int(e.node.attrs.get("axis", 1)) % rank
    last = all(p.layout == NHWC for p in parts) and rank == 4
    same = [p if same_grid(p.value.type, out) else table(r, p, out, f"{name}.part{i}") for i, p in enumerate(parts)]
    values = [p.value if last else r.plain(p) for p in same]
    y = r.graph.add(Concat(axis=nhwc_axis(axis, rank) if last else axis), *values, name=name)
    shape = tuple(sum(p.shape[axis - 1] for p in parts) if i == axis else n for i, n in enumerate(parts[0].shape, 1))
    return r.held(y, shape, NHWC if last else PLAIN)


ARITHMETIC: dict[str, Callable[[Reading, Apply, QType, LIMITS, str], Held]] = {"Add": add, "Mul": mul, "Concat": concat}
