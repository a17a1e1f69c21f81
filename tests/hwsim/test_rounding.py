from fractions import Fraction

import numpy as np
import pytest

from hwsim import INT8, rounding
from hwsim.rounding import ROUNDINGS, away, check_rounding, shift_right, shift_right_scalar
from tests.compare import assert_same
from tests.oracles.exact import ROUND, rounded, tie_adjacent

LIMIT = (1 << 62) - 1
TABLE = [line.split() for line in rounding.__doc__.splitlines() if line.startswith("    ")]
INPUTS = [Fraction(x) for x in TABLE[0][1:]]
ROWS = {row[0]: [int(y) for y in row[1 : len(INPUTS) + 1]] for row in TABLE[1:]}


def test_table_names_every_rounding():
    assert tuple(ROWS) == ROUNDINGS == tuple(ROUND)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_table_holds(name):
    assert ROWS[name] == rounded(INPUTS, name)
    assert_same(ROWS[name], INT8.encode(np.array(INPUTS, np.float64), name), [float(x) for x in INPUTS])
    sixteenths = np.array([round(x * 16) for x in INPUTS])  # 0.7 becomes 11/16: on the same side of everything
    assert_same(ROWS[name], shift_right(sixteenths, 4, name), sixteenths)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_shift_right_is_exact_for_every_shift(name):
    mode = ROUNDINGS.index(name)
    for bits in range(63):
        x = tie_adjacent(bits, LIMIT)
        expected = rounded((Fraction(v, 1 << bits) for v in x), name)
        assert_same(expected, shift_right(np.array(x), bits, name), x, what=f"{name} by {bits}")
        twin = [shift_right_scalar(v, bits, mode) for v in x]
        assert_same(expected, twin, x, what=f"numba {name} by {bits}")


@pytest.mark.parametrize("name", ROUNDINGS)
def test_shift_right_takes_a_shift_per_element(name):
    rng = np.random.default_rng(0)
    x, bits = rng.integers(-LIMIT, LIMIT, (200, 63)), np.arange(63)
    got = shift_right(x, bits, name)
    expected = [rounded((Fraction(int(v), 1 << b) for b, v in enumerate(row)), name) for row in x]
    assert got.dtype == np.int64
    assert_same(expected, got, x, bits)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_away_is_exact(name):
    tiny = 2.0**-40
    for part in (0.0, tiny, 0.25, 0.5 - tiny, 0.5, 0.5 + tiny, 1 - tiny):
        for low in range(4):
            for negative in (False, True):
                x = (low + Fraction(part)) * (-1 if negative else 1)
                got = away(np.array([part]), np.array([low % 2 == 1]), np.array([negative]), name)
                assert got.tolist() == [abs(ROUND[name](x)) > low], (x, name)


def test_stochastic_goes_up_as_often_as_the_fraction_says():
    fraction = np.repeat([0.0, 0.1, 0.5, 0.9], 40_000)
    no = np.zeros(fraction.shape, np.bool_)
    up = away(fraction, no, no, "stochastic", np.random.default_rng(1)).reshape(4, -1).mean(1)
    assert up[0] == 0
    assert np.abs(up - [0, 0.1, 0.5, 0.9]).max() < 0.01  # 4 sigma is 0.01 at 0.5
    again = away(fraction, no, no, "stochastic", np.random.default_rng(1)).reshape(4, -1).mean(1)
    assert_same(up, again)


def test_unknown_rounding_is_named():
    one = np.ones(1)
    for call in (
        lambda: check_rounding("up"),
        lambda: shift_right(np.ones(1, np.int64), 1, "up"),
        lambda: away(one, one > 0, one > 0, "up"),
    ):
        with pytest.raises(ValueError, match=r"rounding 'up' is unknown: use one of half_even"):
            call()
    with pytest.raises(ValueError, match="needs rng="):
        away(one, one > 0, one > 0, "stochastic")
