"""Sums and products inside the instructions of their readers, beside the same ones written for themselves."""

import numpy as np
import pytest

from hwsim import INT8, INT16, INT24, INT32, UINT8, Dyadic16, Graph, QTensor, QType
from hwsim.contracts import OnnxFloat, Pow2, TflmDouble, TflSingle
from hwsim.formats import IntFormat
from hwsim.kernels import machine
from hwsim.ops import Add, MatMul, Mul, Requant, ShiftBy
from tests.hwsim.kernels.both import WIDTHS, check, fixed, given
from tests.hwsim.kernels.test_fusing import instructions

UINT5, INT12 = IntFormat("uint5", 5, signed=False), IntFormat("int12", 12)


def narrow(g, x, fmt=INT8, contract=Dyadic16, zero=0, scale=300.7):
    return g.add(Requant.to(QType((), fmt, scale * float(x.type.scale), zero), x.type, contract), x)


def factors(g, width, zero=0):
    """Constants that stand for all rows: of no axis, of one number, a row; none of them negative."""
    shapes = ((), (1,), (1, 1), (width,), (1, width))
    return [g.constant(f"f{i}", tensor(s, zero)) for i, s in enumerate(shapes)]


def tensor(shape, zero=0):
    numbers = np.random.default_rng(len(shape)).integers(zero, 128, shape).astype(np.int8)
    return QTensor(QType(shape, INT8, 1.0, zero), numbers)


@pytest.mark.parametrize("width", WIDTHS[1:])
@pytest.mark.parametrize("contract", [Dyadic16, Pow2])
def test_constants_go_into_multipliers(contract, width):
    g = Graph()
    x = given(g, "x", INT8, 5, width, zero=-7)
    for i, f in enumerate(factors(g, width, zero=3)):
        y = g.add(Mul(), *((x, f) if i % 2 else (f, x)))
        scale = 128.0 if contract is Pow2 else 97.3
        g.output(narrow(g, y, (INT8, UINT8, INT16)[i % 3], contract, zero=i, scale=scale))
    assert machine.MULTIPLY not in instructions(g)
    assert instructions(g).count(machine.SCALE) == 5
    check(g)


def test_constants_a_column_and_multipliers_a_column():
    g = Graph()
    x, n = given(g, "x", INT12, 5, 17), 17
    y = g.add(Mul(), x, g.constant("f", tensor((n,))))
    scales = tuple(float(c) for c in np.random.default_rng(1).uniform(100, 300, n))
    g.output(g.add(Requant.to(QType((n,), INT8, scales, axis=0), y.type, Dyadic16), y))
    assert machine.MULTIPLY not in instructions(g)
    check(g)


def test_what_a_multiplier_cannot_hold_is_written():
    """Signs, rows of their own, contracts that round twice or in float, products too large for 32 bits."""
    g = Graph()
    x, byte = given(g, "x", INT12, 5, 17), given(g, "byte", INT8, 5, 17)
    signed, rows = fixed(g, INT8, 17), g.constant("rows", tensor((5, 1)))
    for f in (signed, rows):
        g.output(narrow(g, g.add(Mul(), x, f)))
    for contract in (TflmDouble, OnnxFloat, TflSingle):
        g.output(narrow(g, g.add(Mul(), x, g.constant(contract.__name__, tensor((17,)))), contract=contract))
    large = g.constant("large", QTensor(QType((17,), INT24), np.full(17, 1 << 22, np.int32)))
    g.output(narrow(g, g.add(Mul(), byte, large), scale=3e7))
    assert instructions(g).count(machine.MULTIPLY) == 6
    check(g)


@pytest.mark.parametrize("merged", [False, True])
def test_numbers_fit_less_their_zero_point(merged):
    """Which takes them twice as far from 0, one bit more than the first shift leaves here."""
    g, most = Graph(), 12000
    given_ = given(g, "x", INT16, 5, 17)
    ends = {"zero_point": -most, "lo": -most, "hi": most}
    x = g.add(Requant(contract=Dyadic16.of(1.0), fmt=INT16, scale=1.0, **ends), given_)
    y = g.add(Mul(), x, g.constant("one", QTensor(QType((), INT8), np.array(1, np.int8)))) if merged else x
    contract = Dyadic16(multiplier=(40000,), shift=(1,), rounding="half_up")
    g.output(g.add(Requant(contract=contract, fmt=INT32, scale=1 / 20000), y))
    check(g)


def test_a_zero_point_of_the_product_is_written():
    g = Graph()
    x, f = given(g, "x", INT8, 5, 17, zero=4), g.constant("f", tensor((17,)))
    y = g.add(Add(), g.add(Mul(), x, f), fixed(g, INT8, zero=9))
    assert y.type.zero_point == 9
    g.output(narrow(g, y))
    check(g)


@pytest.mark.parametrize("width", WIDTHS)
def test_products_and_what_is_added(width):
    g = Graph()
    x, row = given(g, "x", INT12, 5, width, zero=-3), given(g, "row", INT16, 5, 1)
    full = given(g, "full", INT16, 5, width)
    others = [full, row, fixed(g, INT16), fixed(g, INT16, width), fixed(g, INT16, 5, width), fixed(g, INT16, 5, 1)]
    for i, other in enumerate(others):
        for f in factors_once(g, width, i):
            y = g.add(Mul(), x, f)
            g.output(g.add(Add(), *((y, other) if i % 2 else (other, y))))
    assert (machine.MULTIPLY in instructions(g)) == (width == 1)  # rows that are no vectors
    assert instructions(g).count(machine.AFFINE) == (2 * len(others) if width > 1 else 0)
    check(g)


