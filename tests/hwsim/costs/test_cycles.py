"""Cycles of arrays and lanes: counted by hand, and by an array that is stepped; `test_systolic` has the Verilog."""

import numpy as np
import pytest

from hwsim.costs.cycles import Array, Cycles, Simd, matmul_cycles
from tests.compare import assert_refused


def test_output_stationary_by_hand():
    """2 x 2, (3, 4) @ (4, 3): 4 tiles of 4 steps. Weights in cycles 0..3, operands in 4..19, the last token in 20.

    The last token enters at the edge of cycle 20, is at the far corner in 21 + 2, its results at y in 24 and 25.
    """
    made = matmul_cycles(Array(rows=2, columns=2), 3, 4, 3)
    parts = {"load": 4, "compute": 16, "fill": 4, "drain": 2}
    assert made == Cycles(**parts, tiles=4, chunks=1, interval=4, products=36, macs=4)
    assert (made.total, made.utilisation) == (26, 36 / (26 * 4))


def test_weight_stationary_by_hand():
    """2 x 2, (5, 4) @ (4, 3): weights in cycles 0..1, 4 tiles of 5 rows in 2..21, the last row's sum is out in 25."""
    made = matmul_cycles(Array(rows=2, columns=2, dataflow="weight"), 5, 4, 3)
    parts = {"load": 2, "compute": 20, "fill": 4, "drain": 0}
    assert made == Cycles(**parts, tiles=4, chunks=1, interval=5, products=60, macs=4)
    assert made.total == 26


@pytest.mark.parametrize(
    ("array", "size", "total"),
    [
        (Array(rows=1, columns=1), (1, 1, 1), 1 + 1 + 2 + 1),
        (Array(rows=4, columns=2), (4, 1, 2), 1 + 4 + 6 + 4),  # a sum shorter than the array is high
        (Array(rows=2, columns=2, depth=4), (2, 9, 2), 3 + 9 + 4 + 2),  # 3 chunks of 3
        (Array(rows=2, columns=2, depth=4), (2, 10, 2), 4 + 12 + 4 + 2),  # 3 chunks of 4, 2 of 12 steps are padding
        (Array(rows=2, columns=2, lanes=4), (2, 10, 2), 3 + 3 + 4 + 2),
        (Array(rows=2, columns=3, dataflow="weight", lanes=4), (7, 10, 4), 2 + 4 * 7 + 5),
        (Array(rows=4, columns=3, dataflow="weight"), (1, 5, 4), 4 + 4 * 4 + 7),  # loads take longer than one row
    ],
)
def test_more_by_hand(array, size, total):
    assert matmul_cycles(array, *size).total == total


def stepped(rows: int, columns: int, a: np.ndarray, b: np.ndarray) -> int:
    """Cycles of a weight-stationary array, its registers stepped, until no partial sum leaves; the sums are checked.

    A word of weights enters a cycle and passes to the right; the next tile's follow the token, with which a tile's rows
    begin and each element takes its new weight. Rows of `a` and the token have a register at the edge, and skew.
    """
    (m, k), n, (r, c) = a.shape, b.shape[1], (rows, columns)
    whole_a, whole_b = np.pad(a, ((0, 0), (0, -k % r))), np.pad(b, ((0, -k % r), (0, -n % c)))
    tiles = [(i, j) for j in range(0, n, c) for i in range(0, k, r)]
    begin = [r + t * max(m, r) for t in range(len(tiles))]
    words = {(begin[t - 1] + 1 if t else 0) + row: (t, row) for t in range(len(tiles)) for row in range(r)}
    fed = {begin[t] + row: (t, row) for t in range(len(tiles)) for row in range(m)}
    x, sums, weight, after = (np.zeros((r, c), np.int64) for _ in range(4))
    y, last = np.zeros((m, whole_b.shape[1]), np.int64), 0
    for cycle in range(begin[-1] + m + 3 * (r + c)):
        for col in range(c):  # visible before the edge
            last = cycle if sums[-1, col] else last
            t, row = fed.get(cycle - r - 1 - col, (None, 0))
            if t is not None:
                y[row, tiles[t][1] + col] += sums[-1, col]
        edge = [fed.get(cycle - 1 - row, (None, 0)) for row in range(r)]
        left = [0 if t is None else whole_a[at, tiles[t][0] + row] for row, (t, at) in enumerate(edge)]
        x = np.column_stack([left, x[:, :-1]])
        taken = np.array([[cycle - 1 - i - j in begin for j in range(c)] for i in range(r)])
        weight = np.where(taken, after, weight)
        sums = np.vstack([np.zeros((1, c), np.int64), sums[:-1]]) + x * weight
        for col in range(c):
            t, row = words.get(cycle - col, (None, 0))
            if t is not None:
                after[row, col] = whole_b[tiles[t][0] + row, tiles[t][1] + col]
    assert (y[:, :n] == a @ b).all()
    return last + 1


