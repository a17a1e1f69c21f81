"""Averages against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.dialects.ort_pool import average_pool, global_average_pool
from hwsim.formats import INT8, INT16
from hwsim.graph import Graph, Value
from hwsim.ops import Pool
from hwsim.qtensor import BATCH, QType
from tests.backends import check_engines
from tests.oracles.ort_ops import qlinear

from .one_ort_op import DTYPES, codes, compare, graph_of, kind, refuses


def whole(g: Graph, x: list[Value], out: QType) -> Value:
    return global_average_pool(g, x[0], out, name="y")


@pytest.mark.parametrize("channels_last", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_mean_of_an_image(dtype: str, channels_last: int) -> None:
    rng, outputs = np.random.default_rng(3), 0
    for i in range(120):
        t, out = kind(rng, dtype), kind(rng, dtype)
        t = out if i % 3 == 0 else t  # ties
        height, width = (int(n) for n in rng.integers(1, 15, 2))
        x = rng.choice(codes(dtype), (64, height, width, 15))
        x[0], x[1] = x.min(), x.max()
        given = x if channels_last else np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        y = qlinear("QLinearGlobalAveragePool", [(given, t)], out, {"channels_last": channels_last})
        outputs += compare(y if channels_last else y.transpose(0, 2, 3, 1), whole, [(x, t)], out)
    assert outputs >= 100_000


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("channels_last", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_mean_under_a_window(dtype: str, channels_last: int, same: bool) -> None:
    """With one type on both sides, as tools give it, a sum of an even count is often a tie."""
    rng, outputs = np.random.default_rng(5), 0
    for i in range(60):
        out = kind(rng, dtype)
        t = out if same else kind(rng, dtype)
        (height, width), (kh, kw), stride = rng.integers(4, 11, 2), rng.integers(1, 5, 2), rng.integers(1, 3, 2)
        top, left, bottom, right = (int(rng.integers(0, k)) for k in (kh, kw, kh, kw))
        x = rng.choice(codes(dtype), (20, height, width, 5))
        given = x if channels_last else np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        shape = {"kernel_shape": [int(kh), int(kw)], "strides": stride.tolist(), "pads": [top, left, bottom, right]}
        attrs = {**shape, "count_include_pad": i % 2, "channels_last": channels_last}
        want = qlinear("QLinearAveragePool", [(given, t)], out, attrs)
        kernel, steps = (int(kh), int(kw)), (int(stride[0]), int(stride[1]))
        op = Pool(kind="mean", kernel=kernel, stride=steps, padding=((top, bottom), (left, right)))

        def build(g: Graph, v: list[Value], o: QType, op: Pool = op, include: bool = bool(i % 2)) -> Value:
            return average_pool(g, v[0], o, op, include_pad=include, name="y")

        outputs += compare(want if channels_last else want.transpose(0, 2, 3, 1), build, [(x, t)], out)
    assert outputs >= 100_000


def test_every_engine_of_ours() -> None:
    x = np.random.default_rng(4).choice(codes("uint8"), (30, 5, 7, 3))
    check_engines(graph_of(whole, [(x, (0.05, 200))], (0.03, 7)), {"x0": x})


def test_what_onnxruntime_does_not_take_is_refused() -> None:
    g = Graph()
    x = g.input("x", QType((BATCH, 3, 3, 2), INT16, 0.1))
    pool = Pool(kind="mean", kernel=(2, 2))
    refuses("average_pool 'y': int16, int16", lambda: average_pool(g, x, x.type, pool, include_pad=True, name="y"))
    refuses("global_average_pool 'y': int16, int8; ONNX", lambda: whole(g, [x], QType((1,), INT8, 0.1)))
