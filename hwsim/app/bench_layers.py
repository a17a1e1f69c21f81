"""The layers that ``hwsim bench edge`` counts: those that CMSIS-NN was counted on, with weights in several formats."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ..blockformats import BLOCK_FORMATS
from ..contracts import Contract, Dyadic16, TflmDouble
from ..formats import BINARY, INT8, INT32, format_named
from ..front import FrontGraph, FrontNode
from ..graph import Graph
from ..ops import Conv2d, MatMul, Requant
from ..qtensor import BATCH, QType, quantize
from ..quantization import quantize_model
from ..recipe import Recipe

SIZE, CHANNELS = (25, 5), 64
SPREAD = 0.02 * 74  # of inputs that are codes of INT8 with the step 0.02, each as likely
MATRIX = "a product of 125 x 64 with 64 x 64"
LAYERS = {
    "pointwise": f"1 x 1 convolution 64 to 64 on 25 x 5, in blocks and binary {MATRIX}",
    "depthwise": "3 x 3 depthwise convolution, 64 channels, 25 x 5, padded",
    "dense": "fully connected, 64 to 64",
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How a layer is quantized.

    Args:
        weights: format of elements or blocks; binary is both sides.
        contract: how an accumulator becomes INT8.
        operands: format of what it reads; empty is INT8.
    """

    weights: str
    contract: type[Contract] = Dyadic16
    operands: str = ""

    @property
    def name(self) -> str:
        """As it is printed."""
        return f"{self.weights}{' both' if self.operands else ''}, {self.contract.name}"

    def suits(self, layer: str) -> bool:
        """Whether there is such a layer: convolutions have no blocks and no signs."""
        return layer != "depthwise" or (self.weights not in BLOCK_FORMATS and self.weights != BINARY.name)


KINDS = (
    *(Kind(weights="int8"), Kind(weights="int8", contract=TflmDouble), Kind(weights="int4")),
    *(Kind(weights="fp4_e2m1"), Kind(weights="ternary"), Kind(weights=BINARY.name, operands=BINARY.name)),
    *(Kind(weights="int4_g32"), Kind(weights="mxfp4"), Kind(weights="nvfp4"), Kind(weights="mxfp4", operands="mxfp4")),
)


def layer(name: str, kind: Kind) -> Graph:
    """Random weights with a scale a channel or block, a bias, requantization to INT8; `kind` suits it."""
    return in_blocks(name, kind) if kind.weights in BLOCK_FORMATS else of_elements(name, kind)


def of_elements(name: str, kind: Kind) -> Graph:
    """Convolution or product, a bias that takes up the input's zero point, a requantization; few results saturate."""
    rng, binary = np.random.default_rng(0), kind.weights == BINARY.name
    op, shape, axis = _op(name, matrix=binary)
    rows = SIZE if isinstance(op, Conv2d) else (prod(SIZE),) if name == "pointwise" else ()
    g = Graph(f"{name}_{kind.weights}")
    t = QType((BATCH, *rows, CHANNELS), INT8, scale=0.02, zero_point=-3)
    x = g.input("x", QType(t.shape, BINARY, scale=SPREAD) if binary else t)
    w = quantize(rng.normal(0, 1, shape), BINARY if binary else format_named(kind.weights), axis=axis)
    scales = np.ldexp(x.type.scale * np.asarray(w.type.scale), x.type.fmt.lsb_exp + w.type.fmt.lsb_exp)
    bias = quantize(rng.normal(0, 1, CHANNELS), INT32, scale=scales.tolist(), axis=0)
    acc = g.add(op, x, g.constant("weight", w), g.constant("bias", bias))
    most = 3 * np.sqrt(prod(shape) // CHANNELS) * SPREAD * w.dequantize().std()
    out = QType((), INT8, scale=float(most / 127), zero_point=4)
    g.output(g.add(Requant.to(out, acc.type, kind.contract), acc, name="y"))
    return g


def _op(name: str, *, matrix: bool) -> tuple[Conv2d | MatMul, tuple[int, ...], int]:
    """The op, the shape of its weights, their channel axis."""
    if name == "depthwise":
        op = Conv2d(kernel=(3, 3), padding=((1, 1), (1, 1)), groups=CHANNELS)
        return op, (CHANNELS, 3, 3, 1), 0
    if name == "pointwise" and not matrix:
        return Conv2d(kernel=(1, 1)), (CHANNELS, 1, 1, CHANNELS), 0
    return MatMul(), (CHANNELS, CHANNELS), 1


def in_blocks(name: str, kind: Kind) -> Graph:
    """The same product as the lowering makes it."""
    rng, rows = np.random.default_rng(0), (prod(SIZE),) if name == "pointwise" else ()
    params = {"w": rng.normal(0, 1, (CHANNELS, CHANNELS)), "b": rng.normal(0, 1, CHANNELS)}
    floats = {n: np.asarray(p, np.float32) for n, p in params.items()}
    nodes = [FrontNode("linear", ("x", *params), "y")]
    front = FrontGraph(f"{name}_{kind.weights}", {"x": (*rows, CHANNELS)}, floats, nodes, ["y"])
    seen = {"x": rng.normal(0, 1, (64, *rows, CHANNELS)).astype(np.float32)}
    recipe = Recipe(weights=kind.weights, operands=kind.operands, contract=kind.contract.name)
    return quantize_model(front, [seen], recipe).graph
