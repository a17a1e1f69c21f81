"""Random single operators of the linear family beside LiteRT's reference kernels and TFLM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codegen.tflite_reader import read_tflite
from hwsim.simulation import simulate
from tests.compare import assert_same
from tests.oracles.tflite_ops import Tensor, one_op, run

SHARE = 6000  # outputs a family and engine here; `fuzz(family, 100_000)` is the long run
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
CONTRACTS = {"litert": "tfl_single", "tflm": "tflm_double"}


def grid(rng: np.random.Generator) -> tuple[float, int]:
    """Scale, often a power of two, and zero point, often extreme."""
    scale = rng.choice([2.0 ** -rng.integers(2, 8), 10 ** rng.uniform(-2.5, -0.5)])
    return float(np.float32(scale)), int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))


def image(rng: np.random.Generator, kernel: tuple[int, int]) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
    """Options of a window, the size of the image, the size of the result."""
    same, stride, size = bool(rng.integers(2)), rng.integers(1, 4, 2), rng.integers(5, 10, 2)
    out = -(-size // stride) if same else (size - kernel) // stride + 1
    options = {"padding": 0 if same else 1, "strideH": int(stride[0]), "strideW": int(stride[1])}
    return options, (int(size[0]), int(size[1])), (int(out[0]), int(out[1]))


def layer(rng: np.random.Generator, family: str) -> bytes:
    """One operator with weights."""
    (xs, xz), (ys, yz) = grid(rng), grid(rng)
    c, m, o = (int(n) for n in rng.integers(1, 8, 3))
    kernel = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    options, size, out = image(rng, kernel)
    samples = 8
    options["fusedActivationFunction"] = int(rng.choice(list(ACTIVATIONS.values())))
    if family == "FULLY_CONNECTED":
        table, options = "FullyConnectedOptions", {"fusedActivationFunction": options["fusedActivationFunction"]}
        w_shape, x_shape, y_shape, axis = (o, 8 * c), (samples, 8 * c), (samples, o), 0
    elif family == "CONV_2D":
        table, options = "Conv2DOptions", {**options, "dilationHFactor": 1, "dilationWFactor": 1}
        w_shape, x_shape, y_shape, axis = (o, *kernel, c), (samples, *size, c), (samples, *out, o), 0
    else:
        table = "DepthwiseConv2DOptions"
        options |= {"depthMultiplier": m, "dilationHFactor": 1, "dilationWFactor": 1}
        w_shape, x_shape, y_shape, axis = (1, *kernel, c * m), (samples, *size, c), (samples, *out, c * m), 3
    channels, taps = w_shape[axis], int(np.prod(w_shape)) // w_shape[axis]
    many = family != "FULLY_CONNECTED"
    wanted = ys / xs * 10 ** rng.uniform(-0.5, 1, channels if many else 1) / (40 * np.sqrt(taps))
    ws = np.where(rng.random() < 0.3, 2.0 ** np.rint(np.log2(wanted)), wanted).astype(np.float32)
    weight = rng.integers(-127, 128, w_shape).astype(np.int8)
    bias = rng.integers(-3000, 3000, channels).astype(np.int32)
    bias_scale = np.float32(xs) * ws
    tensors = [
        Tensor(name="x", shape=x_shape, scale=xs, zero=xz),
        Tensor(name="w", codes=weight, scale=ws.tolist(), axis=axis),
        Tensor(name="b", codes=bias, dtype="int32", scale=bias_scale.tolist()),
    ]
    return one_op(
        family, tensors, [Tensor(name="y", shape=y_shape, scale=ys, zero=yz)], options, options_type=table, version=3
    )


def pool(rng: np.random.Generator, family: str) -> bytes:
    """One pooling."""
    scale, zero = grid(rng)
    kernel, c = (int(rng.integers(1, 5)), int(rng.integers(1, 5))), int(rng.integers(1, 8))
    options, size, out = image(rng, kernel)
    options |= {"filterHeight": kernel[0], "filterWidth": kernel[1]}
    options["fusedActivationFunction"] = int(rng.choice(list(ACTIVATIONS.values())))
    x, y = (Tensor(name=n, shape=(8, *s, c), scale=scale, zero=zero) for n, s in (("x", size), ("y", out)))
    return one_op(family, [x], [y], options, options_type="Pool2DOptions", version=2)


def rescaled(rng: np.random.Generator, family: str) -> bytes:
    """One QUANTIZE."""
    kinds = [Tensor(name=n, shape=(8, 64), scale=s, zero=z) for n, (s, z) in (("x", grid(rng)), ("y", grid(rng)))]
    return one_op(family, kinds[:1], kinds[1:], {}, options_type="QuantizeOptions", version=2)


FAMILIES = {
    **{"CONV_2D": layer, "DEPTHWISE_CONV_2D": layer, "FULLY_CONNECTED": layer},
    **{"AVERAGE_POOL_2D": pool, "MAX_POOL_2D": pool, "QUANTIZE": rescaled},
}


def fuzz(family: str, outputs: int, seed: int = 0) -> int:
    """Outputs compared on each engine."""
    rng, count = np.random.default_rng(seed), 0
    while count < outputs:
        model, size = FAMILIES[family](rng, family), 0
        for engine, contract in CONTRACTS.items():
            g = read_tflite(model, contract)
            (x,) = g.inputs
            shape = (8, *x.type.sample_shape)
            codes = rng.integers(-128, 128, shape).astype(np.int8)
            got = simulate(g, {"x": codes})["y"]
            assert_same(run(model, [codes], engine)[0], got, what=f"{family} {engine} after {count}")
            size = got.size
        count += size
    return count


@pytest.mark.parametrize("family", FAMILIES)
def test_fuzz(family: str) -> None:
    """No difference."""
    assert fuzz(family, SHARE) >= SHARE
