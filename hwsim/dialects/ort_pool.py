"""ONNX Runtime's QLinearGlobalAveragePool and QLinearAveragePool, channels last.

    global   y = half_even(float32(sum (x - z_x)) * (s_x / (s_y * float32(count)))) + z_y, an exact sum
    window   y = half_even(sum / count / s_y + z_y), a sum of dequantized numbers in float32, see `FloatPool`

Measured against ONNX Runtime 1.32, ties included: tests/hwsim/dialects/test_ort_pool.py.
"""

from __future__ import annotations

import numpy as np

from ..blocks.exact import exact
from ..contracts import OnnxFloat
from ..graph import Graph, Value
from ..ops import FloatPool, Pool
from ..ops.shapes import per_tensor
from ..qtensor import QType
from .linear import requant
from .ort_elementwise import checked


def global_average_pool(g: Graph, x: Value, out: QType, *, name: str) -> Value:
    """Mean of every channel.

    Args:
        g: where to add it.
        x: INT8 or UINT8 of shape (N, H, W, C), one scale.
        out: type of the result (its shape is not looked at), which has shape (N, 1, 1, C).
        name: of the result.
    """
    checked("global_average_pool", name, x.type, out)
    height, width, _ = x.type.sample_shape
    total = exact(g, Pool(kind="mean", kernel=(height, width)), x, name=f"{name}.sum")
    scale, step = (np.float32(per_tensor("global_average_pool", t)[0]) for t in (x.type, out))
    return g.add(requant(out, OnnxFloat.of(scale / (step * np.float32(height * width)))), total, name=name)


def average_pool(g: Graph, x: Value, out: QType, op: Pool, *, include_pad: bool, name: str) -> Value:
    """QLinearAveragePool: the mean under a sliding window, summed in float32.

    Args:
        g: where to add it.
        x: INT8 or UINT8 of shape (N, H, W, C), one scale.
        out: type of the result (its shape is not looked at).
        op: the windows: kernel, stride and padding.
        include_pad: ONNX's count_include_pad.
        name: of the result.
    """
    fmt = checked("average_pool", name, x.type, out)
    scale, zero = per_tensor("average_pool", out)
    pool = FloatPool(
        kernel=op.kernel,
        stride=op.stride,
        padding=op.padding,
        include_pad=include_pad,
        fmt=fmt,
        scale=scale,
        zero_point=zero,
    )
    return g.add(pool, x, name=name)
