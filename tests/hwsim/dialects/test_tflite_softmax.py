"""Softmax: ties, rows of one code, saturating arguments, odd lengths, against both engines and on ours."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hwsim.dialects.tflite_softmax import LONGEST, OUT, softmax
from hwsim.formats import INT8
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QType
from tests.backends import check_engines

from .one_op import Build, compare, graph_of, kind


def builder(beta: float) -> Build:
    def build(g: Graph, x: list[Value], out: QType, contract: str) -> Value:
        return softmax(g, x[0], out, beta=beta, name="y")

    return build


def rows(rng: np.random.Generator, length: int, count: int = 100) -> NDArray[np.int8]:
    """Wide, narrow and constant rows."""
    x = np.clip(rng.normal(0, rng.uniform(1, 80, (count, 1)), (count, length)), -128, 127).astype(np.int8)
    x[:20] = rng.integers(-128, -125, (20, length))
    x[20:40] = rng.integers(-128, 128, (20, length))
    x[40], x[41] = -128, 127
    return x


def test_rows_as_the_engines_have_them() -> None:
    rng, outputs = np.random.default_rng(6), 0
    for i in range(60):
        length = (1, 2, 3, 7, 10, 64, 257, 511)[i % 8]
        x, beta = rows(rng, length), float(rng.choice([1.0, 0.5, 2.25, 20.0]))
        op = ("SOFTMAX", "SoftmaxOptions", {"beta": beta})
        outputs += compare(op, builder(beta), {"x": (x, kind(rng))}, (2.0**-8, -128), x.shape)
    assert outputs >= 100_000


def test_inner_axes_and_every_engine_of_ours() -> None:
    x = rows(np.random.default_rng(7), 30).reshape(50, 2, 3, 10)
    out = (2.0**-8, -128)
    compare(("SOFTMAX", "SoftmaxOptions", {"beta": 1.0}), builder(1.0), {"x": (x, (0.07, 9))}, out, x.shape)
    check_engines(graph_of(builder(1.0), {"x": (x, (0.07, 9))}, out, "tfl_single"), {"x": x})


def test_sums_past_512_go_on() -> None:
    """Where TFLM stops: 1000 equal codes are 1/1000 each, rounded."""
    x = np.full((1, 1000), 5, np.int8)
    g = graph_of(builder(1.0), {"x": (x, (0.1, 0))}, (2.0**-8, -128), "tflm_double")
    check_engines(g, {"x": x}, {"y": np.full((1, 1000), -128, np.int8)})


def test_other_types_are_refused() -> None:
    g = Graph()
    x = g.input("x", QType((BATCH, 3), INT8, 0.1))
    with pytest.raises(ValueError, match="TFLite's is INT8 to INT8 with scale 1/256"):
        softmax(g, x, QType((1,), INT8, 0.1), name="y")
    long = g.input("long", QType((BATCH, LONGEST + 1), INT8, 0.1))
    with pytest.raises(ValueError, match="need a last axis of at most 4095"):
        softmax(g, long, OUT, name="y")
