"""How narrow an accumulator may be: the bits that its exact sums need, and an input that needs them all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .formats import Codes, Format, IntFormat
from .graph import Graph
from .ops import Conv2d, MatMul
from .ops.datapath import Datapath
from .qtensor import QType
from .ranges import Dot, Interval, dot_bound, operands, witness
from .rounding import Ints


@dataclass(frozen=True, kw_only=True)
class Narrowest:
    """What the accumulator of one node needs so that nothing overflows.

    Args:
        value: name of the node's result.
        bits: fewest that hold every partial sum of every channel for every input.
        declared: what the accumulator has.
        per_channel: bits of each output channel, shape (n,).
        channel: the output channel that needs most.
        sum: the sum that needs them; one bit less overflows.
        at: index of an element of the result (one sample) that reaches it at some step: the last where inputs may be 0.
        witness: codes of the node's first input, one sample, that drive it there.
    """

    value: str
    bits: int
    declared: int
    per_channel: tuple[int, ...]
    channel: int
    sum: int
    at: tuple[int, ...]
    witness: Codes

    def __repr__(self) -> str:
        """One line; the witness is an array."""
        what = f"{self.bits} bits of {self.declared}, channel {self.channel} reaches {self.sum:,} at {self.at}"
        return f"Narrowest({self.value!r}: {what})"


def narrowest_accumulator(graph: Graph, value: str) -> Narrowest:
    """Fewest bits of the accumulator that makes `value`, proven from weights, bias and the reach of the input.

    Raises:
        ValueError: no such value, or one that no matmul or conv2d with constant weights makes.
    """
    node = next((n for n in graph.nodes if any(v.name == value for v in n.outs)), None)
    if node is None or not isinstance(node.op, MatMul | Conv2d):
        what = f"is made by {node.op.name}" if node else f"is no computed value of graph {graph.name[:60]!r}"
        raise ValueError(f"value {value[:60]!r} {what}; give the result of a matmul or conv2d")
    op, ins = node.op, operands(graph, node)
    path, dots = op.datapath, op.dots(*ins)
    bounds = [dot_bound(dot.weights, dot.x, dot.start, path.cut, path.tree) for dot in dots]
    tops = [(int(end[c]), c, dot, top) for b, dot in zip(bounds, dots, strict=True)
            for end, c, top in ((b.hi, int(b.hi.argmax()), True), (b.lo, int(b.lo.argmin()), False))]  # fmt: skip
    total, channel, dot, top = max(tops, key=lambda t: (_bits(t[0], op.acc, path), abs(t[0])))
    vector = witness(dot.weights, dot.x, channel, top=top, cut=path.cut, tree=path.tree)
    rest = int(np.clip(0, *ins[0].reach))
    each = [[max(_bits(int(e[c]), op.acc, path) for e in (b.lo, b.hi)) for c in range(b.lo.size)] for b in bounds]
    return Narrowest(
        value=value,
        bits=_bits(total, op.acc, path),
        declared=op.acc.bits,
        per_channel=tuple(np.max(each, 0).tolist()),
        channel=channel,
        sum=total,
        at=(*dot.at, channel),
        witness=_codes(_placed(op, ins[0].type, dot, channel, vector, rest), ins[0].type.fmt),
    )


def _bits(total: int, acc: IntFormat, path: Datapath) -> int:
    """Bits that hold one sum as `acc` and `path` write it."""
    if path.signs == "magnitude":
        return 1 + abs(total).bit_length()
    return Interval(total, total).bits if acc.signed or total < 0 else max(1, total.bit_length())


def _placed(op: MatMul | Conv2d, x: QType, dot: Dot, channel: int, vector: Ints, rest: int) -> Ints:
    """The input sample whose dot product at ``dot.at`` reads `vector`; elsewhere `rest`."""
    if isinstance(op, MatMul):
        return np.broadcast_to(vector // x.gains, x.sample_shape)
    (h, w, c), outputs = x.sample_shape, dot.weights.shape[1]
    (top, bottom), (left, right) = op.padding
    image = np.full((h + top + bottom, w + left + right, c), rest, np.int64)
    first = channel // (outputs // op.groups) * (c // op.groups)
    taps = vector.reshape(*op.kernel, -1)
    for p, q in np.ndindex(*op.kernel):
        i, j = dot.at[0] * op.stride[0] + p * op.dilation[0], dot.at[1] * op.stride[1] + q * op.dilation[1]
        image[i, j, first : first + taps.shape[2]] = taps[p, q]
    return image[top : top + h, left : left + w]


def _codes(x: Ints, fmt: Format) -> Codes:
    """Codes that name the integers `x`."""
    if isinstance(fmt, IntFormat):
        return x.astype(fmt.dtype)
    names = {int(v): code for code, v in reversed(list(enumerate(fmt.grid)))}
    return np.array([names[int(v)] for v in x.ravel()], fmt.dtype).reshape(x.shape)
