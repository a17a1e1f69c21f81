"""Weights of an integer graph as DequantizeLinear reads them, and its biases as real numbers.

Scales are float32, the nearest to the graph's, and so is the product with a code: two roundings, 2**-23 of the weight
at most, none where the scale is a power of two. MX scales stay E8M0 where the installed onnx reads them (opset 24).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.blockformats import real_scales
from hwsim.formats import E8M0, Codes, Format
from hwsim.graph import Graph, Node
from hwsim.ops import BlockMatMul
from hwsim.qtensor import QTensor, QType

from .qdq_types import EXPONENT, EXPONENT_OPSET, Kind, installed, single, weight_kind


@dataclass(frozen=True, eq=False, kw_only=True)
class Stored:
    """What DequantizeLinear reads.

    Args:
        codes: of format `fmt`, in type `kind`.
        scale: float32, one, one an entry of `axis`, or one a block of it; `exponents`: codes of E8M0 instead.
        zeros: zero points in type `kind`, shaped like the scale; None where all are 0.
        block: elements of `axis` that share a scale; 0 without blocks.
    """

    codes: Codes
    fmt: Format
    kind: Kind
    scale: NDArray[np.float32]
    exponents: Codes | None = None
    zeros: Codes | None = None
    axis: int = 0
    block: int = 0


def stored(tensor: QTensor, name: str, perm: tuple[int, ...], shape: tuple[int, ...]) -> Stored:
    """A constant, transposed and reshaped (which must leave its channel axis whole)."""
    t, kind = tensor.type, weight_kind(tensor.type.fmt)
    zeros = np.asarray(t.zero_point, t.fmt.dtype) if np.any(t.zero_point) else None
    return Stored(
        codes=tensor.codes.transpose(perm).reshape(shape),
        fmt=t.fmt,
        kind=kind,
        scale=single(np.asarray(t.scale) * kind.step(t.fmt), name),
        zeros=zeros if zeros is None else np.broadcast_to(zeros, np.shape(t.scale)),
        axis=0 if t.axis is None else perm.index(t.axis),
    )


def stored_blocks(graph: Graph, layer: str, block: int) -> Stored:
    """The weights (k, n) of a linear layer in blocks along k."""
    codes, scales = graph.constants[f"{layer}.weight"], graph.constants[f"{layer}.scales"]
    zeros, fmt = graph.constants.get(f"{layer}.zeros"), codes.type.fmt
    assert isinstance(codes.type.scale, float)  # the unit of a block format
    kind = weight_kind(fmt)
    factor = codes.type.scale * kind.step(fmt)
    e8m0 = scales.type.fmt == E8M0 and factor == 1 and installed(EXPONENT, EXPONENT_OPSET)
    return Stored(
        codes=codes.codes,
        fmt=fmt,
        kind=kind,
        scale=single(real_scales(scales) * factor, f"{layer}.scales"),
        exponents=scales.codes if e8m0 else None,
        zeros=None if zeros is None else zeros.codes,
        block=block,
    )


def weights_of(graph: Graph, layer: str, shape: tuple[int, ...]) -> Stored:
    """The weights of a layer in the shape of its float form: linear (k, n), convolutions (o, c / g, [kh,] kw)."""
    node, w = reader(graph, layer), graph.constants[f"{layer}.weight"]
    if isinstance(node.op, BlockMatMul):
        return stored_blocks(graph, layer, node.op.block)
    return stored(w, f"{layer}.weight", (0, 1) if len(shape) == 2 else (0, 3, 1, 2), shape)


def reader(graph: Graph, layer: str) -> Node:
    """The node that multiplies by the weights of `layer`."""
    return next(n for n in graph.nodes if any(v.name == f"{layer}.weight" for v in n.ins[1:]))


def bias_of(graph: Graph, layer: str) -> NDArray[np.float32] | None:
    """The bias that the accumulator of `layer` starts at, without the input's zero point; None where it is 0.

    Why not the float model's: bias correction is in the graph alone.
    """
    node, start = reader(graph, layer), graph.constants.get(f"{layer}.bias")
    if start is None:
        return None
    bias = start.dequantize() if isinstance(node.op, BlockMatMul) else unfolded(node.ins[0].type, node, graph, start)
    return bias.astype(np.float32) if bias.any() else None


def unfolded(x: QType, node: Node, graph: Graph, start: QTensor) -> NDArray[np.float64]:
    """``(start + zero_point_x * sum of the channel's weights) * lsb``; see `hwsim.lowering.weights.fold_bias`."""
    w = graph.constants[node.ins[1].name]
    channels = 1 if w.codes.ndim == 2 else 0
    total = w.to_int().sum(tuple(i for i in range(w.codes.ndim) if i != channels))
    return np.asarray((start.to_int() + np.asarray(x.zero_point) * total) * start.type.lsb, np.float64)
