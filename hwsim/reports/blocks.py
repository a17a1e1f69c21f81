"""Softmax and norms against float64, each on the integers that really reached it: the block's own error.

What the result's format cannot name is no error of the block: float64 saturates where it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..formats import Codes, Reals
from ..front import FrontGraph, FrontNode
from ..front_ops import FRONT_OPS
from ..graph import Graph, Value
from ..qtensor import QTensor

BLOCKS = ("softmax", "layer_norm", "rms_norm")


@dataclass(kw_only=True)
class BlockError:
    """Distance of one block from float64, over `rows` rows.

    Args:
        op: of the front graph.
        value: its result.
        rows: how many were compared.
        max_error: largest |y - y'|, real units.
        mean_error: mean of |y - y'|.
        max_error_lsb: the largest in steps of the result.
        flips: rows whose largest float64 element is not among the largest of the integers; softmax alone.
        ties: rows where it shares that place, though float64 prefers one; softmax alone.
        least_sum, greatest_sum: of a row; softmax alone.
    """

    op: str
    value: str
    rows: int = 0
    max_error: float = 0.0
    mean_error: float = 0.0
    max_error_lsb: float = 0.0
    flips: int | None = None
    ties: int | None = None
    least_sum: float | None = None
    greatest_sum: float | None = None

    def add(self, y: Reals, want: Reals, step: float) -> None:
        """Rows along the last axis."""
        y, want = (a.reshape(-1, a.shape[-1]) for a in (y, want))
        error = np.abs(y - want)
        self.mean_error = (self.mean_error * self.rows + float(error.mean(-1).sum())) / (self.rows + len(y))
        self.rows += len(y)
        self.max_error = max(self.max_error, float(error.max()))
        self.max_error_lsb = self.max_error / step
        if self.op == "softmax":
            best = np.take_along_axis(y, want.argmax(-1)[:, None], -1)[:, 0]
            self.flips = (self.flips or 0) + int((best < y.max(-1)).sum())
            shared = (y == best[:, None]).sum(-1) > (want == want.max(-1, keepdims=True)).sum(-1)
            self.ties = (self.ties or 0) + int((shared & (best == y.max(-1))).sum())
            sums = y.sum(-1)
            self.least_sum = min(float(sums.min()), np.inf if self.least_sum is None else self.least_sum)
            self.greatest_sum = max(float(sums.max()), self.greatest_sum or 0.0)


class BlockErrors:
    """Collects `rows` batch by batch; a block whose input or result the graph does not show is left out."""

    def __init__(self, graph: Graph, front: FrontGraph) -> None:
        """Find the blocks."""
        known = {v.name: v for v in graph.values()}
        self.front = front
        self.blocks: list[tuple[FrontNode, Value, Value]] = [
            (n, known[n.ins[0]], known[n.out])
            for n in front.nodes
            if n.op in BLOCKS and {*n.ins, n.out} <= {*known, *front.params} and n.ins[0] in known
        ]
        self.rows = [BlockError(op=n.op, value=n.out) for n, _, _ in self.blocks]

    def add(self, codes: Mapping[str, Codes]) -> None:
        """One batch: codes of every value."""
        for row, (node, source, result) in zip(self.rows, self.blocks, strict=True):
            x, y = (QTensor(v.type, codes[v.name]).dequantize() for v in (source, result))
            params = (self.front.params.get(i, codes.get(i)) for i in node.ins[1:])  # masks may be values: 0 and 1
            t = result.type
            lo, hi = ((end - np.asarray(t.zero_point)) * t.lsb for end in (t.fmt.min_int, t.fmt.max_int))
            want = np.clip(FRONT_OPS[node.op](node.attrs, x, *params), lo, hi)
            row.add(y, want, float(np.max(t.lsb)))
