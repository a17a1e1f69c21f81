"""How many bits change: the operand statistics that energy is computed from.

A toggle rate is the mean number of bits that differ between one code of a sequence and the next, so it is at most the
width. Energy laws are linear in toggle rates (`hwsim.costs.laws`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Format

Codes = NDArray[Any]


def toggles(codes: Codes, bits: int, axis: int) -> float:
    """Mean changed bits from one code to the next.

    Args:
        codes: integers; two's complement counts where they are signed.
        bits: width, at most 64.
        axis: along which they follow each other; 0 where there is but one.

    Source: Hamming distance of successive words, as in every power model since Landman & Rabaey 1995.
    """
    steps = codes.shape[axis] - 1
    if steps < 1 or not codes.size:
        return 0.0
    mask = np.uint64((1 << bits) - 1)
    words = codes.astype(np.int64).view(np.uint64)
    after, before = (np.take(words, np.arange(s, s + steps), axis=axis) for s in (1, 0))
    changed = np.bitwise_count((after ^ before) & mask)
    return float(changed.mean(dtype=np.float64))


def mac_activity(
    a: Codes, b: Codes, formats: tuple[Format, Format], acc_bits: int, zero_b: int = 0
) -> dict[str, float]:
    """Toggle rates of a multiply-accumulate unit.

    Args:
        a: codes, shape (sums, cycles, lanes): a unit of one lane has a last axis of 1. Each sum starts anew.
        b: codes of the same shape.
        formats: of both.
        acc_bits: width of the accumulator; sums wrap in it.
        zero_b: zero point of `b`.

    Returns:
        ``a``, ``b``: of the operands' codes; ``product``, ``acc``: of exact products and running sums; over all lanes.
    """
    fa, fb = formats
    products = fa.to_int(a) * (fb.to_int(b) - zero_b)
    lanes = a.shape[2]
    return {
        "a": lanes * toggles(a, fa.bits, axis=1),
        "b": lanes * toggles(b, fb.bits, axis=1),
        "product": lanes * toggles(products, min(product_bits(fa, fb), acc_bits), axis=1),
        "acc": toggles(np.cumsum(products.sum(axis=2), axis=1), acc_bits, axis=1),
    }


def product_bits(a: Format, b: Format) -> int:
    """Width that holds every product of two formats' grid integers."""
    return grid_bits(a) + grid_bits(b)


def grid_bits(fmt: Format) -> int:
    """Two's-complement width of a format's grid integers: 5 for FP4 E2M1, whose numbers are up to 12."""
    return max(int(fmt.max_int).bit_length() + 1, int(-fmt.min_int - 1).bit_length() + 1 if fmt.min_int < 0 else 0)
