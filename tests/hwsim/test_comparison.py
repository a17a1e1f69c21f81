"""Formats on a tensor: figures against plain arithmetic, and what is refused."""

import numpy as np
import pytest

from hwsim import BLOCK_FORMATS, FORMATS, compare
from hwsim.comparison import COMPARED
from tests.compare import assert_refused


def test_int8_and_int4_rows_are_plain_rounding():
    x = np.random.default_rng(0).normal(size=(6, 40))
    for name, top in (("int8", 127), ("int4", 7)):
        step = np.abs(x).max(1, keepdims=True) / top
        error = np.rint(x / step) * step - x
        (row,) = compare(x, [name])
        assert row.mse == pytest.approx(np.mean(error**2), rel=1e-12)
        assert row.max_error == pytest.approx(np.abs(error).max(), rel=1e-12)
        assert row.sqnr_db == pytest.approx(10 * np.log10(np.mean(x**2) / np.mean(error**2)))
        assert row.bits == int(name[3:]) + 32 / 40


def test_mxfp4_by_hand():
    """OCP: the largest of the block is 5, its exponent floor(log2 5) - 2 = 0, so 5 rounds to 4 or 6, ties to even."""
    x = np.zeros(64)
    x[:3], x[32:34] = (5, 0.25, -1.6), (96, -7)
    (row,) = compare(x, ["mxfp4"])
    assert row.bits == 4.25
    got = np.zeros(64)
    got[:3], got[32:34] = (4, 0, -1.5), (96, -8)
    assert (row.max_error, row.mse) == (1.0, pytest.approx(np.mean((got - x) ** 2)))


def test_axis_and_shape():
    x = np.random.default_rng(1).normal(size=(4, 5, 64)) * np.array([1, 9, 81, 729])[:, None, None]
    last, first = compare(x, axis=-1), compare(np.moveaxis(x, 2, 0), axis=0)
    assert [r.format for r in last] == list(COMPARED)
    assert last == first
    assert compare(x, ["int4"], axis=0)[0].mse != compare(x, ["int4"])[0].mse
    assert {r.bits for r in compare(x, ["mxfp4", "nvfp4", "uint4_g32"])} == {4.25, 4.5, 4 + 12 / 32}


def test_every_format():
    x = np.random.default_rng(2).normal(size=(3, 64))
    rows = compare(x, [*FORMATS, *BLOCK_FORMATS])
    assert all(r.sqnr_db is None or r.sqnr_db > 0 for r in rows if not r.format.startswith("uint") or "_g" in r.format)


def test_what_is_exact_has_no_sqnr():
    assert compare([1.0, -2.0, 0.5], ["int16", "fp4_e2m1"])[1].sqnr_db is None
    assert compare(3.0, ["int8"])[0].max_error == 0


ALL = [*FORMATS, *BLOCK_FORMATS]


def test_zeros_are_exact_in_every_format():
    """Nothing to divide by: scales of all-zero rows and blocks must still be numbers."""
    for shape in ((4, 32), (3, 33), (1, 1), (5,)):
        for row in compare(np.zeros(shape), ALL):
            assert (row.sqnr_db, row.mse, row.max_error) == (None, 0, 0), row


@pytest.mark.parametrize("value", [0.3, 1.0, -7.25, 1e-30, 1e30])
def test_constant_tensors(value):
    """One magnitude: float scales reach it, scales of powers of two stay within half a step of the element."""
    for row in compare(np.full((3, 40), value), [f for f in ALL if value > 0 or not f.startswith("uint") or "_g" in f]):
        assert np.isfinite([row.mse, row.max_error]).all(), row
        assert row.max_error <= 0.25 * abs(value), row
        if row.format in ("int8", "int4", "ternary", "fp4_e2m1", "fp8_e4m3"):
            assert row.max_error <= 1e-6 * abs(value), row


@pytest.mark.parametrize("size", [1, 15, 31, 33, 65])
def test_odd_lengths_are_blocks_filled_with_zeros(size):
    """A short last block is the same as one filled up: the same errors, spread over the elements that exist."""
    x = np.random.default_rng(size).normal(size=(4, size))
    filled = np.pad(x, [(0, 0), (0, -size % 64)])
    names = [f for f in BLOCK_FORMATS if "_g128" not in f]
    for short, full in zip(compare(x, names), compare(filled, names), strict=True):
        assert short.max_error == full.max_error, short
        assert short.mse * size == pytest.approx(full.mse * filled.shape[1]), short
        assert short.bits == full.bits


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_by_every_format(bad):
    x = np.ones((2, 33))
    x[1, 32] = bad
    for name in ALL:
        assert_refused(lambda name=name: compare(x, [name]), "1 elements are NaN or Inf")


def test_refusals():
    assert_refused(lambda: compare([1.0, np.nan]), "1 elements are NaN")
    assert_refused(lambda: compare([]), "(0,)")
    assert_refused(lambda: compare([1.0], ["int9"]), "'int9'", "mxfp4")
    assert_refused(lambda: compare([[1.0]], axis=2), "axis 2", "(1, 1)")
