from itertools import product

import numpy as np
import pytest

from hwsim import FP4_E2M1, INT8, INT16, INT32, INT64, QType
from hwsim.ops import Reduce
from tests.compare import assert_one_line, assert_same
from tests.oracles.floats import gfloat_values
from tests.oracles.one_op import codes, overflows, refuses, run, t, tensor

KINDS = {"sum": sum, "max": max, "min": min}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (2, 1), (0, 1, 2)])
def test_every_set_of_axes(kind, axes):
    x = np.random.default_rng(0).integers(-128, 128, (2, 3, 4))
    got = codes(Reduce(kind=kind, axes=axes), tensor(x))
    assert got.shape == tuple(1 if i in axes else d for i, d in enumerate(x.shape))
    for at in product(*map(range, got.shape)):
        spans = [range(d) if i in axes else [at[i]] for i, d in enumerate(x.shape)]
        assert int(got[at]) == KINDS[kind](int(x[where]) for where in product(*spans)), at


@pytest.mark.parametrize("kind", KINDS)
def test_zero_points_mean_the_same(kind):
    x = tensor(np.random.default_rng(1).integers(-128, 128, (5, 7)), INT8, 0.5, -9)
    y = run(Reduce(kind=kind, axes=(1,)), x)
    assert y.type.zero_point == (-63 if kind == "sum" else -9)
    assert_same([[KINDS[kind](row)] for row in x.dequantize().tolist()], y.dequantize())


@pytest.mark.parametrize("axes", [(1,), (0, 2)])
def test_a_mean_is_the_sum_on_a_finer_grid(axes):
    x = tensor(np.random.default_rng(2).integers(-128, 128, (2, 3, 4)), INT8, 0.5, -9)
    total, mean = (run(Reduce(kind=kind, axes=axes), x) for kind in ("sum", "mean"))
    count = 3 if axes == (1,) else 8
    assert_same(total.codes, mean.codes)
    assert (mean.type.scale, mean.type.zero_point) == (0.5 / count, -9 * count)
    assert np.allclose(mean.dequantize(), x.dequantize().mean(axes, keepdims=True), rtol=1e-12)


def test_floats_sum_on_their_grid():
    x = np.arange(16)[None]
    y = run(Reduce(kind="sum", axes=(1,)), tensor(x, FP4_E2M1, 3.0))
    assert y.dequantize().item() == 3 * gfloat_values(FP4_E2M1).sum() == 0
    assert run(Reduce(kind="max", axes=(1,)), tensor(x, FP4_E2M1, 3.0)).dequantize().item() == 18


def test_a_sum_bounds_its_partial_sums():
    x = np.array([[127, 127, -128, -128]])
    assert codes(Reduce(kind="sum", axes=(1,), fmt=INT16), tensor(x)).item() == -2
    overflows(Reduce(kind="sum", axes=(1,), fmt=INT16), (t(2, 257),), "-32896..32639", "int16")
    assert Reduce(kind="sum", axes=(1,), fmt=INT16).out_type(t(2, 256)) == QType((2, 1), INT16)
    assert_same([[-32768]], codes(Reduce(kind="sum", axes=(1,), fmt=INT16), tensor(np.full((1, 256), -128))))


def test_refusals():
    for call, culprit in (
        (lambda: Reduce(kind="median", axes=(1,)), "'median'"),
        (lambda: Reduce(kind="sum", axes=()), "()"),
        (lambda: Reduce(kind="sum", axes=(1, 1)), "(1, 1)"),
    ):
        with pytest.raises(ValueError, match="reduce") as e:
            call()
        assert_one_line(e.value, culprit)
    refuses(Reduce(kind="sum", axes=(2,)), (t(2, 3),), "axis 2", "(2, 3)")
    refuses(Reduce(kind="sum", axes=(-1,)), (t(2, 3),), "axis -1")
    refuses(Reduce(kind="sum", axes=(0,)), (t("N", 3),), "axis 0", "batch")
    refuses(Reduce(kind="sum", axes=(1,)), (t(2, 3, scale=(1.0,) * 3, axis=1),), "per-channel")
    refuses(Reduce(kind="sum", axes=(1,), fmt=INT8), (t(2, 3, zero=100),), "300", "int8")
    overflows(Reduce(kind="max", axes=(1,), fmt=INT8), (t(2, 3, fmt=INT32),), str(2**31 - 1), "int8")


def test_sums_of_squares():
    x = np.random.default_rng(0).integers(-32768, 32768, (4, 3, 5))
    got = run(Reduce(kind="sum_square", axes=(1,), fmt=INT64), tensor(x, INT16, 0.5))
    assert got.type == QType((4, 1, 5), INT64, 0.25)
    assert_same([[[sum(int(v) ** 2 for v in x[i, :, k]) for k in range(5)]] for i in range(4)], got.codes)
    assert_same(
        [[2 * 32768**2]],
        codes(Reduce(kind="sum_square", axes=(1,), fmt=INT64), tensor(x[:1, 0, :2] * 0 - 32768, INT16)),
    )
    overflows(Reduce(kind="sum_square", axes=(1,)), (t(2, 2, fmt=INT16),), "0..2147483648", "int32")
    refuses(Reduce(kind="sum_square", axes=(1,)), (t(2, 3, zero=5),), "zero_point 5")
