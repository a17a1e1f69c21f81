import numpy as np
import pytest

from hwsim import FP4_E2M1, INT8, UINT1, UINT8, UINT16, UINT32, QType
from hwsim.ops import Gather
from tests.compare import all_codes, assert_same
from tests.oracles.one_op import refuses, run, t, tensor


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_every_axis_and_index_shape(axis, shape):
    rng = np.random.default_rng(0)
    x, index = rng.integers(-128, 128, (3, 4, 5)), rng.integers(0, 7, shape)
    y = run(Gather(axis=axis), tensor(x, INT8, 0.5, 3), tensor(index, UINT8), constant=(1,))
    assert y.type == QType((*x.shape[:axis], *shape, *x.shape[axis + 1 :]), INT8, 0.5, 3)
    rows = np.moveaxis(x, axis, 0).tolist()
    taken = [rows[min(int(i), x.shape[axis] - 1)] for i in index.flat]
    ours = np.moveaxis(y.codes.reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :]), axis, 0)
    assert_same(taken, ours)


@pytest.mark.parametrize("fmt", [UINT8, UINT16, UINT32], ids=lambda f: f.name)
def test_an_index_past_the_end_takes_the_last_entry(fmt):
    table = np.arange(10, 13)
    index = all_codes(fmt) if fmt.bits <= 16 else np.array([0, 1, 2, 3, 2**31, 2**32 - 1])
    want = [[10, 11, 12][min(int(i), 2)] for i in index]
    assert_same(want, run(Gather(axis=0), tensor(table), tensor(index, fmt)).codes, index)


def test_an_embedding_by_a_batched_index():
    assert Gather(axis=0).out_type(t(10, 4), t("N", 3, fmt=UINT8)).shape == ("N", 3, 4)
    y = run(
        Gather(axis=0), tensor(np.arange(16), FP4_E2M1, 0.5), tensor(np.array([[15, 0], [7, 1]]), UINT8), constant=(0,)
    )
    assert y.codes.tolist() == [[15, 0], [7, 1]]
    assert Gather(axis=2).out_type(t("N", 2, 3), t(2, 2, fmt=UINT1)).shape == ("N", 2, 2, 2)


def test_refusals():
    index = t(2, fmt=UINT8)
    refuses(Gather(axis=0), (t(3), t(2)), "int8", "unsigned")
    refuses(Gather(axis=0), (t(3), t(2, fmt=FP4_E2M1)), "fp4_e2m1")
    refuses(Gather(axis=0), (t(3), t(2, fmt=UINT8, zero=1)), "zero_point 0")
    refuses(Gather(axis=1), (t(3), index), "axis 1", "(3,)")
    refuses(Gather(axis=0), (t("N", 3), index), "batch")
    refuses(Gather(axis=1), (t("N", 3), t("N", fmt=UINT8)), "('N', 3)", "axis 1")
    refuses(Gather(axis=1), (t(2, 3), t("N", fmt=UINT8)), "axis 1")
    refuses(Gather(axis=0), (t(2, scale=(1.0, 2.0), axis=0), index), "per-channel")
