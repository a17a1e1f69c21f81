"""Converters of convolutions, fully connected layers, pooling and requantization."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwsim.contracts import TflmDouble, TflSingle
from hwsim.dialects import tflite_linear as dialect
from hwsim.dialects.tflite_elementwise import rescale
from hwsim.formats import INT4, INT8, INT16, UINT8
from hwsim.ops import Pool
from hwsim.rounding import Ints

from .context import Operator, Reading, whole

Pair = tuple[int, int]
TAKEN = ((INT8, INT8, INT8), (INT8, INT4, INT8), (INT16, INT8, INT16))  # input, weights, result
NO_QUANTIZE = {  # pairs of integer types that the engine has no kernel for
    TflSingle.name: {(INT16, UINT8)},
    TflmDouble.name: {(INT16, UINT8), (UINT8, UINT8), (UINT8, INT16)},
}
MAX_STEP = 1 << 12  # stride, dilation, kernel: far past real models, and no proof runs away


def _image(r: Reading, op: Operator, kernel: Pair, dilation: Pair) -> tuple[Pair, tuple[Pair, Pair]]:
    """Stride and padding; SAME pads so that the result is ``ceil(size / stride)``, the odd element last."""
    stride = (
        whole("stride_h", op.options["stride_h"], 1, MAX_STEP),
        whole("stride_w", op.options["stride_w"], 1, MAX_STEP),
    )
    if op.options["padding"] == "VALID":
        return stride, ((0, 0), (0, 0))
    size = r.value(op.ins[0]).type.shape[1:3]
    sides = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-int(n) // s) - 1) * s + (k - 1) * d + 1 - int(n), 0)
        sides.append((total // 2, total - total // 2))
    return stride, (sides[0], sides[1])


def _bias(r: Reading, op: Operator) -> Ints | None:
    return r.constant(op.ins[2]).codes.astype("int64") if op.has(2) else None


def _check(r: Reading, op: Operator) -> None:
    x, w, y = (r.type(i) for i in (op.ins[0], op.ins[1], op.outs[0]))
    if (x.fmt, w.fmt, y.fmt) not in TAKEN:
        names = f"{x.fmt.name} x {w.fmt.name} -> {y.fmt.name}"
        raise ValueError(f"{names} is not taken: use INT8 activations, INT8 or INT4 weights, or INT16 with INT8")
    if x.fmt == INT16 and (np.any(x.zero_point) or np.any(y.zero_point)):
        raise ValueError(f"16-bit activations have no zero point, got {x.zero_point} and {y.zero_point}")


def convert_conv(r: Reading, op: Operator) -> None:
    """CONV_2D and DEPTHWISE_CONV_2D."""
    _check(r, op)
    x, weight, out = r.value(op.ins[0]), r.constant(op.ins[1]), r.type(op.outs[0])
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    if len(x.type.shape) != 4 or weight.codes.ndim != 4:
        raise ValueError(f"input {x.type.shape} and weights {weight.type.shape} must have 4 axes")
    weight = dialect.depthwise_weight(weight) if depthwise else weight
    channels, (_, kh, kw, depth) = int(x.type.shape[3]), weight.codes.shape
    if channels % depth:
        raise ValueError(f"weights for {depth} channels do not divide the {channels} of the input")
    kernel = (whole("kernel", kh, 1, MAX_STEP), whole("kernel", kw, 1, MAX_STEP))
    rate = [whole(f, op.options[f], 1, MAX_STEP) for f in ("dilation_h_factor", "dilation_w_factor")]
    stride, padding = _image(r, op, kernel, (rate[0], rate[1]))
    y = dialect.conv2d(
        *(r.graph, x, weight, _bias(r, op), out),
        stride=stride,
        padding=padding,
        dilation=(rate[0], rate[1]),
        groups=channels // depth,
        activation=op.options["fused_activation_function"],
        name=r.name(op.outs[0]),
    )
    r.define(op.outs[0], y)


def convert_fully_connected(r: Reading, op: Operator) -> None:
    """FULLY_CONNECTED; an image is read as it lies."""
    _check(r, op)
    if r.type(op.ins[1]).fmt == INT4 and r.contract == TflmDouble.name:
        raise ValueError("TFLM's FULLY_CONNECTED takes no INT4 weights; use INT8 weights, or read it as tfl_single")
    if op.options.get("weights_format"):
        raise ValueError(f"weights_format {op.options['weights_format']} is not taken; use the default")
    x, weight, out, name = r.value(op.ins[0]), r.constant(op.ins[1]), r.type(op.outs[0]), r.name(op.outs[0])
    if x.type.shape[-1] != weight.codes.shape[1] or len(x.type.shape) != len(out.shape):
        x = dialect.flat(r.graph, x, f"{name}.flat")
    activation = op.options["fused_activation_function"]
    y = dialect.fully_connected(r.graph, x, weight, _bias(r, op), out, r.contract, activation=activation, name=name)
    r.define(op.outs[0], y)


def convert_pool(r: Reading, op: Operator) -> None:
    """MAX_POOL_2D and AVERAGE_POOL_2D."""
    x, out = r.value(op.ins[0]), r.type(op.outs[0])
    if len(x.type.shape) != 4:
        raise ValueError(f"input {x.type.shape} must have 4 axes")
    sizes = [whole(f, op.options[f], 1, MAX_STEP) for f in ("filter_height", "filter_width")]
    stride, padding = _image(r, op, (sizes[0], sizes[1]), (1, 1))
    kind, make = ("max", dialect.max_pool) if op.kind == "MAX_POOL_2D" else ("mean", dialect.average_pool)
    pool = Pool(kind=kind, kernel=(sizes[0], sizes[1]), stride=stride, padding=padding)
    activation = op.options["fused_activation_function"]
    r.define(op.outs[0], make(r.graph, x, out, pool, activation=activation, name=r.name(op.outs[0])))


def convert_quantize(r: Reading, op: Operator) -> None:
    """QUANTIZE: from one integer type to another; from reals it is the graph's input type."""
    source, name = r.tensor(op.ins[0]), r.name(op.outs[0])
    if source.kind == "FLOAT32":
        if op.ins[0] in r.values or source.codes is not None:
            raise ValueError(f"tensor {source.name!r} is computed in float; quantize the whole model")
        r.define(op.outs[0], r.graph.input(name, r.type(op.outs[0])))
        return
    formats = (r.value(op.ins[0]).type.fmt, r.type(op.outs[0]).fmt)
    if formats in NO_QUANTIZE[r.contract]:
        source_name, target_name = (f.name for f in formats)
        raise ValueError(f"the engine of {r.contract} has no QUANTIZE from {source_name} to {target_name}; use int8")
    r.define(op.outs[0], rescale(r.graph, r.value(op.ins[0]), r.type(op.outs[0]), name=name))


LAYERS: dict[str, Callable[[Reading, Operator], None]] = {
    "CONV_2D": convert_conv,
    "DEPTHWISE_CONV_2D": convert_conv,
    "FULLY_CONNECTED": convert_fully_connected,
    "MAX_POOL_2D": convert_pool,
    "AVERAGE_POOL_2D": convert_pool,
    "QUANTIZE": convert_quantize,
}
