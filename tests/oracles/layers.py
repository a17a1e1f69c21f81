"""Random fully connected int8 layers that saturate and that tie, and the same layers as a Graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

import hwsim
from hwsim.contracts import Contract
from hwsim.ops import MatMul, Requant

SAMPLES = 640


@dataclass(frozen=True, kw_only=True)
class Layer:
    """``y = requantize((x - x_zero) @ weight + bias) + y_zero``; weight (k, n), one or n weight scales, float32."""

    weight: NDArray[np.int64]
    bias: NDArray[np.int64]
    x_scale: np.float32
    x_zero: int
    weight_scale: NDArray[np.float32]
    y_scale: np.float32
    y_zero: int

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Accumulator step over output step, one or n, in float64 as TFLite computes it."""
        return np.float64(self.x_scale) * self.weight_scale.astype(np.float64) / np.float64(self.y_scale)

    @property
    def float32_ratio(self) -> NDArray[np.float32]:
        """The same in float32, product first, as ONNX Runtime and XNNPACK compute it."""
        return self.x_scale * self.weight_scale / self.y_scale

    def accumulators(self, x: NDArray[np.int8]) -> NDArray[np.int64]:
        """What is requantized, shape (samples, n)."""
        return (x.astype(np.int64) - self.x_zero) @ self.weight + self.bias

    def ties(self, x: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Which outputs lie exactly between two codes that do not saturate.

        Only scales of few mantissa bits make any: their ratio has at most 20, so the product below is exact.
        """
        few = np.ldexp(np.frexp(self.ratio)[0], 20) % 1 == 0
        y = self.accumulators(x) * self.ratio
        inside = (y + self.y_zero > -128) & (y + self.y_zero < 127)
        return np.asarray((y * 2 % 2 == 1) & inside & few)

    def graph(self, contract: Contract) -> hwsim.Graph:
        """MatMul with the input's zero point folded into its bias, then Requant."""
        per_channel = len(self.weight_scale) > 1
        w_scale = tuple(map(float, self.weight_scale)) if per_channel else float(self.weight_scale[0])
        step = np.float64(self.x_scale) * self.weight_scale.astype(np.float64)
        start = (self.bias - self.x_zero * self.weight.sum(0)).astype(np.int32)
        g = hwsim.Graph("fc")
        x = g.input("x", hwsim.QType(("N", len(self.weight)), hwsim.INT8, float(self.x_scale), self.x_zero))
        w = hwsim.QType(self.weight.shape, hwsim.INT8, w_scale, axis=1 if per_channel else None)
        b_scale = tuple(step.tolist()) if per_channel else float(step[0])
        b = hwsim.QType(start.shape, hwsim.INT32, b_scale, axis=0 if per_channel else None)
        weight = g.constant("w", hwsim.QTensor(w, self.weight.astype(np.int8)))
        bias = g.constant("b", hwsim.QTensor(b, start))
        acc = g.add(MatMul(), x, weight, bias, name="acc")
        op = Requant(contract=contract, fmt=hwsim.INT8, scale=float(self.y_scale), zero_point=self.y_zero)
        g.output(g.add(op, acc, name="y"))
        return g


def tying_layer() -> Layer:
    """A small layer of ratio 1/16, so that ties and near ties are common."""
    rng = np.random.default_rng(0)
    return Layer(
        x_scale=np.float32(0.5), x_zero=0, weight_scale=np.array([0.25], np.float32), y_scale=np.float32(2), y_zero=3,
        weight=rng.integers(-3, 4, (4, 3)), bias=np.array([1, -7, 40]),
    )  # fmt: skip


def make_layer(rng: np.random.Generator, *, per_channel: bool, power_of_two: bool, grain: int = 1) -> Layer:
    """A layer whose outputs fill int8 and saturate on both sides.

    Power-of-two scales make ties; many where weights and bias are multiples of a large `grain`.
    """
    k, n = 24, 48
    count = n if per_channel else 1
    if power_of_two:
        x_scale, w_scale = np.float32(0.5), np.ldexp(np.float32(1), rng.integers(-8, -5, count))
        y_scale = np.float32(1)
    else:
        x_scale, w_scale = rng.uniform(0.005, 0.05), rng.uniform(0.002, 0.02, count)
        y_scale = 500 * x_scale * w_scale.mean()
    return Layer(
        weight=rng.integers(-127, 128, (k, n)) // grain * grain,
        bias=rng.integers(-20000, 20000, n) // grain * grain,
        x_scale=np.float32(x_scale),
        x_zero=int(rng.integers(-128, 128)),
        weight_scale=w_scale.astype(np.float32),
        y_scale=np.float32(y_scale),
        y_zero=int(rng.integers(-40, 41)),
    )


def make_probe(rng: np.random.Generator, *, few_bits: bool, n: int = 4096) -> Layer:
    """Zero weights, so that each bias is an accumulator: anywhere in int32, on and beside the ties of its channel."""
    exponent, mantissa = rng.integers(-24, -6, n), rng.uniform(0.5, 1, n)
    if few_bits:
        mantissa = rng.integers(16, 32, n) / 32
    x_scale = np.float32(1 if few_bits else rng.uniform(0.5, 1))
    w_scale = np.ldexp(mantissa, exponent).astype(np.float32)
    middles = rng.integers(-135, 136, n) + 0.5
    beside = rng.integers(-1, 2, n)
    bias = np.clip(np.rint(middles / (np.float64(x_scale) * w_scale)) + beside, -(2**31), 2**31 - 1)
    return Layer(
        weight=np.zeros((4, n), np.int64),
        bias=bias.astype(np.int64),
        x_scale=x_scale,
        x_zero=0,
        weight_scale=w_scale,
        y_scale=np.float32(1),
        y_zero=int(rng.integers(-5, 6)),
    )


def make_codes(rng: np.random.Generator, layer: Layer, samples: int = SAMPLES) -> NDArray[np.int8]:
    """Input codes, all 256 of them."""
    return rng.integers(-128, 128, (samples, len(layer.weight))).astype(np.int8)


@cache
def cases(*, per_channel: bool) -> tuple[tuple[Layer, NDArray[np.int8]], ...]:
    """Layers with their inputs, 153,600 outputs together: two with power-of-two scales, three with any."""
    made = []
    for seed, grain in enumerate((16, 1, 1, 1, 1)):
        rng = np.random.default_rng(seed)
        layer = make_layer(rng, per_channel=per_channel, power_of_two=seed < 2, grain=grain)
        made.append((layer, make_codes(rng, layer)))
    return tuple(made)


@cache
def probes(*, few_bits: bool) -> tuple[tuple[Layer, NDArray[np.int8]], ...]:
    """Probing layers with a one-sample input each, 16,384 outputs together."""
    made = [make_probe(np.random.default_rng(seed), few_bits=few_bits) for seed in range(4)]
    return tuple((layer, np.zeros((1, len(layer.weight)), np.int8)) for layer in made)
