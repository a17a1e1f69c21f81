"""Shapes that broadcast, borders, batches: corners where a wrong graph would look right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from codegen import explain
from codegen.onnx_reader import read_onnx
from tests.codegen.onnx_integer.models import differences
from tests.codegen.onnx_integer.qdq import I8, U8, Qdq
from tests.compare import assert_refused

RNG = np.random.default_rng(3)
SHAPE = (4, 4, 4)
X = RNG.normal(0, 4, (5, *SHAPE)).astype(np.float32)


def close(n: Qdq, y: str, x: np.ndarray, level: str = "ORT_ENABLE_ALL") -> bool:
    """Read, and equal to ONNX Runtime but for ties of its float sums."""
    model = n.done(y, 0.3, U8(100))
    found = differences(read_onnx(model), model.SerializeToString(), x, level)
    return all(largest <= 1 and differ <= 0.01 * codes for codes, differ, largest in found.values())


def weights(n: Qdq, *shape: int) -> str:
    return n.codes(RNG.integers(-60, 61, shape).astype(I8), 0.02, I8(0))


def image(n: Qdq) -> str:
    """A convolution's result, which lies channels-last."""
    return n.pair(n.node("Conv", n.x, weights(n, 4, 4, 1, 1)), 0.2, U8(90))


@pytest.mark.parametrize("op", ["Add", "Mul"])
@pytest.mark.parametrize("shape", [(4,), (4, 4), (4, 1), (4, 1, 1), (1, 4, 1, 1), (1,)], ids=str)
def test_constants_broadcast_over_images_from_the_right(shape: tuple[int, ...], op: str) -> None:
    n = Qdq(*SHAPE)
    constant = n.codes(RNG.integers(0, 256, shape).astype(U8), 0.05, U8(40))
    assert close(n, n.node(op, image(n), constant), X)


@pytest.mark.parametrize(
    ("shape", "read"), [((6,), True), ((1, 6), True), ((1, 1, 6), True), ((6, 1), False), ((1, 6, 1), False)]
)
def test_a_bias_varies_along_channels_alone(shape: tuple[int, ...], read: bool) -> None:
    n = Qdq(6, 6)
    bias = n.constant(RNG.normal(0, 3, shape).astype(np.float32))
    y = n.node("Add", n.node("MatMul", n.x, weights(n, 6, 6)), bias)
    x = RNG.normal(0, 4, (5, 6, 6)).astype(np.float32)
    if read:
        assert close(n, y, x, "ORT_DISABLE_ALL")
    else:
        model = n.done(y)
        assert_refused(lambda: read_onnx(model), "Add", "quantize")