@pytest.mark.parametrize("size", [(1, 1, 1), (5, 4, 4), (6, 7, 8), (12, 3, 4), (2, 9, 4)], ids=str)
def test_weight_stationary_stepped(size):
    m, k, n = size
    rng = np.random.default_rng(1)
    a, b = rng.integers(1, 9, (m, k)), rng.integers(1, 9, (k, n))  # positive, so that no sum is 0
    for rows, columns in ((1, 1), (3, 4), (4, 2)):
        columns = min(columns, n)
        made = matmul_cycles(Array(rows=rows, columns=columns, dataflow="weight"), m, k, n)
        assert stepped(rows, columns, a, b) == made.total - max(0, rows - m)


def test_properties_of_all_arrays():
    rng = np.random.default_rng(2)
    for _ in range(300):
        rows, columns, lanes, depth = (int(v) for v in rng.integers(1, 20, 4))
        m, k, n, batch = (int(v) for v in rng.integers(1, 70, 4))
        for array in (
            Array(rows=rows, columns=columns, lanes=lanes, depth=depth),
            Array(rows=rows, columns=columns, lanes=lanes, dataflow="weight"),
        ):
            made = matmul_cycles(array, m, k, n, batch)
            assert 0 < made.utilisation <= 1
            assert made.products == batch * m * k * n
            assert made.compute >= made.products / array.macs
            assert made.total == made.load + made.tiles * made.interval + made.fill + made.drain
            assert matmul_cycles(array, m, k, n, batch + 1).total == made.total + made.compute // batch
            twice = matmul_cycles(Array(**{**vars(array), "columns": 2 * columns}), m, k, 2 * n, batch)
            assert (twice.tiles, twice.compute) == (made.tiles, made.compute)
            assert matmul_cycles(Array(**{**vars(array), "columns": 2 * columns}), m, k, n, batch).tiles <= made.tiles


def test_doubling_columns_halves_tiles():
    for dataflow in ("output", "weight"):
        one, two = (matmul_cycles(Array(rows=8, columns=c, dataflow=dataflow), 64, 48, 64) for c in (8, 16))
        assert (one.tiles, one.compute) == (2 * two.tiles, 2 * two.compute)
        assert one.total > two.total


def test_a_long_product_uses_all_of_the_array():
    assert matmul_cycles(Array(rows=16, columns=16), 1024, 1024, 1024).utilisation > 0.999
    assert matmul_cycles(Array(rows=16, columns=16, dataflow="weight"), 4096, 1024, 1024).utilisation > 0.999
    assert matmul_cycles(Array(rows=16, columns=16), 1, 1024, 1024).utilisation < 1 / 16


def test_lanes():
    assert [Simd(lanes=8).cycles(n) for n in (0, 1, 8, 9)] == [0, 1, 1, 2]


REFUSED = {
    "rows": (lambda: Array(rows=0, columns=1), "rows 0", ">= 1"),
    "columns": (lambda: Array(rows=1, columns=2.0), "columns 2.0"),
    "bool": (lambda: Array(rows=True, columns=2), "rows True"),
    "lanes": (lambda: Array(rows=1, columns=1, lanes=-1), "lanes -1"),
    "depth": (lambda: Array(rows=1, columns=1, depth=0), "depth 0"),
    "depth of weights": (lambda: Array(rows=1, columns=1, depth=4, dataflow="weight"), "depth 4", "weight"),
    "dataflow": (lambda: Array(rows=1, columns=1, dataflow="row"), "'row'", "output, weight"),
    "simd": (lambda: Simd(lanes=0), "simd", "lanes 0"),
    "elements": (lambda: Simd(lanes=1).cycles(-1), "elements -1"),
    "k": (lambda: matmul_cycles(Array(rows=1, columns=1), 1, 0, 1), "k 0"),
    "batch": (lambda: matmul_cycles(Array(rows=1, columns=1), 1, 1, 1, batch=0), "batch 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, *culprits = REFUSED[name]
    assert_refused(call, *culprits)
