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


def test_refusals():
    assert_refused(lambda: compare([1.0, np.nan]), "1 elements are NaN")
    assert_refused(lambda: compare([]), "(0,)")
    assert_refused(lambda: compare([1.0], ["int9"]), "'int9'", "mxfp4")
    assert_refused(lambda: compare([[1.0]], axis=2), "axis 2", "(1, 1)")