def factors_once(g, width, i):
    """One number and a row, with and without sign."""
    return [fixed(g, INT8, seed=i, zero=i), fixed(g, INT8, width, seed=i)]


def test_two_products_are_added():
    g = Graph()
    x, y = given(g, "x", INT8, 5, 17), given(g, "y", INT8, 5, 17, zero=1)
    a, b = g.add(Mul(), x, fixed(g, INT8, 17)), g.add(Mul(), y, fixed(g, INT8, 17))
    g.output(g.add(Add(), a, b), g.add(Add(), a, a), g.add(Add(), x, g.add(Mul(), y, y)))
    check(g)


@pytest.mark.parametrize("contract", [Pow2, Dyadic16, TflSingle])
def test_a_requantization_that_only_saturates(contract):
    g = Graph()
    x, y = given(g, "x", INT16, 5, 17), given(g, "y", INT16, 5, 17)
    total = g.add(Add(), x, y)
    for fmt in (INT16, INT8, UINT8, INT32):
        g.output(narrow(g, total, fmt, contract, scale=1.0))
    op = Requant(contract=contract.of(1.0), fmt=INT16, scale=1.0, lo=-300, hi=7)
    g.output(g.add(op, total))
    assert instructions(g).count(machine.ADD) == 5
    assert machine.SCALE not in instructions(g)
    check(g)


def test_a_product_in_a_sum_that_saturates_is_written():
    g = Graph()
    x, y = given(g, "x", INT8, 5, 17), given(g, "y", INT16, 5, 17)
    total = g.add(Add(), g.add(Mul(), x, fixed(g, INT16, 17)), y)
    g.output(narrow(g, total, INT16, Pow2, scale=1.0))
    assert [n for n in instructions(g) if n in (machine.MULTIPLY, machine.ADD)] == [machine.MULTIPLY, machine.ADD]
    check(g)


def test_one_that_also_moves_does_not_only_saturate():
    g = Graph()
    total = g.add(Add(), given(g, "x", INT16, 5, 17), given(g, "y", INT16, 5, 17))
    g.output(narrow(g, total, INT16, Pow2, zero=1, scale=1.0), narrow(g, total, INT16, Pow2, scale=2.0))
    shifted = g.add(Add(), given(g, "z", INT16, 5, 17, zero=5), total)
    g.output(narrow(g, shifted, INT16, Pow2, scale=1.0))
    assert instructions(g).count(machine.SCALE) == 3
    check(g)


@pytest.mark.parametrize("width", [2, 16, 17, 65])
@pytest.mark.parametrize("fmt", [INT8, UINT8, INT16, INT32])
def test_factors_of_rows_go_into_shifts(fmt, width):
    g = Graph()
    x, f, s = given(g, "x", INT16, 5, width), given(g, "f", INT8, 5, 1), given(g, "s", UINT5, 5, 1)
    for factor in (f, fixed(g, INT8), fixed(g, INT8, 5, 1), fixed(g, INT8, width), given(g, "all", INT8, 5, width)):
        y = g.add(Mul(), x, factor)
        g.output(g.add(ShiftBy(bits=1, rounding="half_up", fmt=fmt), y, s))
    merged = 3
    assert instructions(g).count(machine.MULTIPLY) == 5 - merged
    assert instructions(g).count(machine.SHIFT_SHORT) == 5
    check(g)


def test_shifts_of_several_blocks_of_rows():
    g = Graph()
    x, s = given(g, "x", INT16, 2500, 16), given(g, "s", UINT5, 2500, 1)
    y = g.add(Mul(), x, given(g, "f", INT8, 2500, 1))
    for fmt in (INT8, INT16, INT32):
        g.output(*(g.add(ShiftBy(bits=1, rounding="half_up", fmt=fmt), v, s) for v in (x, y)))
    assert machine.STORE not in instructions(g)
    check(g)


def test_zero_points_do_not_go_into_shifts():
    g = Graph()
    x, s = given(g, "x", INT16, 5, 17, zero=2), given(g, "s", UINT5, 5, 1)
    g.output(g.add(ShiftBy(bits=1, rounding="half_up", fmt=INT8), g.add(Mul(), x, given(g, "f", INT8, 5, 1)), s))
    assert machine.MULTIPLY in instructions(g)
    check(g)


def test_readers_that_take_it_in_and_readers_that_do_not():
    g = Graph()
    x, s = given(g, "x", INT8, 5, 16), given(g, "s", UINT5, 5, 1)
    y = g.add(Mul(), x, g.constant("f", tensor((16,))))
    g.output(narrow(g, y), g.add(Add(), y, x), g.add(ShiftBy(bits=1, rounding="half_up", fmt=INT8), y, s))
    total = g.add(Add(), x, x)
    small = narrow(g, total, INT8, Pow2, scale=1.0)
    g.output(total, g.add(MatMul(), small, fixed(g, INT8, 16, 32)), g.add(Mul(), total, total))
    check(g)
