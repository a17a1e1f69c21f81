import numpy as np
import pytest

from hwsim import FP4_E2M1, INT8, QType
from hwsim.ops import Expand
from tests.oracles.one_op import refuses, run, t, tensor


@pytest.mark.parametrize("shape", [(1, 3, 1), (2, 3, 1), (1, 3, 4), (2, 3, 4)])
def test_axes_of_one_are_repeated(shape):
    x = np.array([[[5], [-6], [7]]])
    y = run(Expand(shape=shape), tensor(x, INT8, 0.5, 3))
    assert y.type == QType(shape, INT8, 0.5, 3)
    assert y.codes.tolist() == [[[v] * shape[2] for v in (5, -6, 7)]] * shape[0]


def test_floats_and_batches():
    assert run(Expand(shape=(3,)), tensor(np.array([15]), FP4_E2M1)).codes.tolist() == [15, 15, 15]
    assert Expand(shape=(4, 3)).out_type(t("N", 1, 3)).shape == ("N", 4, 3)


def test_refusals():
    refuses(Expand(shape=(3,)), (t(2),), "(2,)", "(3,)")
    refuses(Expand(shape=(1,)), (t(2),), "(2,)", "(1,)")
    refuses(Expand(shape=(2, 1)), (t(1),), "(1,)", "(2, 1)")
    refuses(Expand(shape=(0,)), (t(1),), "(0,)")
    refuses(Expand(shape=(2, 3)), (t("N", 3),), "(3,)", "(2, 3)")
    refuses(Expand(shape=(2,)), (t(1, scale=(1.0,), axis=0),), "per-channel")
