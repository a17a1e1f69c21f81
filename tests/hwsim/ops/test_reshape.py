import numpy as np

from hwsim import FP4_E2M1, INT8, QType
from hwsim.ops import Reshape
from tests.compare import assert_same
from tests.oracles.one_op import refuses, run, t, tensor


def test_row_major_order_stays():
    x = np.arange(24).reshape(2, 3, 4)
    for shape in ((24,), (4, 6), (3, 2, 2, 2), (1, 24, 1)):
        y = run(Reshape(shape=shape), tensor(x, INT8, 0.5, 3))
        assert y.type == QType(shape, INT8, 0.5, 3)
        assert_same(list(range(24)), [int(v) for v in y.codes.flat])


def test_single_elements_and_floats():
    assert run(Reshape(shape=()), tensor(np.array([[5]]))).codes.shape == ()
    assert run(Reshape(shape=(1, 1)), tensor(np.array(7))).codes.tolist() == [[7]]
    assert_same([[0, 15]], run(Reshape(shape=(1, 2)), tensor(np.array([0, 15]), FP4_E2M1)).codes)


def test_the_batch_stays():
    assert Reshape(shape=(6,)).out_type(t("N", 2, 3)).shape == ("N", 6)
    assert Reshape(shape=()).out_type(t("N", 1)).shape == ("N",)


def test_refusals():
    refuses(Reshape(shape=(7,)), (t(2, 3),), "(2, 3)", "6", "(7,)", "7")
    refuses(Reshape(shape=(-1, 3)), (t(2, 3),), "(-1, 3)")
    refuses(Reshape(shape=(0, 6)), (t(2, 3),), "(0, 6)")
    refuses(Reshape(shape=(6,)), (t(2, 3, scale=(1.0, 2.0), axis=0),), "per-channel")
