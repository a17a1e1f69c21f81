"""Softmax against ONNX Runtime: random rows, rows of near equals, rows of one peak."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.dialects.ort_softmax import exps, softmax
from hwsim.formats import INT8, INT16
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QType
from tests.backends import check_engines
from tests.oracles.ort_ops import Codes, between, qlinear

from .one_ort_op import DTYPES, FORMATS, codes, compare, graph_of, kind, refuses


def build(g: Graph, x: list[Value], out: QType) -> Value:
    return softmax(g, x[0], out, name="y")


def rows(rng: np.random.Generator, dtype: str, keys: int) -> Codes:
    every, fmt = codes(dtype), FORMATS[dtype]
    near = np.clip(
        rng.integers(fmt.min_int, fmt.max_int, (20, 1)) + rng.integers(-3, 4, (20, keys)), every[0], every[-1]
    )
    peak = np.where(np.arange(keys) == rng.integers(0, keys, (20, 1)), every[-1], every[0])
    return np.concatenate([rng.choice(every, (40, keys)), near, peak]).astype(dtype)


@pytest.mark.parametrize("level", ["QLinearSoftmax", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_as_onnxruntime_has_them(dtype: str, level: str) -> None:
    rng, outputs, lo = np.random.default_rng(3), 0, FORMATS[dtype].min_int
    for i in range(90):
        t, out = kind(rng, dtype), (1 / 256, lo)
        if i % 3 == 0:
            out = (float(np.float32(rng.uniform(0.002, 0.02))), int(rng.choice([lo, lo + 3, lo + 128])))
        x = rows(rng, dtype, int(rng.choice([1, 2, 3, 10, 64, 100, 1000])))
        if level == "QLinearSoftmax":
            want = qlinear(level, [(x, t)], out, {"axis": -1, "opset": 13})
        else:
            want = between("Softmax", x, t, out, {"axis": -1}, level)
        outputs += compare(want, build, [(x, t)], out)
    assert outputs >= 100_000


def test_every_engine_of_ours() -> None:
    rng = np.random.default_rng(4)
    for dtype, keys, scale in (("int8", 10, 0.1), ("uint8", 1, 0.03), ("uint8", 33, 0.02)):
        x = rows(rng, dtype, keys)
        g = graph_of(build, [(x, (scale, 3))], (1 / 256, FORMATS[dtype].min_int))
        check_engines(g, {"x0": x})


def test_the_table_fits_32_bits_a_row() -> None:
    for keys in (1, 2, 7, 4096):
        assert int(exps(0.05, keys)[-1]) * keys < 1 << 32
        assert exps(0.05, keys)[0] >= 0


def test_what_onnxruntime_does_not_take_is_refused() -> None:
    g = Graph()
    x = g.input("x", QType((BATCH, 3), INT16, 0.1))
    refuses("softmax 'y': int16, int8; ONNX Runtime", lambda: build(g, [x], QType((1,), INT8, 0.1)))
    flat = g.input("flat", QType((BATCH,), INT8, 0.1))
    refuses("need a last axis besides the batch", lambda: build(g, [flat], QType((1,), INT8, 0.1)))
