"""Steps as calls of CMSIS-NN 6 and 7: which ones can be, decided from the integer graph; their structs and tables.

    y = saturate(requantize(sum (x + input_offset) * w + bias) + output_offset)

In our graph a zero point z of the input is folded into the bias: ``bias - z * sum w``. A call takes it as it is, with
``input_offset`` 0, where every tap lies in the image; where padding adds taps, which CMSIS-NN leaves out, offset and
bias are unfolded again, exactly. CMSIS-NN itself is the user's.

Source: Arm CMSIS-NN, Include/arm_nnfunctions.h and arm_nn_types.h.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hwsim.cmsis_nn import NAMES, LayerParameters, layer
from hwsim.contracts import Pow2, TflmDouble
from hwsim.formats import INT8, INT32
from hwsim.ops import Conv2d, MatMul, Pool, Requant
from hwsim.ops.datapath import PLAIN
from hwsim.ranges import Interval
from hwsim.rounding import Ints

from .fusion import Chain
from .render import render
from .views.c_view import INT32 as INT32_REACH
from .views.c_view import CView

FUNCTIONS = {
    "conv": "arm_convolve_wrapper_s8",
    "dw": "arm_depthwise_conv_wrapper_s8",
    "fc": "arm_fully_connected_s8",
    "fc channels": "arm_fully_connected_per_channel_s8",
}


def cmsis_call(view: CView, chain: Chain) -> dict[str, Any] | None:
    """The C function of a step that is one call, or None where the step keeps our own C.

    Returns:
        ``function`` of CMSIS-NN; ``parameters``, ``returns``, ``body``, ``inline``; ``before``: its constants;
        ``size``: C expression of the bytes of scratch that it asks CMSIS-NN for, empty for none.
    """
    fields = _pool(view, chain) if isinstance(view.node.op, Pool) else _layer(view, chain)
    if fields is None:
        return None
    name = f"{view.prefix}_step{view.number}"
    size = ""
    if fields["kind"] in ("conv", "dw"):
        words = ", ".join(f"&{name}_{what}" for what in ("params", "input", "filter", "output"))
        size = f"{fields['function']}_get_buffer_size({words})"
    return {
        "function": fields["function"],
        "inline": False,
        "returns": "arm_cmsis_nn_status",
        "parameters": ["const cmsis_nn_context *scratch"] * bool(size) + ["const int8_t *x0", "int8_t *y0"],
        "before": render("c", "cmsis_constants", name=name, **fields),
        "body": render("c", "cmsis", name=name, **fields),
        "size": size,
    }


def _layer(view: CView, chain: Chain) -> dict[str, Any] | None:
    """A convolution or a matrix product with constant weights, and its requantization."""
    op, ins = view.node.op, view.node.ins
    if (
        len(chain) != 2
        or not isinstance(op, Conv2d | MatMul)
        or view.variable(1)
        or view.chain[0][1].op.name != "requant"
    ):
        return None
    requant = chain[1][1].op
    assert isinstance(requant, Requant)
    formats = (ins[0].type.fmt, ins[1].type.fmt, op.acc, requant.fmt)
    plain = formats == (INT8, INT8, INT32, INT8) and op.datapath == PLAIN and ins[0].type.axis is None
    if not plain or not isinstance(requant.contract, TflmDouble) or np.any(ins[1].type.zero_point):
        return None
    made = layer(chain[1][1], view.node)
    lines = _lines(view, made)
    if lines is None or not _fits(view, made):
        return None
    weights, sizes = lines
    bias = (
        view.graph.constants[ins[2].name].codes.astype(np.int64)
        if len(ins) > 2
        else np.zeros(sizes["output"][3], np.int64)
    )
    offset = 0
    if isinstance(op, Conv2d) and any(map(any, op.padding)):
        offset = made.input_offset
        bias = bias - offset * view.graph.constants[ins[1].name].codes.reshape(len(bias), -1).astype(np.int64).sum(1)
    if np.abs(bias).max(initial=0) > INT32.max_int:
        return None
    return _fields(view, replace(made, input_offset=offset), weights, bias, sizes)


def _lines(view: CView, made: LayerParameters) -> tuple[Ints, dict[str, tuple[int, ...]]] | None:
    """Weights as CMSIS-NN lays them out, and the sizes of input, filter, bias and output; None for other groups."""
    op, codes, x = view.node.op, view.graph.constants[view.node.ins[1].name].codes, view.type(0).sample_shape
    if isinstance(op, MatMul):
        if codes.ndim != 2:
            return None
        (k, n), rows = codes.shape, int(np.prod(x[:-1], dtype=np.int64))
        return codes.T, {
            "input": (rows, 1, 1, k),
            "filter": (k, 1, 1, n),
            "bias": (1, 1, 1, n),
            "output": (rows, 1, 1, n),
        }
    assert isinstance(op, Conv2d)
    (o, kh, kw, depth), out = codes.shape, view.node.outs[0].type.sample_shape
    if made.kind == "dw" and (depth != 1 or op.groups != x[2]):
        return None
    filters = (1, kh, kw, o) if made.kind == "dw" else (o, kh, kw, depth)
    weights = np.moveaxis(codes[..., 0], 0, 2) if made.kind == "dw" else codes
    return weights, {"input": (1, *x), "filter": filters, "bias": (1, 1, 1, o), "output": (1, *out)}


def _fits(view: CView, made: LayerParameters) -> bool:
    """Whether the accumulator, shifted left first as CMSIS-NN does, stays in 32 bits."""
    gain, reach = 1 << max(0, *made.shifts, 0), view.out_reach()
    return Interval(reach.lo * gain, reach.hi * gain).inside(INT32_REACH)


def _fields(
    view: CView, made: LayerParameters, weights: Ints, bias: Ints, sizes: dict[str, tuple[int, ...]]
) -> dict[str, Any]:
    channels = made.kind != "fc" or len(made.multipliers) > 1
    n = len(bias)
    constants: dict[str, Any] = {"multiplier": made.multipliers[0], "shift": made.shifts[0]}
    if channels:
        pairs = (("multiplier", made.multipliers), ("shift", made.shifts))
        constants = {key: view.table(np.broadcast_to(v, n), f"{key}s of CMSIS-NN", "int32_t") for key, v in pairs}
    return constants | {
        "kind": made.kind,
        "struct": NAMES[made.kind],
        "function": FUNCTIONS["fc channels" if made.kind == "fc" and channels else made.kind],
        "initializer": made.initializer(),
        "channels": channels,
        "weights": view.table(weights, f"weights of CMSIS-NN {list(weights.shape)}", "int8_t"),
        "bias": view.table(bias, "bias of CMSIS-NN", "int32_t"),
        "sizes": sizes,
    }


def _pool(view: CView, chain: Chain) -> dict[str, Any] | None:
    """The largest of each window, and the clamp of an activation."""
    op, x = view.node.op, view.type(0)
    assert isinstance(op, Pool)
    limits = (INT8.min_int, INT8.max_int)
    if op.kind != "max" or x.fmt != INT8 or chain[-1][1].outs[0].type.fmt != INT8 or len(chain) > 2:
        return None
    if len(chain) == 2:
        clamp = chain[1][1].op
        if not isinstance(clamp, Requant) or clamp.contract != Pow2(shift=(0,)) or clamp.zero_point != x.zero_point:
            return None
        limits = (clamp.limits.lo, clamp.limits.hi)
    (top, _), (left, _), (sh, sw), (kh, kw) = *op.padding, op.stride, op.kernel
    pairs = f".stride = {{ .w = {sw}, .h = {sh} }}, .padding = {{ .w = {left}, .h = {top} }}"
    return {
        "kind": "pool",
        "function": "arm_max_pool_s8",
        "struct": "cmsis_nn_pool_params",
        "initializer": f"{{ {pairs}, .activation = {{ .min = {limits[0]}, .max = {limits[1]} }} }}",
        "sizes": {"input": (1, *x.sample_shape), "filter": (1, kh, kw, 1), "output": (1, *view.out.sample_shape)},
    }
