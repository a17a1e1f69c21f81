"""Requantization constants as CMSIS-NN's parameter structs, ready to paste, from scales or from the layers of a graph.

    y = saturate(requantize(acc, multiplier, shift) + output_offset)      input_offset = -zero_point of the input
    requantize: acc * multiplier * 2**(shift - 31), shift > 0 goes left

Source: Arm CMSIS-NN, Include/arm_nn_types.h (names and order of fields); TFLite's QuantizeMultiplier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .contracts import Contract, Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle, quantize_multiplier
from .graph import Graph, Node
from .ops import Conv2d, MatMul, Requant
from .ops.shapes import per_tensor
from .qtensor import QType

Pair = tuple[int, int]
NAMES = {"conv": "cmsis_nn_conv_params", "dw": "cmsis_nn_dw_conv_params", "fc": "cmsis_nn_fc_params"}


@dataclass(frozen=True, kw_only=True)
class LayerParameters:
    """What one layer needs.

    Args:
        name: of the layer, the beginning of the C names; empty for none.
        kind: ``conv``, ``dw`` (depthwise) or ``fc``.
        multipliers: Q31, one or one a channel.
        shifts: left where positive, as many.
        input_offset: minus the input's zero point.
        output_offset: zero point of the result.
        activation: least and greatest code of the result.
        stride, padding, dilation: (vertical, horizontal); padding is that before the image.
        channel_multiplier: outputs a channel of a depthwise convolution.
        contract: the arithmetic that the graph has; the constants above are exact under ``tflm_double`` alone.
    """

    name: str
    kind: str
    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]
    input_offset: int
    output_offset: int
    activation: tuple[int, int]
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    channel_multiplier: int = 1
    contract: str = TflmDouble.name

    def initializer(self) -> str:
        """C initializer of the layer's params."""
        fields = [f".input_offset = {self.input_offset}", f".output_offset = {self.output_offset}"]
        if self.kind == "dw":
            fields.append(f".ch_mult = {self.channel_multiplier}")
        if self.kind != "fc":
            pairs = (("stride", self.stride), ("padding", self.padding), ("dilation", self.dilation))
            fields += [f".{name} = {{ .w = {w}, .h = {h} }}" for name, (h, w) in pairs]
        low, high = self.activation
        fields.append(f".activation = {{ .min = {low}, .max = {high} }}")
        return f"{{ {', '.join(fields)} }}"

    def c(self) -> str:
        """C definitions: the layer's params, then its quantization per tensor or per channel."""
        prefix = f"{identifier(self.name)}_" if self.name else ""
        first = f"{NAMES[self.kind]} {prefix}{self.kind}_params = {self.initializer()};"
        return "\n".join([first, quantization(prefix, self.multipliers, self.shifts)])


def quantization(prefix: str, multipliers: Sequence[int], shifts: Sequence[int]) -> str:
    """``cmsis_nn_per_tensor_quant_params`` of one constant, ``cmsis_nn_per_channel_quant_params`` of several."""
    if len(multipliers) == 1:
        told = f".multiplier = {multipliers[0]}, .shift = {shifts[0]}"
        return f"cmsis_nn_per_tensor_quant_params {prefix}quant_params = {{ {told} }};"
    arrays = [
        f"int32_t {prefix}{what}[{len(numbers)}] = {{ {', '.join(map(str, numbers))} }};"
        for what, numbers in (("multipliers", multipliers), ("shifts", shifts))
    ]
    told = f".multiplier = {prefix}multipliers, .shift = {prefix}shifts"
    return "\n".join([*arrays, f"cmsis_nn_per_channel_quant_params {prefix}quant_params = {{ {told} }};"])


def q31(contract: Contract) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The constants of any contract as Q31 multipliers and left shifts; of 31 bits where it has more."""
    if isinstance(contract, TflmDouble):
        return contract.multiplier, contract.shift
    if isinstance(contract, Pow2):
        return (1 << 30,) * contract.channels, tuple(1 - s for s in contract.shift)
    assert isinstance(contract, Dyadic16 | TflSingle | OnnxFloat)
    return quantize_multiplier(contract.ratio)


def layers(graph: Graph) -> Iterator[LayerParameters]:
    """Parameters of every convolution and matrix product with constant weights that is requantized at once."""
    makers = {v.name: n for n in graph.nodes for v in n.outs}
    for node in graph.nodes:
        maker = makers.get(node.ins[0].name) if isinstance(node.op, Requant) else None
        if maker is not None and isinstance(maker.op, Conv2d | MatMul) and maker.ins[1].name in graph.constants:
            yield layer(node, maker)


def layer(node: Node, maker: Node) -> LayerParameters:
    """Parameters of the requantization `node` behind the layer `maker`."""
    requant, op, x = node.op, maker.op, maker.ins[0].type
    assert isinstance(requant, Requant)
    multipliers, shifts = q31(requant.contract)
    made = LayerParameters(
        name=node.outs[0].name,
        kind="fc",
        multipliers=multipliers,
        shifts=shifts,
        input_offset=-_zero(x),
        output_offset=requant.zero_point,
        activation=(requant.limits.lo, requant.limits.hi),
        contract=requant.contract.name,
    )
    if not isinstance(op, Conv2d):
        return made
    (top, _), (left, _) = op.padding
    made = replace(made, kind="conv", stride=op.stride, padding=(top, left), dilation=op.dilation)
    if op.groups == 1:
        return made
    return replace(made, kind="dw", channel_multiplier=int(maker.ins[1].type.shape[0]) // op.groups)


def real_ratio(multiplier: int, shift: int, convention: str = "tflite") -> float:
    """What constants multiply by: ``m * 2**(shift - 31)`` as TFLite means them, ``m * 2**-shift`` as we do."""
    if convention not in ("tflite", "ours"):
        raise ValueError(f"convention {convention!r} is unknown: use tflite or ours")
    if not (0 < multiplier < 1 << 32 and -64 <= shift <= 64):
        raise ValueError(f"multiplier {multiplier}, shift {shift}: must be in 1..2**32 - 1 and -64..64")
    return float(np.ldexp(float(multiplier), shift - 31 if convention == "tflite" else -shift))


def identifier(name: str) -> str:
    """A C identifier of a layer's name."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return f"layer_{plain}" if not plain or plain[0].isdigit() else plain


def _zero(t: QType) -> int:
    return per_tensor("layer", t)[1]
