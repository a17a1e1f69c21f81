"""Random single operators of the linear family beside LiteRT's reference kernels and TFLM."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from codegen.tflite_reader import read_tflite
from hwsim.simulation import simulate
from tests.backends import check_engines
from tests.compare import assert_same
from tests.oracles.tflite_ops import Tensor, one_op, run

SHARE = 100_000  # outputs a family and engine
MODELS = 200  # at least
SAMPLES = 64
WINDOW = ("strideW", "strideH", "dilationWFactor", "dilationHFactor", "padding")
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
CONTRACTS = {"litert": "tfl_single", "tflm": "tflm_double"}


def grid(rng: np.random.Generator) -> tuple[float, int]:
    """Scale, often a power of two, and zero point, often extreme."""
    scale = rng.choice([2.0 ** -rng.integers(2, 8), 10 ** rng.uniform(-2.5, -0.5)])
    return float(np.float32(scale)), int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))


def image(
    rng: np.random.Generator, kernel: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
    """Options of a window, the size of the image, the size of the result."""
    wide = (np.array(kernel) - 1) * dilation + 1
    same, stride, size = bool(rng.integers(2)), rng.integers(1, 4, 2), wide + rng.integers(0, 6, 2)
    out = -(-size // stride) if same else (size - wide) // stride + 1
    options = {"padding": 0 if same else 1, "strideH": int(stride[0]), "strideW": int(stride[1])}
    return options, (int(size[0]), int(size[1])), (int(out[0]), int(out[1]))


def layer(rng: np.random.Generator, family: str, four: bool = False) -> bytes:
    """One operator with weights, `four`: of 4 bits."""
    (xs, xz), (ys, yz) = grid(rng), grid(rng)
    c, m, o = (int(n) for n in rng.integers(1, 8, 3))
    kernel, rate = ((int(a), int(b)) for a, b in (rng.integers(1, 5, 2), rng.choice([1, 1, 2, 3], 2)))
    options, size, out = image(rng, kernel, rate)
    fused = {"fusedActivationFunction": int(rng.choice(list(ACTIVATIONS.values())))}
    options |= {"dilationHFactor": rate[0], "dilationWFactor": rate[1], **fused}
    x_shape, many, axis, table = (SAMPLES, *size, c), True, 0, "Conv2DOptions"
    if family == "FULLY_CONNECTED":
        rows, many, table = int(rng.choice([0, 3])), bool(rng.integers(2)), "FullyConnectedOptions"
        lead = (SAMPLES, rows) if rows else (SAMPLES,)
        options = {"keepNumDims": bool(rows), **fused}
        w_shape, x_shape, y_shape = (o, 8 * c), (*lead, 8 * c), (*lead, o)
    elif family == "CONV_2D":
        w_shape, y_shape = (o, *kernel, c), (SAMPLES, *out, o)
    else:
        table, axis = "DepthwiseConv2DOptions", 3
        options["depthMultiplier"] = m
        w_shape, y_shape = (1, *kernel, c * m), (SAMPLES, *out, c * m)
    channels, taps = w_shape[axis], int(np.prod(w_shape)) // w_shape[axis]
    wanted = ys / xs * 10 ** rng.uniform(-0.5, 1, channels if many else 1) / (40 * np.sqrt(taps))
    ws = np.where(rng.random() < 0.3, 2.0 ** np.rint(np.log2(wanted)), wanted).astype(np.float32)
    limit, kind = (7, "int4") if four or (family == "CONV_2D" and rng.random() < 0.2) else (127, "int8")
    weight = rng.integers(-limit, limit + 1, w_shape).astype(np.int8)
    tensors = [
        Tensor(name="x", shape=x_shape, scale=xs, zero=xz),
        Tensor(name="w", codes=weight, dtype=kind, scale=(ws * 127 / limit).tolist(), axis=axis),
    ]
    if family != "FULLY_CONNECTED" or rng.random() < 0.8:
        bias, scale = rng.integers(-3000, 3000, channels).astype(np.int32), np.float32(xs) * ws * 127 / limit
        tensors.append(Tensor(name="b", codes=bias, dtype="int32", scale=scale.tolist()))
    y = Tensor(name="y", shape=y_shape, scale=ys, zero=yz)
    return one_op(family, tensors, [y], options, options_type=table, version=5 if family == "FULLY_CONNECTED" else 3)


def pool(rng: np.random.Generator, family: str) -> bytes:
    """One pooling."""
    scale, zero = grid(rng)
    kernel, c = (int(rng.integers(1, 5)), int(rng.integers(1, 5))), int(rng.integers(1, 8))
    options, size, out = image(rng, kernel)
    options |= {"filterHeight": kernel[0], "filterWidth": kernel[1]}
    options["fusedActivationFunction"] = int(rng.choice(list(ACTIVATIONS.values())))
    x, y = (Tensor(name=n, shape=(SAMPLES, *s, c), scale=scale, zero=zero) for n, s in (("x", size), ("y", out)))
    return one_op(family, [x], [y], options, options_type="Pool2DOptions", version=2)


def rescaled(rng: np.random.Generator, family: str) -> bytes:
    """One QUANTIZE."""
    kinds = [Tensor(name=n, shape=(SAMPLES, 64), scale=s, zero=z) for n, (s, z) in (("x", grid(rng)), ("y", grid(rng)))]
    return one_op(family, kinds[:1], kinds[1:], {}, options_type="QuantizeOptions", version=2)


FAMILIES = {
    **{"CONV_2D": layer, "DEPTHWISE_CONV_2D": layer, "FULLY_CONNECTED": layer},
    **{"AVERAGE_POOL_2D": pool, "MAX_POOL_2D": pool, "QUANTIZE": rescaled},
}


def wide(rng: np.random.Generator, family: str) -> bytes:
    """One operator of 16-bit activations, 8-bit weights and 64-bit biases, of the size of one pixel."""
    c, o, ys = int(rng.integers(1, 40)), int(rng.integers(1, 8)), float(np.float32(10 ** rng.uniform(-5, -3)))
    ws = np.float32(10 ** rng.uniform(-3, -2, o))
    xs = float(np.float32(ys / ws[0] / 10 ** rng.uniform(1.5, 3.5)))
    layer, lead = (
        ("FullyConnectedOptions", (SAMPLES,)) if family == "FULLY_CONNECTED" else ("Conv2DOptions", (SAMPLES, 1, 1))
    )
    sizes = {} if family == "FULLY_CONNECTED" else dict.fromkeys(WINDOW, 1)
    kernel, axis, version = ((), 0, 7) if family == "FULLY_CONNECTED" else ((1, 1), 0, 4)
    shape, channels = (o, *kernel, c), c
    if family == "DEPTHWISE_CONV_2D":
        layer, sizes, shape, channels, axis = (
            "DepthwiseConv2DOptions",
            {**sizes, "depthMultiplier": o},
            (1, 1, 1, o),
            1,
            3,
        )
    tensors = [
        Tensor(name="x", shape=(*lead, channels), dtype="int16", scale=xs),
        Tensor(name="w", codes=rng.integers(-127, 128, shape).astype(np.int8), scale=ws.tolist(), axis=axis),
        Tensor(name="b", codes=rng.integers(-(10**6), 10**6, o), dtype="int64", scale=(xs * ws).tolist()),
    ]
    y = Tensor(name="y", shape=(*lead, o), dtype="int16", scale=ys)
    return one_op(family, tensors, [y], sizes, options_type=layer, version=version)


@pytest.mark.parametrize("family", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_activations_of_16_bits(family: str) -> None:
    """15-bit multipliers; LiteRT's FULLY_CONNECTED is float64 and refused."""
    rng = np.random.default_rng(2)
    for _ in range(MODELS):
        model = wide(rng, family)
        for engine, contract in CONTRACTS.items():
            if (family, engine) == ("FULLY_CONNECTED", "litert"):
                with pytest.raises(ValueError, match="float64 sums of 16 bits; read it as tflm_double"):
                    read_tflite(model, contract)
                continue
            g = read_tflite(model, contract)
            x = rng.integers(-32768, 32768, (SAMPLES, *g.inputs[0].type.sample_shape)).astype(np.int16)
            got = simulate(g, {"x": x})["y"]
            assert_same(run(model, [x], engine)[0], got, what=f"{family} {engine}")
    check_engines(g, {"x": x}, against=("c", "ort", "onnx_reference"))


