from fractions import Fraction

import numpy as np
import pytest

from hwsim import INT8, INT16, INT32, INT48, INT64, UINT4, UINT8, Graph, QTensor, QType
from hwsim.formats import IntFormat
from hwsim.ops import ShiftBy
from hwsim.rounding import ROUNDINGS
from tests.backends import check_engines
from tests.compare import all_codes, all_pairs, assert_refused, assert_same
from tests.oracles.exact import rounded, tie_adjacent
from tests.oracles.one_op import codes, overflows, refuses, run, t, tensor

UINT5 = IntFormat("uint5", 5, signed=False)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_int8_by_every_uint4(rounding):
    x, s = all_pairs(all_codes(INT8), all_codes(UINT4))
    got = codes(ShiftBy(rounding=rounding, fmt=INT8), tensor(x), tensor(s, UINT4))
    assert_same(rounded((Fraction(int(a), 1 << int(b)) for a, b in zip(x, s, strict=True)), rounding), got, x, s)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_ties_and_saturation_on_every_engine(rounding):
    """46-bit values next to a tie, by 16 to 47: the result saturates at INT16."""
    pairs = [(v, s) for s in range(16, 48) for v in tie_adjacent(s, (1 << 46) - 1)]
    x, s = (np.array(side)[:, None] for side in zip(*pairs, strict=True))
    g = Graph("shift")
    small = QTensor(QType((1,), UINT8), np.array([3], np.uint8))
    values = g.input("x", QType(("N", 1), INT48)), g.input("s", QType(("N", 1), UINT5))
    y = g.add(ShiftBy(bits=16, rounding=rounding), *values, name="y")
    g.output(y, g.add(ShiftBy(bits=2, rounding=rounding, fmt=INT32), y, g.constant("three", small), name="z"))
    want = [min(max(v, -(1 << 15)), (1 << 15) - 1) for v in exact(x[:, 0], s[:, 0], rounding)]
    again = exact(np.array(want), np.full(len(want), 5), rounding)
    given = {"x": x, "s": (s - 16).astype(np.uint8)}
    check_engines(g, given, {"y": as_column(want, np.int16), "z": as_column(again, np.int32)})


def exact(x, s, rounding):
    """Python's fractions."""
    return rounded((Fraction(int(a), 1 << int(b)) for a, b in zip(x, s, strict=True)), rounding)


def as_column(values, dtype):
    return np.array(values, dtype)[:, None]


def test_broadcasting_and_types():
    x, s = np.arange(24).reshape(2, 3, 4), np.array([[0], [1], [2]])
    got = run(ShiftBy(bits=1, rounding="floor", fmt=INT16), tensor(x, INT32, 0.5), tensor(s, UINT4))
    assert got.type == QType((2, 3, 4), INT16, 1.0)
    assert_same(x >> (s + 1), got.codes, x, s)


def test_refusals():
    assert_refused(lambda: ShiftBy(rounding="up"), "'up'")
    s = t(3, fmt=UINT4)
    refuses(ShiftBy(), (t(3, zero=5), s), "zero_point 5")
    refuses(ShiftBy(), (t(3), t(3)), "int8", "unsigned")
    refuses(ShiftBy(), (t(3), t(3, fmt=UINT4, scale=2.0)), "scale 2.0")
    refuses(ShiftBy(), (t(3), t(4, fmt=UINT4)), "(3,)", "(4,)")
    refuses(ShiftBy(), (t(2, scale=(1.0, 2.0), axis=0), s), "per-channel")
    overflows(ShiftBy(), (t(3), t(3, fmt=UINT8)), "0..255", "0..62")
    overflows(ShiftBy(bits=-1), (t(3), s), "-1..14", "0..62")
    overflows(ShiftBy(), (t(3, fmt=INT64), s), str(2**63 - 1), "2**61")
