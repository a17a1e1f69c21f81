import numpy as np
import pytest

from hwsim import FP4_E2M1, FP8_E4M3, INT8, UINT8, QType
from hwsim.ops import Pad
from hwsim.ranges import Interval, Operand
from tests.compare import assert_same
from tests.oracles.one_op import batch, refuses, run, t, tensor


@pytest.mark.parametrize("before", [(0, 0), (1, 0), (2, 3)])
@pytest.mark.parametrize("after", [(0, 0), (0, 2), (1, 1)])
def test_the_border_is_the_value(before, after):
    x = np.arange(1, 7).reshape(2, 3)
    y = run(Pad(before=before, after=after, value=-9), tensor(x, INT8, 0.5, -9))
    want = [[-9] * (before[1] + 3 + after[1]) for _ in range(before[0] + 2 + after[0])]
    for i in range(2):
        for j in range(3):
            want[before[0] + i][before[1] + j] = int(x[i, j])
    assert_same(want, y.codes)
    assert y.type == QType(np.shape(want), INT8, 0.5, -9)


def test_the_value_is_a_code():
    y = run(Pad(before=(1,), after=(1,), value=15), tensor(np.array([3]), FP4_E2M1))
    assert y.codes.tolist() == [15, 3, 15]
    assert y.dequantize().tolist() == [-6.0, 1.5, -6.0]
    reach = Pad(before=(1,), after=(1,), value=15).reach(Operand(t(1, fmt=FP4_E2M1), Interval(0, 2)))
    assert reach == (-12, 2)


def test_the_batch_is_not_padded():
    assert Pad(before=(1, 0), after=(0, 2)).out_type(t("N", 3, 4)).shape == ("N", 4, 6)
    assert run(Pad(before=(), after=()), batch(np.array([5, 6]))).codes.tolist() == [5, 6]


def test_a_single_number_has_no_border():
    assert run(Pad(before=(), after=()), tensor(np.array(5))).codes.tolist() == 5


def test_refusals():
    refuses(Pad(before=(1,), after=(1,)), (t(2, 3),), "(1,)", "2 axes", "(2, 3)")
    refuses(Pad(before=(1, 1), after=(1,)), (t(2, 3),), "(1, 1)")
    refuses(Pad(before=(-1,), after=(1,)), (t(3),), "(-1,)")
    refuses(Pad(before=(1,), after=(1,), value=128), (t(3),), "128", "int8")
    refuses(Pad(before=(1,), after=(1,), value=-1), (t(3, fmt=UINT8),), "-1", "uint8")
    refuses(Pad(before=(1,), after=(1,)), (t(2, scale=(1.0, 2.0), axis=0),), "per-channel")
    with pytest.raises(ValueError, match="127"):
        Pad(before=(1,), after=(1,), value=127).out_type(t(3, fmt=FP8_E4M3))
