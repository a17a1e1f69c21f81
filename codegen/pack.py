"""How codes lie in memory: 1, 2, 4 or 6 bits a code, the first in the low bits (ONNX's and CMSIS-NN's order)."""

from __future__ import annotations

from math import lcm

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, Format


def width(fmt: Format) -> int | None:
    """Bits that a constant's code of `fmt` takes: 1, 2, 4 or 6; None where it keeps a container of its own."""
    return next((bits for bits in (1, 2, 4, 6) if fmt.bits <= bits), None)


def share(bits: int) -> tuple[int, int]:
    """(codes, bytes): how many codes of `bits` bits fill how many whole bytes, the fewest."""
    return lcm(8, bits) // bits, lcm(8, bits) // 8


def pack(codes: Codes, bits: int) -> NDArray[np.uint8]:
    """Row-major codes of up to `bits` bits, two's complement if signed, one behind the other; zeros fill the last byte.

    Four codes of 6 bits lie in 3 bytes, little endian.
    """
    (count, size), used = share(bits), -(-codes.size * bits // 8)
    flat = codes.reshape(-1).astype(np.int64) & ((1 << bits) - 1)
    rows = np.append(flat, np.zeros(-flat.size % count, np.int64)).reshape(-1, count)
    words = (rows << np.arange(0, 8 * size, bits)).sum(1)
    return (words[:, None] >> np.arange(0, 8 * size, 8)).astype(np.uint8).reshape(-1)[:used]


def unpack(data: NDArray[np.uint8], count: int, bits: int, *, signed: bool) -> NDArray[np.int64]:
    """Inverse of `pack`, for tests and readers: the first `count` codes."""
    size = share(bits)[1]
    rows = np.append(data, np.zeros(-data.size % size, np.uint8)).reshape(-1, size).astype(np.int64)
    words = (rows << np.arange(0, 8 * size, 8)).sum(1)
    codes = (words[:, None] >> np.arange(0, 8 * size, bits) & ((1 << bits) - 1)).reshape(-1)[:count]
    return (codes ^ 1 << (bits - 1)) - (1 << (bits - 1)) if signed else codes


def bit_rows(codes: Codes) -> NDArray[np.uint32]:
    """One-bit codes, shape (rows, k), each row in whole 32-bit words, the first code lowest."""
    padded = np.pad(codes.astype(np.uint64), ((0, 0), (0, -codes.shape[1] % 32))).reshape(len(codes), -1, 32)
    return np.asarray((padded << np.arange(32, dtype=np.uint64)).sum(2), np.uint32)


def words(codes: Codes) -> NDArray[np.uint32]:
    """Bytes four to a little-endian word, zero padded: compilers read words far faster than byte literals."""
    raw = np.asarray(codes, order="C").view(np.uint8).reshape(-1)
    return np.concatenate([raw, np.zeros(-raw.size % 4, np.uint8)]).view("<u4").astype(np.uint32)
