"""Averages of quantized values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwsim.blocks.exact import exact
from hwsim.contracts import OnnxFloat
from hwsim.dialects import ort_pool
from hwsim.dialects.linear import requant
from hwsim.lowering.layout import NHWC
from hwsim.ops import Pool, Reduce, Reshape
from hwsim.qtensor import QType

from .expression import Apply, Held
from .reading import LIMITS, Reading, Refused, first_operand
from .windows import kernel_of, windows


def average_pool(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """AveragePool, channels-last."""
    x = first_operand(e)
    kernel, image = kernel_of(e.node), r.image(x)
    stride, padding, dilation = windows(e.node, kernel, image.type.sample_shape[:2])
    if dilation != (1, 1) or e.node.attrs.get("ceil_mode") or limits != (None, None):
        raise Refused("AveragePool with dilation or ceil_mode, or inside a clamp, is not read")
    op = Pool(kind="mean", kernel=kernel, stride=stride, padding=padding)
    include = bool(e.node.attrs.get("count_include_pad", 0))
    y = ort_pool.average_pool(r.graph, image, out, op, include_pad=include, name=name)
    height, width, channels = y.type.sample_shape
    return r.held(y, (channels, width) if len(x.shape) == 2 else (channels, height, width), NHWC)


def global_average_pool(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """GlobalAveragePool: the mean of every channel."""
    x = first_operand(e)
    if limits != (None, None):
        raise Refused("GlobalAveragePool inside a clamp is not read")
    y = ort_pool.global_average_pool(r.graph, r.image(x), out, name=name)
    return r.held(y, (x.shape[0], *[1] * (len(x.shape) - 1)), NHWC)


def reduce_mean(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """ReduceMean: an exact sum, then one requantization; ONNX Runtime computes it in float."""
    x, rank = first_operand(e), len(first_operand(e).shape) + 1
    axes = [int(a) for a in np.atleast_1d(e.node.attrs["axes"])] if "axes" in e.node.attrs else []
    if len(e.node.ins) > 1 and e.node.ins[1] and not axes:
        axes = [int(a) for a in r.numbers(e.node.ins[1]).reshape(-1)]
    inner = tuple(sorted(a % rank for a in axes))
    if not inner or 0 in inner:
        raise Refused(f"ReduceMean over axes {axes}; the batch must stay")
    plain = r.plain(x)
    total = exact(r.graph, Reduce(kind="mean", axes=inner), plain, name=f"{name}.sum")
    keep = bool(e.node.attrs.get("keepdims", 1))
    contract = OnnxFloat.of(total.type.lsb / np.float64(out.lsb))
    mean = r.graph.add(requant(out, contract, *limits), total, name=name if keep else f"{name}.kept")
    if keep:
        return r.held(mean, mean.type.sample_shape)
    shape = tuple(n for i, n in enumerate(x.shape, 1) if i not in inner)
    return r.held(r.graph.add(Reshape(shape=shape), mean, name=name), shape)


POOLS: dict[str, Callable[[Reading, Apply, QType, LIMITS, str], Held]] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "ReduceMean": reduce_mean,
}
