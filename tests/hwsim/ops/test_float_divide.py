from fractions import Fraction

import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT32, INT48, INT64, UINT8, UINT16, Graph, QTensor, QType
from hwsim.ops import FloatDivide
from tests.backends import check_engines
from tests.compare import assert_refused, assert_same
from tests.oracles.exact import nearest_float32
from tests.oracles.one_op import codes, overflows, refuses, run, t, tensor


def exactly(op, a, b):
    """On fractions, rounded to float32 at every step."""
    y = []
    for x, d in zip(np.ravel(a).tolist(), np.ravel(b).tolist(), strict=True):
        product = nearest_float32(nearest_float32(Fraction(x)) * op.gain)
        quotient = nearest_float32(product / nearest_float32(Fraction(d)))
        y.append(min(max(round(quotient) + op.zero_point, op.fmt.min_int), op.fmt.max_int))
    return np.array(y).reshape(np.shape(a))


def made(gain, fmt=UINT8, zero=0):
    return FloatDivide(gain=gain, fmt=fmt, scale=1 / gain, zero_point=zero)


def positive(b):
    """Constants: a value could be 0."""
    return tensor(b, INT48)


@pytest.mark.parametrize("gain", [1, 2, 255, 256, 1 << 14])
def test_small_quotients_and_their_ties(gain):
    a, b = (np.ravel(x) for x in np.meshgrid(np.arange(-128, 128), np.arange(1, 129)))
    op = made(gain, INT16, -3)
    assert_same(exactly(op, a, b), codes(op, tensor(a), positive(b), constant=(1,)), a, b)


def test_wide_operands_round_to_float32():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 1 << 47, 3000) >> rng.integers(0, 40, 3000)
    b = np.maximum(rng.integers(1, 1 << 47, 3000) >> rng.integers(0, 40, 3000), 1)
    op = made(256, UINT16)
    got = codes(op, tensor(a, INT48), positive(b), constant=(1,))
    assert_same(exactly(op, a, b), got, a, b)
    direct = [min(max(round(Fraction(int(x) * 256, int(d))), 0), 65535) for x, d in zip(a, b, strict=True)]
    assert (np.array(direct) != got).any()  # or this file would not tell float32 from exact quotients


def test_every_engine():
    rng = np.random.default_rng(1)
    for fmt, out in ((INT8, UINT8), (INT32, INT8), (INT48, UINT16)):
        a = rng.integers(fmt.min_int, fmt.max_int + 1, (40, 3, 5)).astype(fmt.dtype)
        b = np.maximum(rng.integers(1, 1 << 31, (3, 1)) >> rng.integers(0, 30, (3, 1)), 1)
        g = Graph("quotient")
        x = g.input("x", QType(("N", 3, 5), fmt, 0.1))
        d = g.constant("d", QTensor(QType((3, 1), INT32, 0.1), b.astype(np.int32)))
        op = made(200, out, 7)
        g.output(g.add(op, x, d, name="y"))
        check_engines(g, {"x": a}, {"y": exactly(op, a, np.broadcast_to(b, a.shape))})


def test_types():
    y = run(made(4, INT8, 1), tensor(np.array([6, -6]), INT8, 0.5), tensor(np.array([4, 4]), INT8, 0.5), constant=(1,))
    assert y.type == QType((2,), INT8, 0.25, 1)
    assert_same([7, -5], y.codes)
    assert FloatDivide(gain=238, scale=0.0042).out_type(t("N", 3), t("N", 1)).shape == ("N", 3)  # cut to a whole number


def test_refusals():
    refuses(made(4), (t(3, scale=0.5), t(3)), "gain is 4", "2.0")
    refuses(made(4), (t(3, zero=5), t(3)), "zero_point 5")
    refuses(made(4), (t(3, fmt=INT64), t(3)), "int64", "48 bits")
    refuses(made(4), (t(3), t(4)), "(3,)", "(4,)")
    refuses(made(4), (t(2, scale=(0.1, 0.2), axis=0), t(2)), "per-channel")
    overflows(made(4), (t(3), t(3, fmt=INT4)), "divisor", "-8")
    for gain in (0, 1.0, (1 << 14) + 1):
        assert_refused(lambda g=gain: FloatDivide(gain=g, scale=1.0), "gain", repr(gain))
