from fractions import Fraction

import numpy as np
import pytest

from hwsim import FP4_E2M1, INT8, INT16, INT32, INT64, QType
from hwsim.ops import Shift
from hwsim.rounding import ROUNDINGS
from tests.compare import all_codes, assert_refused, assert_same
from tests.oracles.exact import rounded, tie_adjacent
from tests.oracles.floats import gfloat_values
from tests.oracles.one_op import codes, overflows, refuses, run, t, tensor


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_all_int8_codes_by_every_shift(rounding):
    x = all_codes(INT8)
    for bits in range(-24, 63):
        want = rounded((Fraction(int(v)) / Fraction(2) ** bits for v in x), rounding)
        assert_same(want, codes(Shift(bits=bits, rounding=rounding), tensor(x)), x, what=f"{rounding} by {bits}")


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_ties_of_wide_inputs(rounding):
    for bits in range(63):
        x = np.array(tie_adjacent(bits, (1 << 47) - 1))
        want = rounded((Fraction(int(v), 1 << bits) for v in x), rounding)
        got = codes(Shift(bits=bits, rounding=rounding, fmt=INT64), tensor(x, INT64), constant=(0,))
        assert_same(want, got, x, what=f"{rounding} by {bits}")


def test_the_real_number_stays():
    y = run(Shift(bits=-3), tensor(np.arange(16), FP4_E2M1, 0.75))
    assert y.type.scale == 0.75 / 16
    assert_same(0.75 * gfloat_values(FP4_E2M1), y.dequantize())
    assert Shift(bits=4).out_type(t("N", 3, scale=0.5)) == QType(("N", 3), INT32, 8.0)


def test_refusals():
    for call, culprit in (
        (lambda: Shift(bits=63), "63"),
        (lambda: Shift(bits=-32), "-32"),
        (lambda: Shift(bits=1, rounding="up"), "'up'"),
    ):
        assert_refused(call, culprit)
    refuses(Shift(bits=1), (t(3, zero=5),), "zero_point 5")
    refuses(Shift(bits=1), (t(2, zero=(0, 3), axis=0),), "zero_point (0, 3)")


def test_steps_one_a_channel_grow_alike():
    x = t("N", 2, fmt=INT16, scale=(1.0, 0.5), axis=1)
    assert Shift(bits=3).out_type(x) == t("N", 2, fmt=INT32, scale=(8.0, 4.0), axis=1)
    overflows(Shift(bits=-1, fmt=INT8), (t(3),), "-256..254", "int8")
    overflows(Shift(bits=1), (t(3, fmt=INT64),), str(2**63 - 1), "shift by 1")
    overflows(Shift(bits=-31, fmt=INT64), (t(3, fmt=INT32),), "shift by -31")