@pytest.mark.parametrize(("value", "read"), [(0.0, True), (0.25, True), (0.625, False), (1000.0, False)])
def test_a_border_that_nothing_quantizes_is_a_number_of_the_grid(value: float, read: bool) -> None:
    def padded(n: Qdq) -> str:
        pads = n.constant(np.asarray([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        return n.node("Pad", n.x, pads, n.constant(np.asarray(value, np.float32)))

    n = Qdq(*SHAPE, scale=0.25)
    y = n.node("Conv", padded(n), weights(n, 3, 4, 2, 2))
    if read:
        assert close(n, y, X, "ORT_DISABLE_ALL")
    else:
        model = n.done(y)
        assert_refused(lambda: read_onnx(model), f"pads with {value}")
    n = Qdq(*SHAPE, scale=0.25)
    model = n.done(padded(n), 0.25, U8(7))
    assert not any(d for _, d, _ in differences(read_onnx(model), model.SerializeToString(), X).values())


def test_a_border_of_named_axes() -> None:
    n = Qdq(2, 3, 7)
    y = n.node(
        "Pad", n.x, n.constant(np.asarray([0, 2, 1, 0, 1, 0], np.int64)), n.constant(np.float32(0)),
        n.constant(np.asarray([3, -2, 1], np.int64)),
    )  # fmt: skip
    model = n.done(y)
    x = RNG.normal(0, 4, (5, 2, 3, 7)).astype(np.float32)
    assert not any(
        d for _, d, _ in differences(read_onnx(model), model.SerializeToString(), x, "ORT_DISABLE_ALL").values()
    )


def test_codes_that_move_before_a_real_output() -> None:
    n = Qdq(*SHAPE)
    (v,) = read_onnx(n.model(n.node("Flatten", n.x))).outputs
    assert v.type.sample_shape == (64,)


def test_a_file_of_one_sample_runs_sample_by_sample(tmp_path) -> None:
    n = Qdq(6)
    model = n.done(n.node("MatMul", n.x, weights(n, 6, 5)), 0.3)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    for o in (*model.graph.output, *model.graph.value_info):
        o.type.tensor_type.ClearField("shape")
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "one.onnx")
    found = explain(tmp_path / "one.onnx", {"x": RNG.normal(0, 4, (5, 6)).astype(np.float32)}, against="ort")
    assert [(r.codes, r.largest <= 1) for r in found.rows] == [(25, True)]


Make = Callable[[Qdq], Any]
REFUSED: dict[str, tuple[Make, str]] = {
    "the constant first": (lambda n: n.node("MatMul", weights(n, 4, 4), n.x), "stands first"),
    "more than its bias": (
        lambda n: n.node("Gemm", n.node("Flatten", n.x), weights(n, 64, 3), n.constant(np.float32([1, np.nan, 2]))),
        "nan",
    ),
    "no such axis": (
        lambda n: n.node("MatMul", n.x, n.codes(np.ones((4, 4), I8), [0.1] * 4, np.zeros(4, I8), axis=3)),
        "axis 3",
    ),
    "nothing gathered": (lambda n: n.node("Gather", n.x, n.constant(np.zeros(0, np.int64)), axis=1), "gathers []"),
    "clips that meet nowhere": (
        lambda n: n.node(
            "Clip", n.node("Clip", n.node("MatMul", n.x, weights(n, 4, 4)), *limits(n, 3, 5)), *limits(n, -5, 1)
        ),
        "one constant",
    ),
}


def limits(n: Qdq, low: float, high: float) -> tuple[str, str]:
    return n.constant(np.float32(low)), n.constant(np.float32(high))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, culprit = REFUSED[name]
    n = Qdq(*SHAPE)
    model = n.done(make(n))
    assert_refused(lambda: read_onnx(model), culprit)


def gate(n: Qdq) -> str:
    """A channel's mean decides how much of it passes."""
    x = image(n)
    mean = n.pair(n.node("GlobalAveragePool", x), 0.1, U8(90))
    return n.node("Mul", x, n.pair(n.node("Sigmoid", mean), 1 / 256, U8(0)))


EXACT: dict[str, Make] = {
    "mean of an image as it came": lambda n: n.node("GlobalAveragePool", n.x),
    "average with padding": lambda n: n.node(
        "AveragePool", n.x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "average without padding": lambda n: n.node("AveragePool", n.x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "side by side on the last axis": lambda n: n.node("Concat", n.x, n.pair(n.node("Abs", n.x), 0.04, U8(0)), axis=-1),
    "side by side, channels last": lambda n: n.node("Concat", image(n), image(n), axis=-2),
    "channels last and not": lambda n: n.node("Add", image(n), n.x),
    "dense after channels last": lambda n: n.node("Gemm", n.node("Flatten", image(n)), weights(n, 3, 64), transB=1),
    "gate": gate,
}


@pytest.mark.parametrize("name", EXACT)
def test_layouts_do_not_matter(name: str) -> None:
    n = Qdq(*SHAPE)
    model = n.done(EXACT[name](n), 0.3, U8(100))
    found = differences(read_onnx(model), model.SerializeToString(), X)
    assert not any(differ for _, differ, _ in found.values()), found


def test_two_inputs_and_two_outputs(tmp_path) -> None:
    n = Qdq(*SHAPE)
    total = n.pair(n.node("Add", n.x, n.pair("z", 0.1, U8(50))), 0.2, U8(90))
    model = n.model(total, n.pair(n.node("Relu", total), 0.2, U8(0)), opset=21)
    model.graph.input.append(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["N", *SHAPE]))
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "two.onnx")
    found = explain(tmp_path / "two.onnx", {"x": X, "z": X[::-1].copy()}, against="ort")
    assert (found.ok, len(found.rows)) == (True, 2), str(found)
