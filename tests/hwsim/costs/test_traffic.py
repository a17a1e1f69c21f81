"""Traffic and latency of matrix products: counted by hand, and what must hold whatever the sizes."""

import numpy as np
import pytest

from hwsim.costs.cycles import Array, matmul_cycles
from hwsim.costs.traffic import Buffers, Latency, Widths, matmul_traffic, roofline
from tests.compare import assert_refused

SMALL = Array(rows=2, columns=2)
BYTES = Widths(a=8, b=8, y=8)


def buffers(weights: int, activations: int, outputs: int = 1000) -> Buffers:
    return Buffers(weights=weights, activations=activations, outputs=outputs)


def test_everything_fits_by_hand():
    """(4, 3) @ (3, 4): 12 bytes an operand, 16 of results; 2 tiles of columns read all of a, 2 of rows all of b."""
    made = matmul_traffic(SMALL, buffers(12, 12), BYTES, 4, 3, 4)
    assert (made.order, made.a_reads, made.b_reads) == ("weights kept", 1, 1)
    assert (made.dram_read, made.dram_write, made.dram) == (8 * 24, 8 * 16, 8 * 40)
    assert (made.sram_read, made.sram_write) == (8 * (2 * 12 + 2 * 12 + 16), 8 * (16 + 24))
    assert (made.a_sram, made.b_sram) == (8 * (2 * 12 + 12), 8 * (2 * 12 + 12))
    assert made.first == 8 * (2 * 3 + 2 * 3)


ORDERS = {  # (m, k, n), bytes of weights and activations: order, reads of a, reads of b
    "two columns of weights stay": ((4, 3, 8), (12, 11), ("weights kept", 4, 1)),
    "one column is no tile": ((4, 3, 8), (11, 11), ("nothing kept", 4, 2)),
    "all activations stay": ((4, 3, 8), (11, 12), ("activations kept", 1, 1)),
    "two rows of activations stay": ((8, 3, 8), (4, 12), ("activations kept", 1, 4)),
    "either would do, weights are smaller": ((8, 3, 6), (12, 12), ("weights kept", 3, 1)),
    "either would do, activations are smaller": ((6, 3, 8), (12, 12), ("activations kept", 1, 3)),
    "three columns of weights are one tile": ((6, 3, 7), (18, 4), ("weights kept", 4, 1)),
    "four columns of weights are two tiles": ((6, 3, 9), (24, 4), ("weights kept", 3, 1)),
}


@pytest.mark.parametrize("name", ORDERS)
def test_orders_by_hand(name):
    (m, k, n), room, want = ORDERS[name]
    made = matmul_traffic(SMALL, buffers(*room), BYTES, m, k, n)
    assert (made.order, made.a_reads, made.b_reads) == want
    assert made.dram_read == 8 * k * (made.a_reads * m + made.b_reads * n)
    assert made.dram_write == 8 * m * n


def test_the_store_of_the_tile_saves_reads_of_sram():
    """With a store of whole sums, weights are read once; a sum in two chunks takes them again for each row of tiles."""
    size = (4, 3, 4)
    reads = {
        depth: matmul_traffic(Array(rows=2, columns=2, depth=depth), buffers(12, 12), BYTES, *size).sram_read
        for depth in (None, 3, 2)
    }
    assert reads == {None: 8 * (24 + 24 + 16), 3: 8 * (24 + 12 + 16), 2: 8 * (24 + 24 + 16)}


@pytest.mark.parametrize("array", [Array(rows=2, columns=2, depth=3), Array(rows=2, columns=2, dataflow="weight")])
def test_each_block_of_activations_takes_the_weights_again(array):
    """(8, 3) @ (3, 8), two rows of activations at a time: weights come 4 times from DRAM, and 4 times from SRAM."""
    made = matmul_traffic(array, buffers(6, 12), BYTES, 8, 3, 8)
    assert (made.order, made.b_reads) == ("activations kept", 4)
    assert made.b_sram == 8 * (made.b_reads * 24 + made.b_reads * 24)


def test_weight_stationary_keeps_partial_sums_by_hand():
    """(5, 6) @ (6, 2): 3 tiles of k; 10 sums of 4 bytes are written 2 times, read 2 times, and leave as bytes."""
    array = Array(rows=2, columns=2, dataflow="weight")
    made = matmul_traffic(array, buffers(12, 30, 40), Widths(a=8, b=8, y=8, acc=32), 5, 6, 2)
    assert (made.dram_read, made.dram_write) == (8 * (30 + 12), 8 * 10)
    assert made.sram_read == 8 * (30 + 12 + 2 * 40 + 10)
    assert made.sram_write == 8 * (2 * 40 + 10 + 42)
    assert_refused(
        lambda: matmul_traffic(array, buffers(12, 30, 39), BYTES, 5, 6, 2), "outputs of 39", "5 rows", "40 bytes"
    )


def test_what_is_on_chip_is_not_read():
    made = matmul_traffic(SMALL, buffers(12, 12, 16), BYTES, 4, 3, 4, on_chip=("a", "y"))
    assert (made.a_reads, made.b_reads, made.dram_read, made.dram_write) == (0, 1, 8 * 12, 0)
    assert made.first == 8 * 2 * 3
    none = matmul_traffic(SMALL, buffers(12, 12, 16), BYTES, 4, 3, 4, on_chip=("a", "b", "y"))
    assert (none.dram, none.first) == (0, 0)
    assert roofline(matmul_cycles(SMALL, 4, 3, 4), none, 1).cycles == matmul_cycles(SMALL, 4, 3, 4).total


