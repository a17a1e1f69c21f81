"""Means and sums over one and several axes, with counts that are no powers of two, against both engines."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.dialects.tflite_reduce import divided, mean
from hwsim.formats import INT8, INT16
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QType
from tests.backends import check_engines
from tests.oracles.tflite_ops import Tensor

from .one_op import ENDS, Build, compare, graph_of, kind

AXES = ((1, 2), (2, 1), (3,), (1,), (2,), (1, 2, 3), (2, 3))


def builder(axes: tuple[int, ...], keep: bool, total: bool) -> Build:
    def build(g: Graph, x: list[Value], out: QType, contract: str) -> Value:
        return mean(g, x[0], out, axes, keep=keep, total=total, name="y")

    return build


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("op", ["MEAN", "SUM"])
def test_as_the_engines_have_them(op: str, dtype: str) -> None:
    rng, outputs = np.random.default_rng(13), 0
    lo, hi = ENDS[dtype]
    engines = ("litert", "tflm") if op == "MEAN" else ("tflm",)
    for i in range(210):
        shape = (48, *(int(n) for n in rng.integers(1, 10, 2)), int(rng.choice([1, 2, 3, 7, 16])))
        axes, keep, source = AXES[i % len(AXES)], i % 2 == 0, kind(rng, dtype)
        out = (kind(rng, dtype), source, (source[0], kind(rng, dtype)[1]))[i % 3]
        x = np.clip(source[1] + rng.normal(0, hi / 8, shape), lo, hi).astype(dtype)
        x[:16], x[16], x[17] = rng.integers(lo, hi + 1, (16, *shape[1:])), lo, hi
        result = tuple(1 if a in axes else d for a, d in enumerate(shape) if keep or a not in axes)
        constant = Tensor(name="axes", dtype="int32", codes=np.array(axes, np.int32))
        how = (op, "ReducerOptions", {"keepDims": keep})
        build = builder(axes, keep, op == "SUM")
        outputs += compare(how, build, {"x": (x, source)}, out, result, constants=[constant], engines=engines)
    assert outputs >= 100_000


@pytest.mark.parametrize("keep", [True, False])
def test_every_engine_of_ours(keep: bool) -> None:
    x = np.random.default_rng(14).integers(-128, 128, (9, 3, 5, 7)).astype(np.int8)
    check_engines(graph_of(builder((1, 2), keep, False), {"x": (x, (0.05, -128))}, (0.03, 11), "tfl_single"), {"x": x})


def test_the_count_is_divided_in_integers() -> None:
    whole = divided(0.75, 1)
    assert (whole.multiplier, whole.shift) == ((3 << 29,), (0,))
    third = divided(0.75, 3)
    assert (third.multiplier, third.shift) == (((3 << 30) // 3,), (-1,))
    assert divided(0.75, 7).multiplier == ((3 << 31) // 7,)  # cut, not rounded


def test_two_formats_are_refused() -> None:
    g = Graph()
    x = g.input("x", QType((BATCH, 3), INT8, 0.1))
    with pytest.raises(ValueError, match="both must be INT8 or both INT16"):
        mean(g, x, QType((1,), INT16, 0.1), (1,), name="y")
