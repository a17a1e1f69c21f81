"""Operations that move codes, beside ONNX Runtime: exact at every optimisation level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from codegen.onnx_reader import read_onnx
from tests.backends import check_engines
from tests.codegen.onnx_integer.models import differences
from tests.codegen.onnx_integer.qdq import I8, Qdq
from tests.compare import assert_refused

SHAPE = (4, 6, 5)
Make = Callable[[Qdq], Any]


def ints(n: Qdq, *values: int) -> str:
    return n.constant(np.asarray(values, np.int64))


CASES: dict[str, Make] = {
    "reshape": lambda n: n.node("Reshape", n.x, ints(n, 0, 12, -1)),
    "reshape flat": lambda n: n.node("Reshape", n.x, ints(n, -1, 120)),
    "flatten": lambda n: n.node("Flatten", n.x),
    "transpose": lambda n: n.node("Transpose", n.x, perm=[0, 2, 3, 1]),
    "squeeze": lambda n: n.node("Squeeze", n.node("Unsqueeze", n.x, ints(n, 2, -1)), ints(n, 2)),
    "slice": lambda n: n.node("Slice", n.x, ints(n, 1, -4), ints(n, 3, 100), ints(n, 1, 2), ints(n, 1, 2)),
    "split": lambda n: n.node("Split", n.x, ints(n, 1, 3), outs=2, axis=1)[1],
    "split evenly": lambda n: n.node("Split", n.x, outs=2, axis=3, num_outputs=2)[1],
    "gather one": lambda n: n.node("Gather", n.x, n.constant(np.asarray(-2, np.int64)), axis=2),
    "gather run": lambda n: n.node("Gather", n.x, ints(n, 1, 2), axis=1),
    "pad": lambda n: n.node("Pad", n.x, ints(n, 0, 1, 0, 2, 0, 0, 1, 1), n.constant(np.asarray(0, np.float32))),
    "expand": lambda n: n.node("Expand", n.node("GlobalMaxPool", n.x), ints(n, 1, 1, 6, 5)),
    "max pool": lambda n: n.node("MaxPool", n.x, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1]),
    "max pool same": lambda n: n.node("MaxPool", n.x, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "global max pool": lambda n: n.node("GlobalMaxPool", n.x),
    "identity": lambda n: n.node("Identity", n.node("Flatten", n.x)),
    "twice": lambda n: n.node("Transpose", n.node("MaxPool", n.x, kernel_shape=[2, 2]), perm=[0, 2, 1, 3]),
}


@pytest.mark.parametrize("zero", [np.uint8(7), I8(-128)], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_codes_move(name: str, zero: Any) -> None:
    n = Qdq(*SHAPE, zero=zero)
    model = n.done(CASES[name](n)).SerializeToString()
    graph = read_onnx(model)
    x = np.random.default_rng(0).normal(0, 8, (40, *SHAPE)).astype(np.float32)
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"):
        found = differences(graph, model, x, level)
        assert not any(differ for _, differ, _ in found.values()), found
    check_engines(graph, {"x": x[:3]})


REFUSED: dict[str, tuple[Make, str]] = {
    "the batch is reshaped away": (lambda n: n.node("Reshape", n.x, ints(n, 60, -1)), "batch"),
    "the batch is transposed": (lambda n: n.node("Transpose", n.x, perm=[1, 0, 2, 3]), "batch"),
    "backwards": (lambda n: n.node("Slice", n.x, ints(n, -1), ints(n, -9), ints(n, 1), ints(n, -1)), "step -1"),
    "scattered": (lambda n: n.node("Gather", n.x, ints(n, 0, 3), axis=1), "[0, 3]"),
    "reflecting": (lambda n: n.node("Pad", n.x, ints(n, 0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"), "reflect"),
    "dilated": (lambda n: n.node("MaxPool", n.x, kernel_shape=[2, 2], dilations=[2, 2]), "dilation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, culprit = REFUSED[name]
    n = Qdq(*SHAPE)
    y = make(n)
    model = n.done(y)
    assert_refused(lambda: read_onnx(model), culprit)
