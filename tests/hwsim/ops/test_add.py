import numpy as np
import pytest

from hwsim import FP4_E2M1, FP8_E4M3, INT8, INT16, INT32, INT64, UINT4, QTensor, QType
from hwsim.ops import Add
from tests.compare import all_codes, all_pairs, assert_same
from tests.oracles.floats import gfloat_values
from tests.oracles.one_op import codes, overflows, refuses, run, t, tensor


def test_all_pairs_of_int8():
    a, b = all_pairs(all_codes(INT8), all_codes(INT8))
    want = [int(x) + int(y) for x, y in zip(a, b, strict=True)]
    assert_same(want, codes(Add(), tensor(a), tensor(b)), a, b)


@pytest.mark.parametrize("fmt", [FP4_E2M1, FP8_E4M3])
def test_all_pairs_of_floats(fmt):
    a, b = all_pairs(all_codes(fmt), all_codes(fmt))
    y = run(Add(fmt=INT32), tensor(a, fmt, 0.5), tensor(b, fmt, 0.5))
    values = gfloat_values(fmt)
    assert_same(0.5 * (values[a] + values[b]), y.dequantize(), a, b)


def test_formats_may_differ_where_the_lsb_does_not():
    a, b = all_pairs(all_codes(UINT4), all_codes(FP4_E2M1))
    y = run(Add(fmt=INT8), tensor(a, UINT4, 0.25), tensor(b, FP4_E2M1, 0.5))
    assert_same(0.25 * a + 0.5 * gfloat_values(FP4_E2M1)[b], y.dequantize(), a, b)


def test_zero_points_add_up():
    a, b = np.arange(-128, 128), np.arange(127, -129, -1)
    y = run(Add(), tensor(a, INT8, 0.5, 3), tensor(b, INT8, 0.5, -10))
    assert (y.type.scale, y.type.zero_point) == (0.5, -7)
    assert_same(0.5 * (a - 3) + 0.5 * (b + 10), y.dequantize(), a, b)


def test_the_ends_of_int64():
    ends = np.array([-(2**63), 2**63 - 1])
    assert_same(ends, codes(Add(fmt=INT64), tensor(ends, INT64), tensor(np.array([0, 0])), constant=(1,)))


def test_shapes_broadcast():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (2, 1, 3)), rng.integers(-128, 128, (4, 1))
    want = [[[int(a[i, 0, k]) + int(b[j, 0]) for k in range(3)] for j in range(4)] for i in range(2)]
    assert_same(want, codes(Add(), tensor(a), tensor(b)))
    assert Add().out_type(t("N", 3), t(3)) == Add().out_type(t(1, 3), t("N", 1)) == QType(("N", 3), INT32)
    assert Add().out_type(t("N", 3), t("N", 3)).shape == ("N", 3)


def test_accumulators_and_biases_per_channel():
    scales, a = (0.5, 0.25, 3.0), np.arange(-6, 6).reshape(4, 3)
    acc, bias = (QTensor(QType(x.shape, INT32, scales, axis=x.ndim - 1), x.astype(np.int32)) for x in (a, a[2] * 7))
    y = run(Add(fmt=INT64), acc, bias)
    assert (y.type.scale, y.type.axis) == (scales, 1)
    assert_same(a * scales + a[2] * 7 * scales, y.dequantize())
    refuses(Add(), (t(2, 3, scale=scales, axis=1), t(3, scale=(0.5, 0.25, 2.0), axis=0)), "share the scales", "(2, 3)")
    refuses(Add(), (t(3, 3, scale=scales, axis=1), t(3, 3, scale=scales, axis=0)), "last axis")


def test_refusals():
    refuses(Add(), (t(3, scale=0.5), t(3, scale=0.25)), "0.5", "0.25")
    refuses(Add(), (t(3), t(4)), "(3,)", "(4,)")
    refuses(Add(), (t("N", 3), t(5, 3)), "('N', 3)", "(5, 3)")
    refuses(Add(), (t("N", 3), t(2, 1, 3)), "(2, 1, 3)")
    refuses(Add(), (t(2, scale=(1.0, 2.0), axis=0), t(2)), "per-channel")
    refuses(Add(fmt=INT8), (t(2, zero=100), t(2, zero=100)), "200", "int8")
    overflows(Add(fmt=INT8), (t(3), t(3)), "-256..254", "int8")
    assert Add(fmt=INT16).out_type(t(3), t(3)).fmt == INT16
    overflows(Add(fmt=INT64), (t(3, fmt=INT64), t(3)), str(2**63 + 126), "int64")
