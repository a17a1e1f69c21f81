"""TFLite's MEAN and SUM: an exact sum, then one multiplier that holds the division.

Why the multiplier is cut: TFLite divides its Q31 constant by the count in integers, so it is not the nearest one.
``tflm_double`` in both engines. Measured against LiteRT 2.3 and TFLM: tests/hwsim/dialects/test_tflite_reduce.py.
"""

from __future__ import annotations

from ..contracts import TflmDouble, quantize_multiplier
from ..formats import INT8, INT16, INT32
from ..graph import Graph, Value
from ..ops import Reduce, Reshape
from ..ops.shapes import per_tensor
from ..qtensor import BATCH, QType
from .linear import requant


def mean(
    g: Graph, x: Value, out: QType, axes: tuple[int, ...], *, keep: bool = True, total: bool = False, name: str
) -> Value:
    """Mean over axes.

    Args:
        g: where to add it.
        x: INT8 or INT16, one scale.
        out: type of the result in the same format (its shape is not looked at).
        axes: axes to reduce, never the batch, each once.
        keep: whether the axes stay as size 1.
        total: whether the sum is asked for, not the mean.
        name: of the result.
    """
    (scale, _), (out_scale, _) = per_tensor("mean", x.type), per_tensor("mean", out)
    if x.type.fmt not in (INT8, INT16) or x.type.fmt != out.fmt:
        raise ValueError(f"mean {name!r}: {x.type.fmt.name} to {out.fmt.name}; both must be INT8 or both INT16")
    op = Reduce(kind="sum" if total else "mean", axes=axes, fmt=INT32)
    summed = g.add(op, x, name=f"{name}.sum")
    contract = divided(scale / out_scale, 1 if total else op.count(x.type))
    inner = name if keep else f"{name}.kept"
    y = g.add(requant(out, contract), summed, name=inner)
    if keep:
        return y
    rest = tuple(int(d) for a, d in enumerate(x.type.shape) if a not in axes and d != BATCH)
    return g.add(Reshape(shape=rest), y, name=name)


def divided(ratio: float, count: int) -> TflmDouble:
    """The contract for ``ratio / count``: TFLite's multiplier, moved up by the bits of the count, divided and cut."""
    (multiplier,), (shift,) = quantize_multiplier(ratio)
    up = min(count.bit_length() - 1, 32, 31 + shift)
    return TflmDouble(multiplier=((multiplier << up) // count,), shift=(shift - up,))
