from fractions import Fraction
from itertools import product
from math import floor

import numpy as np
import pytest

from hwsim.kernels.scaling import constants, scale
from tests.hwsim.kernels.test_rowwise import FEATURES, elsewhere

TARGETS = (np.int8, np.int16, np.int32)


def exact(x, multiplier, shift, rounding, zero):
    """By fractions."""
    return floor(Fraction(x * multiplier, 1 << shift) + Fraction(int(rounding == "half_up"), 2)) + zero


def by_words(x, m, add, r, left):
    """The formula of the kernel in Python's integers; every step must fit its word."""
    moved = x << left
    high = (moved * m >> 32) + add
    assert all(-(1 << 31) <= step < 1 << 31 for step in (moved, m, high))
    return high >> r


def test_constants_against_fractions():
    rng, found = np.random.default_rng(0), 0
    for _ in range(4000):
        bits, size = int(rng.integers(1, 32)), int(rng.integers(1, 32))
        multiplier, shift = int(rng.integers(0, 1 << bits)), int(rng.integers(0, 63))
        zero, rounding = int(rng.integers(-300, 300)), ("half_up", "floor")[rng.integers(2)]
        most = int(rng.integers(1, 1 << size))
        made = constants(np.array([multiplier]), np.array([shift]), rounding, zero, most)
        if made is None:
            continue
        found += 1
        m, add, r, left = (int(np.max(c)) for c in made)
        for x in {0, 1, -1, most, -most, *rng.integers(-most, most, 6, endpoint=True).tolist()}:
            assert by_words(x, m, add, r, left) == exact(x, multiplier, shift, rounding, zero)
    assert found > 500


@pytest.mark.parametrize("shift", [1, 2, 7, 16, 28])
def test_ties_go_up(shift):
    half = 1 << (shift - 1)
    made = constants(np.array([1]), np.array([shift]), "half_up", -3, 3 << shift)
    m, add, r, left = (int(np.max(c)) for c in made)
    for k in range(-3, 3):
        for x in (2 * half * k + half - 1, 2 * half * k + half, 2 * half * k + half + 1):
            assert by_words(x, m, add, r, left) == exact(x, 1, shift, "half_up", -3)


def test_many_channels_share_the_shift_of_x():
    multiplier, shift = np.array([40000, 0, 65535, 32768]), np.array([16, 20, 25, 31])
    m, add, r, left = constants(multiplier, shift, "half_up", 5, 1000)
    for c in range(4):
        for x in (-1000, -1, 0, 1, 999, 1000):
            want = exact(x, int(multiplier[c]), int(shift[c]), "half_up", 5)
            assert by_words(x, int(m[c]), int(add[c]), int(r[c]), left) == want


@pytest.mark.parametrize(
    ("multiplier", "shift", "rounding", "zero", "most"),
    [
        (40000, 20, "half_even", 0, 100),
        (40000, 20, "half_away", 0, 100),
        (1 << 31, 40, "half_up", 0, 100),
        (40000, 0, "half_up", 0, 1 << 20),  # x does not move far enough
        (1, 62, "half_up", 0, 100),  # r > 30
        (1, 62, "floor", 0, 100),  # nothing else would refuse it
        (1 << 30, 56, "half_up", 1 << 40, 100),  # a zero point that 64 bits would lose
        (1 << 30, 56, "half_up", 1 << 30, 100),
        (40000, 20, "half_up", 0, 1 << 31),
    ],
)
def test_what_32_bits_do_not_hold(multiplier, shift, rounding, zero, most):
    assert constants(np.array([multiplier]), np.array([shift]), rounding, zero, most) is None