def drawn_cases() -> list[tuple]:
    rng = np.random.default_rng(4)
    cases = []
    for _ in range(400):
        rows, columns, m, k, n, batch = (int(v) for v in rng.integers(1, (9, 9, 40, 40, 40, 4)))
        room = [int(v) for v in rng.integers(4 * 9, 2000, 2)]
        bits = [int(v) for v in rng.integers(1, 17, 3)]
        array = Array(rows=rows, columns=columns, depth=int(rng.integers(1, 50)))
        cases.append((array, room, Widths(a=bits[0], b=bits[1], y=bits[2]), (m, k, n, batch)))
    return cases


def test_more_memory_never_moves_more_and_nothing_is_below_the_least():
    orders = set()
    for array, (weights, activations), widths, size in drawn_cases():
        m, k, n, batch = size
        made = matmul_traffic(array, buffers(weights, activations), widths, *size)
        orders.add(made.order)
        least = batch * (m * k * widths.a + k * n * widths.b)
        assert made.dram_read >= least
        assert made.first <= made.dram_read
        assert made.sram_read >= made.dram_write + least
        results = batch * m * n * widths.y
        assert made.a_sram + made.b_sram == made.sram_read - made.dram_write + made.sram_write - results
        for more in (1, 7, 100, 10_000):
            for room in ((weights + more, activations), (weights, activations + more)):
                assert matmul_traffic(array, buffers(*room), widths, *size).dram <= made.dram
        roomy = matmul_traffic(array, buffers(10**6, 10**6), widths, *size)
        assert roomy.dram == least + batch * m * n * widths.y
    assert orders == {"weights kept", "activations kept", "nothing kept"}


def test_more_bandwidth_never_takes_more_cycles_and_nothing_is_below_compute():
    bounds = set()
    for array, (weights, activations), widths, size in drawn_cases():
        cycles = matmul_cycles(array, *size)
        traffic = matmul_traffic(array, buffers(weights, activations), widths, *size)
        found = [roofline(cycles, traffic, bandwidth) for bandwidth in (0.25, 1, 3, 8, 64, 1000, 1e9)]
        bounds |= {latency.bound for latency in found}
        taken = [latency.cycles for latency in found]
        assert taken == sorted(taken, reverse=True)
        assert taken[-1] == cycles.total + 1
        assert all(latency.cycles >= max(cycles.total, traffic.dram / 1e9) for latency in found)
        assert taken[0] >= traffic.dram / 0.25
    assert bounds == {"compute", "memory"}


def test_roofline_by_hand():
    """26 cycles of compute, 8 * (12 + 12 + 9) bits, of which the first tile's 8 * 16 come alone."""
    cycles = matmul_cycles(SMALL, 3, 4, 3)
    traffic = matmul_traffic(SMALL, buffers(12, 12), BYTES, 3, 4, 3)
    assert (cycles.total, traffic.dram, traffic.first) == (26, 264, 128)
    assert roofline(cycles, traffic, 8) == Latency(fill=16, compute=26, memory=17)
    assert roofline(cycles, traffic, 8).cycles == 42
    assert (roofline(cycles, traffic, 5).cycles, roofline(cycles, traffic, 5).bound) == (26 + 28, "memory")


def bounded(bandwidth: float) -> Latency:
    return roofline(matmul_cycles(SMALL, 1, 1, 1), matmul_traffic(SMALL, buffers(4, 4), BYTES, 1, 1, 1), bandwidth)


REFUSED = {
    "buffers": (lambda: buffers(0, 1), "weights 0"),
    "widths": (lambda: Widths(a=8, b=0, y=8), "b 0"),
    "activations": (lambda: matmul_traffic(SMALL, buffers(4, 3), BYTES, 1, 1, 1), "activations of 3", "4 bytes"),
    "weights": (lambda: matmul_traffic(SMALL, buffers(3, 4), BYTES, 1, 1, 1), "weights of 3", "4 bytes"),
    "outputs": (lambda: matmul_traffic(SMALL, buffers(4, 4, 3), BYTES, 1, 1, 1), "outputs of 3", "4 bytes"),
    "on chip": (lambda: matmul_traffic(SMALL, buffers(4, 4), BYTES, 9, 9, 9, on_chip=("a",)), "operand a", "81", "4"),
    "batch on chip": (
        lambda: matmul_traffic(SMALL, buffers(4, 5), BYTES, 2, 2, 1, batch=2, on_chip=("a",)), "8 bytes in 5",
    ),
    "operand": (lambda: matmul_traffic(SMALL, buffers(4, 4), BYTES, 1, 1, 1, on_chip=("x",)), "'x'", "a, b, y"),
    "n": (lambda: matmul_traffic(SMALL, buffers(4, 4), BYTES, 1, 1, -3), "n -3"),
    "bandwidth": (lambda: bounded(0), "bandwidth 0"),
    "no number": (lambda: bounded(float("nan")), "nan"),
    "no limit": (lambda: bounded(float("inf")), "inf"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, *culprits = REFUSED[name]
    assert_refused(call, *culprits)
