import numpy as np
import pytest

from hwsim import FP4_E2M1, FP6_E3M2, INT8, INT16, INT32, INT64, UINT8, QType
from hwsim.ops import Mul
from tests.compare import all_codes, all_pairs, assert_same
from tests.oracles.floats import gfloat_values
from tests.oracles.one_op import codes, overflows, refuses, run, t, tensor


@pytest.mark.parametrize(("za", "zb"), [(0, 0), (3, -5), (-128, 127)])
def test_all_pairs_of_int8(za, zb):
    a, b = all_pairs(all_codes(INT8), all_codes(INT8))
    want = [(int(x) - za) * (int(y) - zb) for x, y in zip(a, b, strict=True)]
    assert_same(want, codes(Mul(), tensor(a, zero=za), tensor(b, zero=zb)), a, b)


@pytest.mark.parametrize("fmt", [FP4_E2M1, FP6_E3M2])
def test_all_pairs_of_floats(fmt):
    a, b = all_pairs(all_codes(fmt), all_codes(fmt))
    y = run(Mul(), tensor(a, fmt, 0.5), tensor(b, fmt, 0.25))
    values = gfloat_values(fmt)
    assert_same(values[a] * values[b] / 8, y.dequantize(), a, b)


def test_mixed_formats_and_shapes():
    a, b = np.arange(-128, 128)[:, None], np.arange(0, 256, 5)
    y = run(Mul(), tensor(a, INT8, 0.5, 1), tensor(b, UINT8, 2.0, 7))
    assert y.type == QType((256, 52), INT32, 1.0)
    assert_same([[(int(i) - 1) * (int(j) - 7) for j in b] for i in a[:, 0]], y.codes)
    assert Mul().out_type(t("N", 1), t(4)).shape == ("N", 4)


def test_the_ends_of_int64():
    a, b = np.array([-(2**31), 2**31 - 1]), np.array([-(2**31), -(2**31)])
    want = [2**62, -(2**31) * (2**31 - 1)]
    assert_same(want, codes(Mul(fmt=INT64), tensor(a, INT32), tensor(b, INT32)))


def test_refusals():
    refuses(Mul(), (t(3), t(4)), "(3,)", "(4,)")
    refuses(Mul(), (t(2, scale=(1.0, 2.0), axis=0), t(2)), "per-channel")
    overflows(Mul(fmt=INT16), (t(3, zero=-128), t(3, zero=-128)), "0..65025", "int16")
    overflows(Mul(), (t(3, fmt=INT32), t(3)), str(2**38), "int32")
    assert Mul(fmt=INT16).out_type(t(3), t(3)).fmt == INT16
