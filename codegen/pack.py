"""How codes lie in memory: up to 4 bits two a byte, the first in the low nibble (ONNX's and CMSIS-NN's order)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, Format


def packed(fmt: Format) -> bool:
    """Whether constants of `fmt` are kept two to a byte."""
    return fmt.bits <= 4


def pack_nibbles(codes: Codes) -> NDArray[np.uint8]:
    """Row-major codes of up to 4 bits, two's complement if signed, two a byte; odd counts end in a zero nibble."""
    flat = codes.reshape(-1).astype(np.int64) & 15
    flat = np.append(flat, 0) if flat.size % 2 else flat
    return (flat[0::2] | flat[1::2] << 4).astype(np.uint8)


def unpack_nibbles(data: NDArray[np.uint8], count: int, *, signed: bool) -> NDArray[np.int64]:
    """Inverse of `pack_nibbles`, for tests and readers: the first `count` codes."""
    both = np.stack([data & 15, data >> 4], axis=-1).reshape(-1)[:count].astype(np.int64)
    return (both ^ 8) - 8 if signed else both


def words(codes: Codes) -> NDArray[np.uint32]:
    """Bytes four to a little-endian word, zero padded: compilers read words far faster than byte literals."""
    raw = np.asarray(codes, order="C").view(np.uint8).reshape(-1)
    return np.concatenate([raw, np.zeros(-raw.size % 4, np.uint8)]).view("<u4").astype(np.uint32)
