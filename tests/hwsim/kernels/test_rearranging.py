"""Bytes in another order of axes: the same as numpy's, and nothing read or written beside them."""

from itertools import permutations, product

import numpy as np
import pytest

from hwsim.kernels.actions import Actions
from hwsim.kernels.arrays import _axes
from hwsim.kernels.machine import REARRANGE
from hwsim.kernels.rearranging import _turns

from .fence import before_a_fence

SIDES = (1, 2, 5, 7, 8, 9, 15, 16, 17, 24)


def rearranged(y, x):
    """`y`, written by the machine from `x` of the same shape."""
    fields = [field for column in zip(*_axes(x, y), strict=True) for field in column]
    Actions().once(REARRANGE, y.ctypes.data, x.ctypes.data, *fields)
    return y


def bytes_of(shape):
    return np.random.default_rng(0).integers(-128, 128, shape, np.int8)


@pytest.mark.parametrize(("rows", "columns"), [*product(SIDES, SIDES)])
def test_matrices(rows, columns):
    """Sizes around eight, one matrix and several; memory ends with both of them."""
    for many in (1, 3):
        x = before_a_fence(bytes_of((many, rows, columns))).swapaxes(1, 2)
        y = before_a_fence(np.zeros((many, columns, rows), np.int8))
        assert rearranged(y, x).tolist() == x.tolist()


@pytest.mark.parametrize(("rows", "columns"), [*product(SIDES, SIDES)])
def test_what_lies_between(rows, columns):
    """Columns of a wider result, rows of a wider operand: bytes beside them stay."""
    x = bytes_of((2, rows, columns + 3))[:, :, :columns].swapaxes(1, 2)
    whole = np.full((2, columns, rows + 4), 99, np.int8)
    rearranged(whole[:, :, 2:-2], x)
    assert whole[:, :, 2:-2].tolist() == x.tolist()
    assert {*whole[:, :, :2].flat, *whole[:, :, -2:].flat} == {99}


def test_rows_that_are_not_dense():
    x = bytes_of((2, 9, 40))[:, :, ::2].swapaxes(1, 2)
    assert rearranged(np.zeros(x.shape, np.int8), x).tolist() == x.tolist()


@pytest.mark.parametrize("order", [*permutations(range(4))], ids=str)
def test_every_order_of_axes(order):
    for shape in ((2, 3, 4, 5), (3, 8, 1, 9), (2, 9, 10, 3), (1, 3, 11, 12), (16, 2, 9, 8)):
        x = before_a_fence(bytes_of(shape)).transpose(order)
        y = before_a_fence(np.zeros(x.shape, np.int8))
        assert rearranged(y, x).tolist() == x.tolist()


def test_axes_become_one():
    """Images, channels first to channels last: lines and pixels of both sides follow each other."""
    x = bytes_of((2, 3, 4, 5)).transpose(0, 2, 3, 1)
    assert _axes(x, np.zeros(x.shape, np.int8)) == [(1, 0, 0), (2, 60, 60), (3, 1, 20), (20, 3, 1)]
    gray = bytes_of((2, 1, 4, 5)).transpose(0, 2, 3, 1)
    assert _axes(gray, np.zeros(gray.shape, np.int8)) == [(1, 0, 0)] * 3 + [(40, 1, 1)]


def test_the_axis_that_is_dense_afterwards():
    x = bytes_of((2, 8, 5, 9)).transpose(0, 3, 2, 1)
    y = np.zeros(x.shape, np.int8)
    assert _axes(x, y) == [(2, 360, 360), (5, 8, 9), (8, 1, 45), (9, 40, 1)]
    assert rearranged(y, x).tolist() == x.tolist()


@pytest.mark.parametrize(
    ("rows", "columns", "there", "turned"),
    [(6, 128, 6, True), (6, 128, 7, False), (8, 8, 99, True), (3, 10, 3, True), (3, 9, 3, False), (1, 14, 1, False)],
)
def test_what_is_turned(rows, columns, there, turned):
    """No code would tell: what is not turned takes its time."""
    sizes, steps = (np.array(n) for n in ((1, 1, rows, columns), (0, 0, 1, there)))
    assert _turns(sizes, steps, np.array([0, 0, columns, 1])) == turned
    assert not _turns(sizes, steps, np.array([0, 0, columns, 2]))


def test_a_number_for_many():
    x = np.broadcast_to(bytes_of((2, 1, 3, 1)), (2, 4, 3, 9))
    assert rearranged(np.zeros(x.shape, np.int8), x).tolist() == x.tolist()
