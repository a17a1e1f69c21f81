"""Softmax of INT16: ties, rows of one code, arguments past -10, odd lengths, against both engines and on ours."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hwsim.dialects.tflite_softmax16 import LONGEST, OUT, softmax16
from hwsim.formats import INT16
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QType
from tests.backends import check_engines

from .one_op import CONTRACTS, Build, compare, graph_of

RESULT = (2.0**-15, 0)


def builder(beta: float) -> Build:
    def build(g: Graph, x: list[Value], out: QType, contract: str) -> Value:
        return softmax16(g, x[0], out, contract, beta=beta, name="y")

    return build


def rows(rng: np.random.Generator, length: int, count: int = 100) -> NDArray[np.int16]:
    """Wide, narrow and constant rows, with both ends of the format."""
    spread = 10 ** rng.uniform(0, 4.3, (count, 1))
    x = np.clip(rng.normal(0, spread, (count, length)), -32768, 32767).astype(np.int16)
    x[:20] = rng.integers(-32768, 32768, (20, length))
    x[20:24] = np.array([-32768, 32767, 0, 5])[:, None]
    x[24:30, 0], x[24:30, 1:] = 32767, -32768
    return x


def test_rows_as_the_engines_have_them() -> None:
    rng, outputs = np.random.default_rng(16), 0
    for i in range(40):
        length = (1, 2, 3, 7, 10, 64, 257, 511)[i % 8]
        x, beta = rows(rng, length), float(rng.choice([1.0, 0.5, 2.25, 20.0]))
        scale = float(np.float32(rng.choice([2.0 ** -rng.integers(5, 16), 10 ** rng.uniform(-6, -1.5)])))
        op = ("SOFTMAX", "SoftmaxOptions", {"beta": beta})
        outputs += compare(op, builder(beta), {"x": (x, (scale, 0))}, RESULT, x.shape, version=3)
    assert outputs >= 100_000


@pytest.mark.parametrize("contract", CONTRACTS.values())
def test_inner_axes_and_every_engine_of_ours(contract: str) -> None:
    x = rows(np.random.default_rng(17), 30).reshape(50, 2, 3, 10)
    inputs = {"x": (x, (float(np.float32(0.0007)), 0))}
    engines = [e for e, c in CONTRACTS.items() if c == contract]
    op = ("SOFTMAX", "SoftmaxOptions", {"beta": 1.0})
    compare(op, builder(1.0), inputs, RESULT, x.shape, engines=engines, version=3)
    check_engines(graph_of(builder(1.0), inputs, RESULT, contract), {"x": x})


def test_other_types_are_refused() -> None:
    g = Graph()
    x = g.input("x", QType((BATCH, 3), INT16, 0.1))
    with pytest.raises(ValueError, match=r"TFLite's is INT16 to INT16, zero points 0, the result's scale 2\*\*-15"):
        softmax16(g, x, QType((1,), INT16, 0.1), "tfl_single", name="y")
    long = g.input("long", QType((BATCH, LONGEST + 1), INT16, 0.1))
    with pytest.raises(ValueError, match="need a last axis of at most 32767"):
        softmax16(g, long, OUT, "tfl_single", name="y")
