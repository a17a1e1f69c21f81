"""Contracts against the engines they are named after, on layers that tie and saturate, through the graph."""

from functools import cache
from itertools import combinations

import numpy as np
import pytest

import hwsim
from hwsim.contracts import OnnxFloat, TflmDouble, TflSingle
from tests.compare import assert_same
from tests.oracles.layers import Layer, cases, probes
from tests.oracles.onnx_models import runtime
from tests.oracles.tflite import conv_1x1, fully_connected, run_litert, run_tflm

CHOICES = {
    "per_tensor": cases(per_channel=False),
    "per_channel": cases(per_channel=True),
    "probe": probes(few_bits=False),
    "tie_probe": probes(few_bits=True),
}
both_engines = pytest.mark.parametrize("engine", hwsim.simulation.ENGINES)
all_cases = pytest.mark.parametrize("case", CHOICES)


@cache
def oracle(name, case):
    """Output codes of every layer of a case by one outside engine."""
    return [ORACLES[name](layer, x) for layer, x in CHOICES[case]]


def onnx_layer(layer: Layer, x):
    """ONNX Runtime's QLinearConv over one pixel: the one QLinear operator with a bias."""
    given = {
        "x": x[:, :, None, None],
        "xs": layer.x_scale,
        "xz": np.int8(layer.x_zero),
        "w": layer.weight.T.astype(np.int8)[:, :, None, None],
        "ws": layer.weight_scale if len(layer.weight_scale) > 1 else layer.weight_scale[0],
        "wz": np.zeros(len(layer.weight_scale), np.int8) if len(layer.weight_scale) > 1 else np.int8(0),
        "ys": layer.y_scale,
        "yz": np.int8(layer.y_zero),
        "b": layer.bias.astype(np.int32),
    }
    return runtime("QLinearConv", given, "int8").reshape(len(x), -1)


ORACLES = {
    "tflm": lambda layer, x: run_tflm(fully_connected(layer, len(x)), x),
    "litert_reference": lambda layer, x: run_litert(fully_connected(layer, len(x)), x, "reference"),
    "litert_xnnpack": lambda layer, x: run_litert(fully_connected(layer, len(x)), x, "xnnpack"),
    "litert_reference_conv": lambda layer, x: run_litert(conv_1x1(layer, len(x)), x, "reference"),
    "litert_xnnpack_conv": lambda layer, x: run_litert(conv_1x1(layer, len(x)), x, "xnnpack"),
    "onnxruntime_conv": onnx_layer,
}


def check(contract_of, name, case, engine):
    for (layer, x), expected in zip(CHOICES[case], oracle(name, case), strict=True):
        got = hwsim.simulate(layer.graph(contract_of(layer)), {"x": x}, engine=engine)["y"]
        assert_same(expected, got, layer.accumulators(x), what=f"{name}, {case}, {engine}")


@pytest.mark.parametrize("case", ["per_tensor", "per_channel", "tie_probe"])
def test_the_cases_tie_and_saturate_on_both_sides(case):
    ties = sum(int(layer.ties(x).sum()) for layer, x in CHOICES[case])
    codes = np.concatenate([y.ravel() for y in oracle("tflm", case)])
    assert ties > 200
    assert (codes == -128).sum() > 200
    assert (codes == 127).sum() > 200
    assert codes.size >= (100_000 if case.startswith("per_") else 16_000)


@all_cases
def test_the_cases_tell_the_engines_apart(case):
    """Else agreement would show nothing."""
    names = ("tflm", "litert_reference", "onnxruntime_conv")
    for a, b in combinations(names, 2):
        differ = sum(int((x != y).sum()) for x, y in zip(oracle(a, case), oracle(b, case), strict=True))
        assert differ > 10, f"{a} and {b} agree"


@both_engines
@all_cases
def test_tflm_double_is_tflm(case, engine):
    check(lambda layer: TflmDouble.of(layer.ratio), "tflm", case, engine)


@all_cases
def test_tflm_double_is_litert_reference_conv(case):
    check(lambda layer: TflmDouble.of(layer.ratio), "litert_reference_conv", case, "numba")


@both_engines
@pytest.mark.parametrize("name", ["onnxruntime_conv", "litert_xnnpack", "litert_xnnpack_conv"])
@all_cases
def test_onnx_float_is_onnxruntime_and_xnnpack(case, name, engine):
    check(lambda layer: OnnxFloat.of(layer.float32_ratio), name, case, engine)


@both_engines
@pytest.mark.parametrize("case", ["per_tensor", "per_channel", "tie_probe"])
def test_tfl_single_is_litert_reference(case, engine):
    """Exact ties and saturation included; not the probe of arbitrary ratios within 2**-31 of a tie (see TflSingle)."""
    check(lambda layer: TflSingle.of(layer.ratio), "litert_reference", case, engine)


@pytest.mark.parametrize("case", ["per_tensor", "per_channel", "tie_probe"])
def test_the_older_single_rounding_differs_on_every_negative_tie(case):
    negative_ties = 0
    for (layer, x), expected in zip(CHOICES[case], oracle("litert_reference", case), strict=True):
        made = TflSingle.of(layer.ratio)
        older = TflSingle(multiplier=made.multiplier, shift=made.shift, rounding="half_up")
        got = hwsim.simulate(layer.graph(older), {"x": x})["y"]
        up = layer.ties(x) & (layer.accumulators(x) < 0)
        assert_same(expected + up, got, layer.accumulators(x), what=case)
        negative_ties += int(up.sum())
    assert negative_ties > 100


@both_engines
@pytest.mark.parametrize("per_channel", [False, True])
def test_onnx_float_is_onnxruntime_qlinear_matmul(per_channel, engine):
    outputs = ties = saturated = 0
    for layer, x in cases(per_channel=per_channel):
        layer = Layer(**{**vars(layer), "bias": np.zeros_like(layer.bias)})
        scale = layer.weight_scale if per_channel else layer.weight_scale[0]
        given = {
            "a": x,
            "as": layer.x_scale,
            "az": np.int8(layer.x_zero),
            "b": layer.weight.astype(np.int8),
            "bs": scale,
            "bz": np.zeros(np.shape(scale), np.int8),
            "ys": layer.y_scale,
            "yz": np.int8(layer.y_zero),
        }
        expected = runtime("QLinearMatMul", given, "int8")
        got = hwsim.simulate(layer.graph(OnnxFloat.of(layer.float32_ratio)), {"x": x}, engine=engine)["y"]
        assert_same(expected, got, layer.accumulators(x))
        outputs, ties = outputs + got.size, ties + int(layer.ties(x).sum())
        saturated += int(((got == -128) | (got == 127)).sum())
    assert outputs >= 100_000
    assert ties > 200
    assert saturated > 200
