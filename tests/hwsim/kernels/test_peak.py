"""The instructions of a peak really run: what they add up is right."""

import numpy as np
import pytest

from hwsim.kernels import peak

pytestmark = pytest.mark.skipif(bool(peak.lacking()), reason=f"this CPU lacks {peak.lacking()}")
N = 7


def operands(dtype):
    rng = np.random.default_rng(0)
    room = rng.integers(0, 256, peak.NUMBERS * peak.VECTOR).astype(np.uint8)
    room[:] = room if dtype == np.int32 else room // 16 * 16 + 3  # products of all sizes
    vectors = room.reshape(peak.NUMBERS, peak.VECTOR)
    return room, vectors[0], vectors[1 : 1 + peak.ACCUMULATORS], vectors[1 + peak.ACCUMULATORS :]


def test_dot():
    room, w, sums, xs = operands(np.int32)
    products = xs.astype(np.int64) * w.view(np.int8)
    each = sums.copy().view(np.int32).astype(np.int64) + N * products.reshape(len(xs), -1, 4).sum(2)
    want = each.sum(0).astype(np.int32)
    peak.dot(N, room.ctypes.data)
    assert room[: peak.VECTOR].view(np.int32).tolist() == want.tolist()


def shorts():
    """Memory, sums, second factor, factors as integers, and their products in 16 bits."""
    room, w, sums, xs = operands(np.int16)
    wide = [v.copy().view(np.int16).astype(np.int64) for v in (sums, w, xs)]
    return room, *wide, (wide[2] * wide[1]).astype(np.int16)


def total(each):
    return each.sum(0).astype(np.int16).tolist()


def test_saturating():
    room, each, _, _, products = shorts()
    for _ in range(N):
        each = np.clip(each + products, -(1 << 15), (1 << 15) - 1)
    peak.saturating(N, room.ctypes.data)
    assert room[: peak.VECTOR].view(np.int16).tolist() == total(each)
    assert (np.abs(each) >= (1 << 15) - 1).any()


def test_limited():
    room, each, w, xs, products = shorts()
    for _ in range(N):
        each = (np.maximum(np.minimum(each, w), xs) + products).astype(np.int16)
    peak.limited(N, room.ctypes.data)
    assert room[: peak.VECTOR].view(np.int16).tolist() == total(each)
