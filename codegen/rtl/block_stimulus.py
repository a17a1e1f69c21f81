"""What drives a `BlockMacUnit`: blocks of random and extreme elements, scales around the accumulator's range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim.blockformats import BIAS
from hwsim.formats import E8M0, Codes
from hwsim.ranges import format_interval

from .mac import end_codes
from .unit import Stimulus, drawn

if TYPE_CHECKING:
    from .block_mac import BlockMacUnit

BLOCKS = 12  # of one result
TOGETHER = 16  # results that one matrix product computes, of which the diagonal is wanted


def stimulus(unit: BlockMacUnit, rng: np.random.Generator, count: int) -> Stimulus:
    """At least `count` cycles of results of a few blocks: random elements, a third of one extreme pair a block."""
    depth, op = BLOCKS, unit.op
    if op.path.overflow == "refuse":  # as deep as nothing can pass
        ends = zip(op.path.limits(op.acc), unit.bound.term, strict=True)
        depth = max(1, min(depth, *(limit // size for limit, size in ends if size)))
    blocks = -(-count // (unit.steps * depth)) * depth
    shape, extreme = (blocks, op.block), rng.random((blocks, 1)) < 0.3
    codes: Stimulus = {"first": np.arange(blocks * unit.steps) % (unit.steps * depth) == 0}
    if unit.steps > 1:
        codes["last"] = np.arange(blocks * unit.steps) % unit.steps == unit.steps - 1
    for port, fmt in (("a", unit.a), ("b", unit.b)):
        elements = np.where(extreme, rng.choice(end_codes(fmt), (blocks, 1)), drawn(rng, fmt, None, shape))
        codes[port] = elements.reshape(-1, unit.lanes)
    per_block = _scales(unit, rng, blocks)
    per_block |= {"zero_b": drawn(rng, unit.zeros, None, blocks)} if unit.zeros else {}
    return codes | {port: np.repeat(c, unit.steps) for port, c in per_block.items()}


def _scales(unit: BlockMacUnit, rng: np.random.Generator, blocks: int) -> Stimulus:
    """Codes of scales: exponents mostly where a block is neither out of sight nor at `max_exp`, some anywhere."""
    free = {port: drawn(rng, t.fmt, unit.reaches[port], blocks) for port, t in unit.scales.items()}
    exponents = [port for port, t in unit.scales.items() if t.fmt == E8M0]
    if not exponents:
        return free
    size = unit.bound.dot.magnitude.bit_length() + 2
    total = rng.integers(min(unit.op.lsb_exp - size, unit.op.max_exp), unit.op.max_exp + 2, blocks, endpoint=True)
    for port in exponents:  # the first takes any part of it, the last the rest
        ends = unit.reaches[port] or format_interval(E8M0)
        part = total // 2 + rng.integers(-9, 9, blocks, endpoint=True) if port != exponents[-1] else total
        aimed = np.clip(part + BIAS, *ends)
        free[port] = np.where(rng.random(blocks) < 0.75, aimed, free[port])
        total = total - (free[port] - BIAS)
    return free


def expected(unit: BlockMacUnit, codes: Mapping[str, NDArray[Any]]) -> Codes:
    """The sum of complete blocks at every cycle; 0 before the first."""
    begins = np.flatnonzero(codes["first"])
    lengths = np.diff([*begins, len(codes["first"])])
    y = np.zeros(len(codes["first"]), unit.op.acc.dtype)
    for length in np.unique(lengths):
        rows = begins[lengths == length, None] + np.arange(length)
        for end in range(unit.steps, length + 1, unit.steps):
            for some in np.array_split(rows, -(-len(rows) // TOGETHER)):
                y[some[:, end - 1 :]] = _sums(unit, codes, some[:, :end])[:, None]
    return y


def _sums(unit: BlockMacUnit, codes: Mapping[str, NDArray[Any]], rows: NDArray[np.int64]) -> Codes:
    """Results of as many rows, each with columns of its own: a matrix product's diagonal."""
    read = rows[:, unit.steps - 1 :: unit.steps]
    a, b = (codes[port][rows].reshape(len(rows), -1).astype(fmt.dtype) for port, fmt in (("a", unit.a), ("b", unit.b)))
    right, *left = (codes[port][read].astype(t.fmt.dtype) for port, t in unit.scales.items())
    zeros = [codes["zero_b"][read].T] if unit.zeros else []
    return np.diagonal(unit.op.run(unit.types(a.shape[1]), a, b.T, right.T, *left, *zeros)).copy()
