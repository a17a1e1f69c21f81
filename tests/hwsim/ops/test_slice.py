import numpy as np
import pytest

from hwsim import FP4_E2M1, UINT8
from hwsim.ops import Slice
from tests.compare import assert_same
from tests.oracles.one_op import refuses, run, t, tensor


@pytest.mark.parametrize("step", [1, 2, 3, 9])
@pytest.mark.parametrize("axis", [0, 1])
def test_every_start_and_stop(axis, step):
    x = np.arange(35).reshape(5, 7)
    for start in range(x.shape[axis]):
        for stop in range(start + 1, x.shape[axis] + 1):
            y = run(Slice(axis=axis, start=start, stop=stop, step=step), tensor(x, UINT8, 0.5, 3))
            rows = (x if axis == 0 else x.T).tolist()[start:stop:step]
            assert_same(rows, y.codes if axis == 0 else y.codes.T)
            assert (y.type.scale, y.type.zero_point) == (0.5, 3)


def test_floats_and_batches():
    assert run(Slice(axis=0, start=1, stop=16, step=7), tensor(np.arange(16), FP4_E2M1)).codes.tolist() == [1, 8, 15]
    assert Slice(axis=1, start=1, stop=6, step=2).out_type(t("N", 7)).shape == ("N", 3)


def test_refusals():
    for start, stop, step in ((0, 6, 1), (3, 3, 1), (4, 2, 1), (-1, 3, 1), (0, 5, 0), (0, 5, -1)):
        refuses(Slice(axis=0, start=start, stop=stop, step=step), (t(5),), f"[{start}:{stop}:{step}]", "(5,)")
    refuses(Slice(axis=0, start=0, stop=1), (t("N", 5),), "batch")
    refuses(Slice(axis=1, start=0, stop=1), (t(5),), "axis 1")
    refuses(Slice(axis=0, start=0, stop=1), (t(2, scale=(1.0, 2.0), axis=0),), "per-channel")