@pytest.mark.parametrize("zero", [0, 3])
@pytest.mark.parametrize("target", range(3))
@pytest.mark.parametrize("most", [127, 1 << 15, 1 << 20])
def test_every_container(most, target, zero):
    rng, n, dtype = np.random.default_rng(most), 48, TARGETS[target]
    x = rng.integers(-most, most, n, endpoint=True).astype(np.int32)
    ratio = most >> 6
    shift = 15 + ratio.bit_length()
    made = constants(np.array([40001]), np.array([shift]), "half_up", -2, most + zero)
    m, add, r = (np.full(64, c, np.int32) for c in made[:3])
    y = np.full(n + 32, 77, dtype)
    given = np.concatenate([x, x[:16]])
    where = (a.ctypes.data for a in (m, add, r))
    scale(y[16:].ctypes.data, given.ctypes.data, n, *where, 64, target, zero, made[3], -100, 101)
    want = [min(max(exact(int(v) - zero, 40001, shift, "half_up", -2), -100), 101) for v in x]
    assert y[16 : 16 + n].tolist() == want
    assert (y[:16] == 77).all()
    assert (y[16 + n :] == 77).all()


ENDS = [(t, ends) for ends in ((-128, 127), (-128, 0), (-100, 127)) for t in range(3)] + [(1, (-32768, 32767))]
ENDS += [(0, ends) for ends in ((0, 255), (3, 200), (-1, 255), (0, 127), (-300, -100))]


@pytest.mark.parametrize(("target", "ends"), ENDS)
@pytest.mark.parametrize(
    ("numbers", "columns"), [(16, 64), (32, 64), (80, 64), (320, 64), (240, 48), (320, 80), (448, 192)]
)
@pytest.mark.parametrize("zero", [0, 7])
def test_a_constant_a_column(zero, numbers, columns, target, ends):
    """Less than `columns`, a multiple, or none; columns that are whole blocks of 64 or not."""
    rng, n = np.random.default_rng(numbers), numbers
    multiplier, shift = rng.integers(1 << 15, 1 << 16, columns), rng.integers(20, 30, columns)
    made = constants(multiplier, shift, "half_up", 1, (1 << 14) + 7)
    m, add, r = (np.asarray(c, np.int32) for c in made[:3])
    x, y = rng.integers(-(1 << 14), 1 << 14, n).astype(np.int32), np.full(n + 16, 77, TARGETS[target])
    where = (a.ctypes.data for a in (m, add, r))
    scale(y.ctypes.data, x.ctypes.data, n, *where, columns, target, zero, made[3], *ends)
    want = [
        min(
            max(exact(int(v) - zero, int(multiplier[i % columns]), int(shift[i % columns]), "half_up", 1), ends[0]),
            ends[1],
        )
        for i, v in enumerate(x)
    ]
    assert y[:n].tolist() == np.array(want).astype(TARGETS[target]).tolist()
    assert (y[n:] == 77).all()


def saturates():
    """Results far beyond bytes, at limits of either sign."""
    rng = np.random.default_rng(0)
    for sign, columns, (lo, hi) in product((1, -1), (64, 128, 80), ((-128, 127), (0, 255), (-7, 100), (3, 200))):
        x = np.concatenate([rng.integers(-(1 << 30), 1 << 30, 4 * columns) >> s for s in (0, 9, 17, 23)]) * sign
        m, add, r, left = constants(np.array([1 << 30]), np.array([33]), "half_up", 2, 1 << 30)
        assert left == 0  # else bytes are not packed
        where = [np.full(columns, c, np.int32) for c in (m, add, r)]
        y, given = np.empty(x.size, np.uint8), x.astype(np.int32)
        scale(y.ctypes.data, given.ctypes.data, x.size, *(a.ctypes.data for a in where), columns, 0, 0, 0, lo, hi)
        assert y.tolist() == np.clip(((x + 4) >> 3) + 2, lo, hi).astype(np.uint8).tolist()


def test_results_far_beyond_bytes():
    saturates()


@pytest.mark.parametrize("features", FEATURES)
def test_cpus_without_saturating_packs(features, tmp_path):
    elsewhere("from tests.hwsim.kernels.test_scaling import saturates; saturates()", features, tmp_path)
