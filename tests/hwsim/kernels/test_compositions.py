"""Chains of functions of one value: one table for what is read, the same codes as one op after the other."""

import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT32, UINT8, Dyadic16, Graph, QTensor, QType
from hwsim.formats import FP4_E2M1, UINT1, UINT4, IntFormat
from hwsim.kernels import machine
from hwsim.ops import Add, Lut, MatMul, Mul, Requant, Select, Shift, ShiftBy
from hwsim.ops.lut import table_size
from tests.hwsim.kernels.both import check, codes, fixed, given
from tests.hwsim.kernels.test_fusing import instructions

UINT3 = IntFormat("uint3", 3, signed=False)


def table(g, x, fmt=INT16, seed=0):
    """Any function of `x`."""
    n = table_size(x.type.fmt)
    return g.add(Lut(table=tuple(codes(fmt, n, seed=seed).tolist()), fmt=fmt, scale=1.0), x)


def narrow(g, x, fmt=INT8, scale=900.0, zero=0):
    return g.add(Requant.to(QType((), fmt, scale * float(x.type.scale), zero), x.type, Dyadic16), x)


def looks(g):
    """How many tables of each kind there are, and how many other instructions than loads and stores."""
    found = instructions(g)
    small, large = found.count(machine.LOOK_UP_SMALL), found.count(machine.LOOK_UP)
    return small, large, len([n for n in found if n not in (machine.LOAD, machine.STORE)]) - small - large


@pytest.mark.parametrize("fmt", [INT8, UINT8, INT4, UINT4], ids=lambda f: f.name)
@pytest.mark.parametrize("width", [1, 2, 16, 17, 65])
def test_a_gate_times_its_operand_is_one_table(width, fmt):
    g = Graph()
    x = given(g, "x", fmt, 5, width, zero=3)
    y = narrow(g, g.add(Mul(), x, table(g, x)), zero=-4)
    g.output(y)
    assert looks(g) == (1, 0, 0)
    check(g)


def test_all_ops_of_a_place():
    g = Graph()
    x = given(g, "x", INT8, 5, 17)
    a, b = table(g, x, INT8, 1), table(g, x, UINT3, 2)
    constants = [fixed(g, INT8), fixed(g, INT8, 1), fixed(g, INT8, 1, 1)]
    ys = [g.add(Add(), a, c) for c in constants] + [g.add(Mul(), c, b) for c in constants]
    ys += [g.add(Shift(bits=2), a), g.add(ShiftBy(bits=1, rounding="half_up", fmt=INT8), a, b)]
    ys += [g.add(Select(), table(g, x, UINT1, 3), a, x), g.add(Add(), g.add(Add(), a, b), x), table(g, a, INT8)]
    g.output(*ys)
    assert looks(g) == (len(ys), 0, 0)
    check(g)


def test_results_too_far_apart_are_written_by_their_own_op():
    """And what is made of them can be a small table again."""
    g = Graph()
    x = given(g, "x", INT8, 5, 17)
    wide = g.add(Mul(), table(g, x), table(g, x, INT16, 1))
    g.output(wide, narrow(g, wide, scale=1e7))
    assert looks(g) == (3, 0, 1)
    check(g)


def test_a_first_op_that_is_no_table_stays():
    g = Graph()
    x = given(g, "x", INT8, 5, 17)
    g.output(narrow(g, x, scale=1.7), g.add(Add(), x, fixed(g, INT8)), g.add(Mul(), x, x))
    assert looks(g) == (0, 0, 3)
    check(g)


def test_what_is_no_function_of_one_value():
    """Two values, constants of several numbers, scales a channel, values of other shapes."""
    g = Graph()
    x, z, row = given(g, "x", INT8, 5, 17), given(g, "z", INT8, 5, 17), given(g, "row", INT8, 5, 1)
    a = table(g, x)
    for other in (z, fixed(g, INT8, 17), row, table(g, z), table(g, row)):
        g.output(g.add(Add(), a, other))
    y = g.add(Mul(), a, x)
    scales = tuple(float(c) for c in np.random.default_rng(1).uniform(900, 1900, 17))
    g.output(g.add(Requant.to(QType((17,), INT8, scales, axis=0), y.type, Dyadic16), y))
    check(g)


def test_a_constant_of_one_channel_is_no_single_number():
    g = Graph()
    a = table(g, given(g, "x", INT8, 5, 17))
    one = g.constant("one", QTensor(QType((1,), UINT1, (1.0,), 0, 0), np.array([1], np.uint8)))
    g.output(g.add(Select(), one, a, a))
    check(g, on_machine=False)


def test_multipliers_a_column_that_are_all_one():
    """Types say nothing of the columns."""
    g = Graph()
    x = given(g, "x", INT8, 5, 17)
    contract = Dyadic16(multiplier=(40000,) * 17, shift=(24,) * 17, rounding="half_up")
    g.output(g.add(Requant(contract=contract, fmt=INT8, scale=2.0**24 / 40000), table(g, x)))
    assert machine.SCALE in instructions(g)
    check(g)


def test_more_codes_than_a_small_table_has():
    g = Graph()
    x = given(g, "x", INT16, 5, 17)
    g.output(narrow(g, g.add(Mul(), table(g, x, INT8), fixed(g, INT8)), scale=90.0))
    assert looks(g)[:2] == (0, 1)
    check(g, samples=40)


def test_codes_of_float_formats():
    g = Graph()
    x = given(g, "x", FP4_E2M1, 5, 17)
    a = table(g, x, INT8)
    g.output(narrow(g, g.add(Mul(), a, a)), table(g, x, FP4_E2M1))
    check(g)


def test_bytes_between_requantizations_tables_and_products():
    """A look-up reads the bytes that a requantization writes and writes the bytes that a product reads."""
    g = Graph()
    x = given(g, "x", INT8, 5, 33)
    total = g.add(MatMul(), x, fixed(g, INT8, 33, 48, scale=0.5))
    hidden = narrow(g, total)
    y = narrow(g, g.add(Mul(), hidden, table(g, hidden)), UINT8)
    g.output(g.add(MatMul(), y, fixed(g, INT8, 48, 17, scale=0.5)))
    found = instructions(g)
    assert found.count(machine.LOOK_UP_SMALL) == 1
    assert not {machine.NARROW, machine.MULTIPLY} & set(found)
    check(g)


def test_a_narrow_range_that_begins_anywhere():
    """The index is 8 bits of a code, whatever else the code has."""
    g = Graph()
    x = given(g, "x", INT16, 5, 33)
    for zero, lo in ((0, -300), (1000, 900), (-20000, -20100), (0, -128), (100, 0)):
        op = Requant(contract=Dyadic16.of(2.0**-8), fmt=INT16, scale=256.0, zero_point=zero, lo=lo, hi=lo + 200)
        y = g.add(op, x)
        g.output(table(g, y, INT16), g.add(Mul(), table(g, y, INT8), fixed(g, INT8)))
    check(g, samples=20)


@pytest.mark.parametrize("rows", [5, 2500])
def test_look_ups_go_to_any_container(rows):
    """Of one block of rows and of several."""
    g = Graph()
    x = given(g, "x", UINT8, rows, 16)
    g.output(*(table(g, x, fmt, seed) for seed, fmt in enumerate((INT8, UINT8, INT16, INT32, UINT1))))
    check(g)
