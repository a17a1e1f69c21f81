"""Functions of one value: every code of 256, many types, against both engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hwsim.dialects.tflite_functions import FUNCTIONS16, KINDS, clamp, unary
from hwsim.formats import INT8, INT16
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QType
from tests.backends import check_engines

from .one_op import Build, compare, graph_of, kind

ALL = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
ALL16 = np.arange(-(1 << 15), 1 << 15, dtype=np.int16).reshape(1, -1)
RESULT16 = (2.0**-15, 0)
FIXED = {"logistic": (1 / 256, -128), "tanh": (1 / 128, 0)}  # types of the result that TFLite takes
OPTIONS = {"hard_swish": "HardSwishOptions", "exp": "ExpOptions", "abs": "AbsOptions", "neg": "NegOptions"}
LITERT = ("exp", "gelu", "gelu_tanh", "neg", "relu_n1_to_1", "relu_0_to_1")  # no kernel in TFLM
OPS = {"gelu_tanh": "GELU"}


def builder(name: str, alpha: float = 0.0) -> Build:
    def build(g: Graph, x: list[Value], out: QType, contract: str) -> Value:
        return unary(g, name, x[0], out, contract, alpha=alpha, name="y")

    return build


def operator(name: str, alpha: float) -> tuple[str, str | None, dict[str, Any]]:
    match name:
        case "leaky_relu":
            return "LEAKY_RELU", "LeakyReluOptions", {"alpha": alpha}
        case "gelu" | "gelu_tanh":
            return "GELU", "GeluOptions", {"approximate": name == "gelu_tanh"}
    return name.upper(), OPTIONS.get(name), {}


@pytest.mark.parametrize("name", KINDS)
def test_every_code_as_the_engines_have_it(name: str) -> None:
    rng, outputs = np.random.default_rng(5), 0
    engines = ("tflm",) if name == "elu" else ("litert",) if name in LITERT else ("litert", "tflm")
    for i in range(400):
        x = kind(rng)
        if name == "neg":
            x = (x[0], 0)
        out = x if name == "neg" or (i % 3 == 0 and name == "abs") else FIXED.get(name, kind(rng))
        if name == "hard_swish" and x[0] / out[0] >= 128:
            continue  # refused by both
        alpha = float(np.float32(rng.choice([0.1, 0.01, 0.25, 0.0, rng.uniform(-0.5, 1.5)])))
        op = operator(name, alpha)
        outputs += compare(op, builder(name, alpha), {"x": (ALL, x)}, out, ALL.shape, engines=engines, version=1)
    assert outputs >= 100_000


@pytest.mark.parametrize("name", KINDS)
def test_every_engine_of_ours(name: str) -> None:
    x, out = ((0.05, 0), (0.05, 0)) if name == "neg" else ((0.05, -3), FIXED.get(name, (0.04, 7)))
    check_engines(graph_of(builder(name, 0.25), {"x": (ALL, x)}, out, "tfl_single"), {"x": ALL})


@pytest.mark.parametrize("name", FUNCTIONS16)
def test_every_code_of_int16_as_the_engines_have_it(name: str) -> None:
    rng, outputs = np.random.default_rng(18), 0
    engines = ("litert",) if name == "neg" else ("litert", "tflm")
    near = [2.0**-12, 2.0**-11, 2.0**-10, 2.0**-15, 2.0**-12 * 1.0003, 2.0**-11 * 1.0003, 2.0**-11 * 1.002, 1e-6, 2.5]
    for s in (*near, *(10 ** rng.uniform(-5, 0, 12))):
        x = (float(np.float32(s)), 0)
        out = x if name == "neg" else RESULT16 if name in ("logistic", "tanh") else kind(rng, "int16")
        alpha = float(np.float32(rng.choice([0.1, 0.25, 0.0, rng.uniform(-0.5, 1.5)])))
        version = 3 if name in ("logistic", "tanh") else 1
        inputs = {"x": (ALL16, x)}
        outputs += compare(
            *(operator(name, alpha), builder(name, alpha), inputs, out, ALL16.shape), engines=engines, version=version
        )
    assert outputs >= 1_000_000


@pytest.mark.parametrize("name", FUNCTIONS16)
def test_every_engine_of_ours_in_int16(name: str) -> None:
    x = (float(np.float32(0.0003)), 0)
    out = x if name == "neg" else RESULT16 if name in ("logistic", "tanh") else (float(np.float32(0.0004)), 0)
    check_engines(graph_of(builder(name, 0.25), {"x": (ALL16, x)}, out, "tfl_single"), {"x": ALL16})


def test_fused_activations_end_where_they_saturate() -> None:
    assert clamp(QType((1,), INT8, 0.05, -128), "RELU6") == (-128, -8)
    assert clamp(QType((1,), INT8, 0.05, 3), "RELU") == (3, None)
    assert clamp(QType((1,), INT8, 2.0), "RELU_N1_TO_1") == (-1, 1)  # ties away from zero


def test_what_no_table_holds_is_refused() -> None:
    g = Graph()
    x = g.input("x", QType((BATCH, 3), INT8, 0.1, 5))
    wide = g.input("w", QType((BATCH, 3), INT16, 0.1))
    out = QType((1,), INT8, 0.1)
    with pytest.raises(ValueError, match="int16 to int8; a table takes INT8 to INT8 or INT16 to INT16"):
        unary(g, "tanh", wide, out, "tfl_single", name="y")
    with pytest.raises(ValueError, match="swish: no INT8 function under tfl_single; known are logistic"):
        unary(g, "swish", x, out, "tfl_single", name="y")
    with pytest.raises(ValueError, match="neg: LiteRT negates codes"):
        unary(g, "neg", x, out, "tfl_single", name="y")
    with pytest.raises(ValueError, match="neg: no INT8 function under tflm_double"):
        unary(g, "neg", x, out, "tflm_double", name="y")
    far = g.input("far", QType((BATCH, 3), INT8, 64.0))
    with pytest.raises(ValueError, match="128 or more, which TFLite refuses"):
        unary(g, "hard_swish", far, out, "tfl_single", name="y")
    with pytest.raises(ValueError, match="hard_swish: no INT16 function under tfl_single"):
        unary(g, "hard_swish", wide, QType((1,), INT16, 0.1), "tfl_single", name="y")
    with pytest.raises(ValueError, match=r"tanh: the result's scale is 0.1; TFLite's INT16 has 2\*\*-15"):
        unary(g, "tanh", wide, QType((1,), INT16, 0.1), "tfl_single", name="y")
    coarse = g.input("coarse", QType((BATCH, 3), INT16, 5.5))
    with pytest.raises(ValueError, match=r"logistic: scale 5\.5 overflows TFLite's int32"):
        unary(g, "logistic", coarse, QType((1,), INT16, 2.0**-15), "tfl_single", name="y")
    skewed = g.input("skewed", QType((BATCH, 3), INT16, 0.1, 5))
    with pytest.raises(ValueError, match="relu: INT16 has zero_point 0 in TFLite, not 5 and 0"):
        unary(g, "relu", skewed, QType((1,), INT16, 0.1), "tfl_single", name="y")
