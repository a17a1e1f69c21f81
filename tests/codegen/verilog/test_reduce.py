"""Reduction units, every running result against the op."""

import pytest

from codegen.rtl import ReduceUnit
from hwsim import FP4_E2M1, INT8, INT16, INT32, UINT8, QType
from hwsim.formats import UINT32, IntFormat
from hwsim.ops import Reduce
from hwsim.ranges import Interval
from tests.codegen.verilog.simulators import assert_equal, mutated, needs_icarus
from tests.compare import assert_refused

KINDS = ("sum", "mean", "sum_square", "max", "min")
INT12 = IntFormat("int12", 12)


def unit(kind, source=INT8, out=INT32, **choices):
    return ReduceUnit(op=Reduce(kind=kind, axes=(0,), fmt=out), x=QType((), source), **({"count": 16} | choices))


@needs_icarus
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind):
    for source in (INT8, UINT8, FP4_E2M1, INT12):
        assert_equal(unit(kind, source), 10_000)
    wide = UINT32 if kind == "sum_square" else INT32
    assert_equal(unit(kind, INT16, wide, count=3, reach=Interval(-700, 900)), 10_000)
    assert_equal(unit(kind, UINT8, UINT32, count=1, reach=Interval(3, 9)), 10_000)


@needs_icarus
def test_the_narrowest_result_and_mutants():
    assert_equal(unit("sum", out=INT12, count=16), 10_000)
    assert mutated(unit("max"), lambda t: t.replace("> acc", "< acc")) > 0
    assert mutated(unit("min"), lambda t: t.replace("first ?", "1'b1 ?")) > 0
    assert mutated(unit("sum_square"), lambda t: t.replace("x_int * x_int", "x_int * 8'sh3")) > 0


def test_refused():
    assert_refused(lambda: unit("sum", out=INT12, count=17), "sum of 17", "-2176..2159", "int12")
    assert_refused(lambda: unit("sum", count=0), "count 0")
