"""How a matrix kernel cuts its work: tiles of some rows by some output channels, and how weights lie for it.

A step of a linear layer gathers `rows` rows of the input (pixels' patches) in the element type that the machine
multiplies best, then takes the output channels in panels of `channels`, whose weights lie in the order of reading.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes
from hwsim.ranges import Interval

from .targets import Target

BYTE, SIGNED_BYTE = Interval(0, 255), Interval(-128, 127)
HALF = Interval(-(1 << 15), (1 << 15) - 1)


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Sizes and types of one kernel set.

    Args:
        name: of the templates.
        rows, channels: at most so many at a time; what they share is loaded once.
        element: C type of the scratch buffer that holds the rows, and how many input codes one such element holds.
        row: what an input may be, `offset` added.
        offset: added to inputs that are not in `row`, and taken off again by the bias.
        words: whether codes are read 32 bits at a time, word by word of all channels of a panel; else byte by byte, one
            channel behind the other.
        block: channels of a depthwise convolution at a time.
        taps: taps of a depthwise window at a time, whose weights lie together.
        fill: rows of more than half as many inputs are filled up with zeros to a multiple of it.
    """

    name: str
    rows: int
    channels: int
    element: tuple[str, int]
    row: Interval
    offset: int = 0
    words: bool = False
    block: int = 4
    taps: int = 1
    fill: int = 1


SCALAR = Tile(name="scalar", rows=2, channels=4, element=("int16_t", 1), row=HALF)
GENERIC = replace(SCALAR, block=16, fill=16)  # whose compiler may vectorise, gcc -O2 only loops of a multiple of 16
SMALL = replace(SCALAR, rows=1, channels=2, block=2)  # for eight registers
DSP = Tile(name="dsp", rows=2, channels=2, element=("uint32_t", 2), row=HALF, words=True, taps=2)
MVE = Tile(name="mve", rows=2, channels=4, element=("int8_t", 1), row=SIGNED_BYTE, offset=-128)


def tiles(target: Target) -> tuple[Tile, ...]:
    """The tiles of a target's kernels, the best first."""
    if target.name in ("generic", "cortex-m0"):
        return (GENERIC if target.name == "generic" else SMALL,)
    return {"scalar": (SCALAR,), "dsp": (DSP,), "mve": (MVE, DSP), "x86": (GENERIC,)}[target.kernels]


def filled_up(k: int, fill: int) -> int:
    """`k` up to a multiple of `fill`, where that is less than double."""
    return -(-k // fill) * fill if 2 * k > fill else k


def headers(target: Target) -> list[str]:
    """Which headers ``hw_NAME.h`` the kernels of a target need."""
    vectors = ["x86"] if target.kernels == "x86" else []
    return vectors + [t.name for t in tiles(target) if t.words or t.name == "mve"]


def starts(size: int, step: int) -> list[int]:
    """Where tiles of `step` begin that cover 0 .. size - 1; the last ends with it, so it may overlap the one before.

    Why overlapping and no padding: what is computed twice gives the same code twice, and needs no test.
    """
    return [min(o, size - step) for o in range(0, size, step)]


def panels(words: NDArray[np.uint32], channels: int) -> NDArray[np.uint32]:
    """(O, K) words -> [panel][K][channel], flat."""
    return np.concatenate([words[s : s + channels].T.reshape(-1) for s in starts(len(words), channels)])


def pairs(bits: int) -> NDArray[np.int64]:
    """Which code of a word stands at each place, from the low bits, so that masks take out pairs of 16-bit halves.

    Rows lie as (0, 2), (1, 3), (4, 6), (5, 7), ..: what SXTB16 makes of words of bytes.
    """
    low = np.array([4 * (i // 2) + i % 2 for i in range(16 // bits)])
    return np.concatenate([low, low + 2])


def word_codes(codes: Codes, bits: int, order: NDArray[np.int64] | None = None) -> NDArray[np.uint32]:
    """(O, K) codes of `bits` bits -> (O, K * bits / 32) words; place i, from the low bits, holds code `order[i]`."""
    n = 32 // bits
    split = codes.astype(np.int64).reshape(len(codes), -1, n) & ((1 << bits) - 1)
    split = split if order is None else split[..., order]
    return np.asarray((split << np.arange(0, 32, bits)).sum(-1), np.uint32)
