"""Toggle rates, counted by Python's integers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hwsim.costs.activity import grid_bits, mac_activity, product_bits, toggles
from hwsim.formats import FP4_E2M1, INT4, INT8, UINT8, Format


def test_toggles_by_hand() -> None:
    """0 -> -1 changes all eight bits, -1 -> 1 seven, 1 -> 1 none."""
    assert toggles(np.array([0, -1, 1, 1]), 8, axis=0) == (8 + 7 + 0) / 3


@pytest.mark.parametrize("bits", [3, 8, 33, 64])
@pytest.mark.parametrize("axis", [0, 1])
def test_toggles_equal_python(bits: int, axis: int) -> None:
    """Hamming distances of two's complement."""
    rng = np.random.default_rng(3)
    codes = rng.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1, (5, 7), endpoint=True)
    rows = (codes.T if axis == 0 else codes).tolist()
    mask = (1 << bits) - 1
    counts = [((a ^ b) & mask).bit_count() for row in rows for a, b in pairwise(row)]
    assert toggles(codes, bits, axis=axis) == pytest.approx(sum(counts) / len(counts), rel=1e-12)


def test_one_code_never_changes() -> None:
    """No step, no toggle."""
    assert toggles(np.array([[5], [6]]), 8, axis=1) == 0.0
    assert toggles(np.zeros((0, 4), int), 8, axis=1) == 0.0


def test_mac_activity_by_hand() -> None:
    """Products 2, -2, 4 and sums 2, 0, 4 in 16 bits; both lanes count."""
    a, b = np.array([[[1], [1], [2]]]), np.array([[[2], [-2], [2]]])
    one = mac_activity(a, b, (INT8, INT8), 16)
    changed = {"a": [0, 2], "b": [7, 7], "product": [15, 14], "acc": [1, 1]}
    products = [2 ^ (-2 & 0xFFFF), (-2 & 0xFFFF) ^ 4]
    changed["product"] = [p.bit_count() for p in products]
    changed["b"] = [(2 ^ (-2 & 0xFF)).bit_count()] * 2
    assert one == {k: sum(v) / 2 for k, v in changed.items()}
    two = mac_activity(np.repeat(a, 2, axis=2), np.repeat(b, 2, axis=2), (INT8, INT8), 16)
    assert (two["a"], two["product"]) == (2 * one["a"], 2 * one["product"])
    assert two["acc"] == sum(((2 * x) ^ (2 * y)).bit_count() for x, y in ((2, 0), (0, 4))) / 2


def test_zero_points_belong_to_the_number() -> None:
    """A second operand at its zero point makes no product."""
    a, b = np.array([[[9], [-7], [3]]]), np.full((1, 3, 1), 5)
    assert mac_activity(a, b, (INT8, INT8), 24, zero_b=5)["product"] == 0.0


@pytest.mark.parametrize(("fmt", "bits"), [(INT4, 4), (INT8, 8), (UINT8, 9), (FP4_E2M1, 5)])
def test_grid_bits(fmt: Format, bits: int) -> None:
    """Two's complement of the numbers, not of the codes."""
    assert grid_bits(fmt) == bits
    assert product_bits(fmt, INT8) == bits + 8
