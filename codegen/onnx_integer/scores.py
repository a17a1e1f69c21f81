"""Softmax as ONNX Runtime's QLinearSoftmax; LayerNormalization, and Softmax of 16 bits, as our integer blocks.

ONNX Runtime computes the latter in float, so these are the nodes whose codes differ; `hwsim explain` counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hwsim.blocks import LayerNorm, Softmax
from hwsim.contracts import Pow2
from hwsim.dialects import ort_softmax
from hwsim.dialects.linear import requant
from hwsim.formats import UINT8, UINT16, IntFormat
from hwsim.ops.shapes import per_tensor
from hwsim.qtensor import QType

from .expression import Apply, Held, Number, Weight
from .reading import LIMITS, Reading, Refused, first_operand

MANTISSA = 10  # of the normalised sum: the differences of 8-bit codes are exact, so the quotient may be closer, too


def softmax(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """Over the last axis; a signed result is the unsigned one with another zero point."""
    x, axis = first_operand(e), int(e.node.attrs.get("axis", -1))
    if axis not in (-1, len(x.shape)):
        raise Refused(f"Softmax over axis {axis} of {len(x.shape) + 1}; the last one is read")
    assert isinstance(out.fmt, IntFormat)
    if out.fmt == x.value.type.fmt and out.fmt.bits == 8:
        return r.held(ort_softmax.softmax(r.graph, r.plain(x), out, name=name), x.shape)
    low, kind = out.fmt.min_int, UINT8 if out.fmt.bits == 8 else UINT16
    if out.zero_point != low:
        raise Refused(f"Softmax with zero_point {out.zero_point}; probabilities start at the least code, {low}")
    inner = QType(x.value.type.shape, kind, out.scale)
    signed = out.fmt != kind
    block = Softmax(z="int16", z_step=min(1.0, per_tensor("softmax", x.value.type)[0]), mantissa=MANTISSA)
    y = block(r.graph, r.plain(x), inner, name=f"{name}.unsigned" if signed else name)
    if signed:
        y = r.graph.add(requant(out, Pow2(shift=(0,))), y, name=name)
    return r.held(y, x.shape)


def layer_norm(r: Reading, e: Apply, out: QType, limits: LIMITS, name: str) -> Held:
    """Over the last axis."""
    x, axis = first_operand(e), int(e.node.attrs.get("axis", -1))
    if axis not in (-1, len(x.shape)) or limits != (None, None):
        raise Refused(f"LayerNormalization over axis {axis}; the last one alone is read")
    numbers = []
    for arg in (*e.args[1:], None)[:2]:
        if arg is not None and not isinstance(arg, Number | Weight):
            raise Refused("LayerNormalization's weight and bias must be constants")
        numbers.append(None if arg is None else arg.array if isinstance(arg, Number) else arg.tensor.dequantize())
    plain = r.plain(x)
    y = LayerNorm()(
        r.graph, plain, replace(out, shape=plain.type.shape), weight=numbers[0], bias=numbers[1],
        eps=float(e.node.attrs.get("epsilon", 1e-5)), name=name,
    )  # fmt: skip
    return r.held(y, x.shape)


SCORES: dict[str, Callable[[Reading, Apply, QType, LIMITS, str], Held]] = {
    "Softmax": softmax,
    "LayerNormalization": layer_norm,
}
