"""Rows in vectors against plain numpy, here and compiled for CPUs that have less."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from hwsim.kernels.elementwise import add, affine, multiply, select, shift_short

FULL = (-(1 << 31), (1 << 31) - 1)
KINDS = (np.int8, np.int16, np.int32)
FEATURES = ["+sse2", "+avx,+avx2,+bmi,+bmi2,+fma"]


def place(x):
    return x.ctypes.data


def numbers(rng, *shape, bits=32):
    """Numbers of all sizes up to `bits`."""
    x = rng.integers(*FULL, shape, endpoint=True) >> rng.integers(32 - bits, 32, shape)
    return x.astype(np.int32)


def operands(rng, rows, pitch, bits=32):
    """(array, single, step, the same in whole rows): a number a row, one number, a row for each, one for all."""
    for shape, single, step in (((rows, 1), 1, 1), ((1, 1), 1, 0), ((rows, pitch), 0, pitch), ((1, pitch), 0, 0)):
        given = numbers(rng, *shape, bits=bits)
        yield given, single, step, np.broadcast_to(given, (rows, pitch)).astype(np.int64)


def sums(rng, rows, pitch):
    x = numbers(rng, rows, pitch, bits=31)
    for b, single, step, wide in operands(rng, rows, pitch, bits=31):
        for lo, hi in (FULL, (-300, 70000)):
            y = np.full((rows + 1, pitch), 77, np.int32)
            add(place(y), place(x), place(b), rows, pitch, single, step, lo, hi)
            assert (y[:rows] == np.clip(x + wide, lo, hi)).all()
            assert (y[rows] == 77).all()


def products(rng, rows, pitch):
    """Whatever wraps, wraps alike."""
    x = numbers(rng, rows, pitch)
    for b, single, step, wide in operands(rng, rows, pitch):
        for zero_x, zero_b in ((0, 0), (-7, 100)):
            y = np.full((rows + 1, pitch), 77, np.int32)
            multiply(place(y), place(x), place(b), rows, pitch, single, step, zero_x, zero_b)
            assert (y[:rows] == ((x - np.int64(zero_x)) * (wide - zero_b)).astype(np.int32)).all()
            if pitch > 1:
                factors = numbers(rng, pitch)
                affine(place(y), place(x), place(factors), place(b), rows, pitch, single, step, zero_x)
                assert (y[:rows] == ((x - np.int64(zero_x)) * factors + wide).astype(np.int32)).all()
            assert (y[rows] == 77).all()


def choices(rng, rows, pitch):
    x, ones = numbers(rng, rows, pitch), (rng.random((rows, pitch)) < 0.5).astype(np.int32)
    ones *= rng.choice([1, -1, 256, 1 << 31], ones.shape).astype(np.int32)
    bytes_ = (ones != 0).astype(np.uint8) * 255
    rows_at, column = place(bytes_) + pitch * np.arange(rows), np.ascontiguousarray(ones[:, 0])
    kinds = [(0, ones, ones != 0), (1, rows_at, ones != 0), (2, column, np.repeat(ones[:, :1] != 0, pitch, axis=1))]
    for (b, single, step, wide), swapped in product(operands(rng, rows, pitch), (0, 1)):
        for kind, c, kept in kinds if pitch > 1 else kinds[:1]:
            if kind == 2 and single:
                continue
            y = np.full((rows + 1, pitch), 77, np.int32)
            select(place(y), place(c), place(x), place(b), rows, pitch, single, step, swapped, kind)
            assert (y[:rows] == np.where(kept != bool(swapped), x, wide)).all()
            assert (y[rows] == 77).all()


def shifts(rng, rows, pitch):
    """Every count, ties and ends; of products too."""
    x = np.concatenate([numbers(rng, rows - 1, pitch), np.resize([FULL[0], FULL[1] - 1, -1, 0, 1], (1, pitch))])
    x = np.minimum(x, FULL[1] - 1).astype(np.int32)
    small = x >> 16
    counts, factors = rng.integers(0, 32, rows).astype(np.int32), numbers(rng, rows) >> 17
    for target, (lo, hi) in enumerate(((-128, 127), (-32768, 32767), FULL)):
        for step, times in product((0, 1), (0, 1, 2)):
            y, given = np.full((rows + 1, pitch), 77, KINDS[target]), small if times else x
            f, f_step = (0, 0) if times == 0 else (place(factors), times - 1)
            count = counts[:, None] if step else counts[:1, None]
            factor = [1, factors[0], factors[:, None]][times]
            want = ((given.astype(np.int64) * factor) + (np.int64(1) << count)) >> (count + 1)
            shift_short(place(y), place(given), place(counts), rows, pitch, step, 1, lo, hi, target, f, f_step)
            assert (y[:rows] == np.clip(want, lo, hi)).all()
            assert (y[rows] == 77).all()


def agrees():
    rng = np.random.default_rng(0)
    for rows, pitch in ((1, 1), (7, 1), (1, 16), (3, 16), (5, 48), (2, 128)):
        sums(rng, rows, pitch)
        products(rng, rows, pitch)
        choices(rng, rows, pitch)
        if pitch > 1:
            shifts(rng, rows, pitch)


def test_rows():
    agrees()


@pytest.mark.parametrize("features", FEATURES)
def test_rows_of_lesser_cpus(features, tmp_path):
    elsewhere("from tests.hwsim.kernels.test_rowwise import agrees; agrees()", features, tmp_path)


def elsewhere(code, features, folder):
    """Run `code` with kernels that are compiled for another CPU."""
    other = {"NUMBA_CACHE_DIR": str(folder), "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | other, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("over", [0, 1])
def test_results_over_operands(over):
    """As the machine places them."""
    rng = np.random.default_rng(over)
    given = [numbers(rng, 3, 48, bits=31) for _ in range(2)]
    want = given[0] + given[1]
    add(place(given[over]), *map(place, given), 3, 48, 0, 48, *FULL)
    assert (given[over] == want).all()