def fuzz(family: str, outputs: int, seed: int = 0) -> int:
    """Outputs compared on each engine, of at least `MODELS` models."""
    rng, count = np.random.default_rng(seed), 0
    for models in itertools.count():
        if models >= MODELS and count >= outputs:
            break
        model, size = FAMILIES[family](rng, family), 0
        for engine, contract in CONTRACTS.items():
            g = read_tflite(model, contract)
            (x,) = g.inputs
            shape = (SAMPLES, *x.type.sample_shape)
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


def single(x: float, w: float, y: float, weight_zero: int = 0) -> bytes:
    """FULLY_CONNECTED of one input code times 1 and times 127, all codes as samples."""
    tensors = [
        Tensor(name="x", shape=(256, 1), scale=x),
        Tensor(name="w", codes=np.array([[1], [127]], np.int8), scale=[w], zero=weight_zero),
        Tensor(name="b", codes=np.zeros(2, np.int32), dtype="int32", scale=[x * w]),
    ]
    out = Tensor(name="y", shape=(256, 2), scale=y)
    return one_op("FULLY_CONNECTED", tensors, [out], {}, options_type="FullyConnectedOptions", version=4)


def test_exact_ties_of_quotients_that_are_no_powers_of_two() -> None:
    """``acc / q`` for all codes; LiteRT's float64 rounds some ties of 1 / 98 up and others down: refused."""
    x = np.arange(-128, 128).astype(np.int8)[:, None]
    for q in range(1, 128):
        for xs, ws, ys in ((1.0, 1.0, float(q)), (0.1, 0.1, 0.01 * q), (0.3, 0.7, 0.21 * q)):
            model = single(*(float(np.float32(s)) for s in (xs, ws, ys)))
            for engine, contract in CONTRACTS.items():
                if (q, xs, engine) == (98, 1.0, "litert"):
                    with pytest.raises(ValueError, match="has the bits of float64"):
                        read_tflite(model, contract)
                    continue
                g = read_tflite(model, contract)
                assert_same(run(model, [x], engine)[0], simulate(g, {"x": x})["y"], what=f"{q} {xs} {engine}")


def test_zero_points_of_weights() -> None:
    """Both engines honour them, so do we."""
    x = np.arange(-128, 128).astype(np.int8)[:, None]
    for engine, contract in CONTRACTS.items():
        model = single(0.5, 0.25, 0.3, weight_zero=5)
        got = simulate(read_tflite(model, contract), {"x": x})["y"]
        assert_same(run(model, [x], engine)[0], got, what=engine)


def test_fully_connected_weights_of_4_bits() -> None:
    """LiteRT alone takes them."""
    rng = np.random.default_rng(11)
    for _ in range(40):
        model = layer(rng, "FULLY_CONNECTED", four=True)
        g = read_tflite(model)
        x = rng.integers(-128, 128, (SAMPLES, *g.inputs[0].type.sample_shape)).astype(np.int8)
        assert_same(run(model, [x], "litert")[0], simulate(g, {"x": x})["y"])
        with pytest.raises(ValueError, match="TFLM's FULLY_CONNECTED takes no INT4 weights"):
            read_tflite(model, "tflm_double")
