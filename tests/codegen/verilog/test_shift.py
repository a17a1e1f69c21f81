"""Shift units: every rounding, right, left and by nothing, against the op."""

import pytest

from codegen.rtl import ShiftUnit
from hwsim import FP4_E2M1, INT8, INT16, INT32, QType
from hwsim.formats import INT64
from hwsim.ops import Shift
from hwsim.ranges import Interval
from hwsim.rounding import ROUNDINGS
from tests.codegen.verilog.simulators import assert_equal, mutated, needs_icarus
from tests.compare import assert_refused


def unit(bits, rounding="half_even", source=INT32, out=INT64, **choices):
    return ShiftUnit(op=Shift(bits=bits, rounding=rounding, fmt=out), x=QType(("N",), source), **choices)


@needs_icarus
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_rounding(rounding):
    for bits in (-20, -1, 0, 1, 7, 31, 40):
        assert_equal(unit(bits, rounding), 3000, vectors=3000)
    assert_equal(unit(5, rounding, stages=1, out=INT32), 10_000)
    assert_equal(unit(3, rounding, INT8, INT8), 256)
    assert_equal(unit(2, rounding, FP4_E2M1, INT8), 16)


@needs_icarus
def test_a_narrow_reach_and_a_mutant():
    assert_equal(unit(3, source=INT16, reach=Interval(-700, 900), out=INT8), 1601)
    assert mutated(unit(3), lambda t: t.replace("~x_int", "x_int")) > 0


def test_refused():
    assert_refused(lambda: unit(3, out=INT8), "shift unit", "int8", "-268435456..268435456")
    assert_refused(lambda: unit(3, stages=2), "stages 2")
