"""Sums and products that go into the instruction of whoever reads them: a pass over all numbers less.

A product by constants goes into the multipliers of a requantization, which rounds the exact product either way, or into
a sum; by a number a row into a shift; a sum into a requantization that does no more than saturate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from ..graph import Node, Op, Value
from ..ops import Add, Mul
from ..rounding import Ints
from .writer import WORD, Writer, ordered, width


@dataclass(frozen=True, eq=False)
class Later:
    """A value that is written when somebody reads it as it is.

    Args:
        node: the op that makes it.
        rule: writes it.
    """

    node: Node
    rule: Callable[[], None]

    def write(self, w: Writer, value: Value) -> None:
        """The instruction that makes it."""
        self.rule()


def later(w: Writer, node: Node, rule: Callable[[], None]) -> bool:
    """Whether the node waits for those who read its result."""
    out = node.outs[0]
    waits = isinstance(node.op, Add | Mul) and width(out) > 1 and w.reach(out).inside(WORD)
    if waits:
        w.unwritten[out.name] = Later(node, rule)
    return waits


def unwritten(w: Writer, value: Value, op: type[Op]) -> Node | None:
    """The node that makes `value`, if that is an `op` and still waits."""
    kept = w.unwritten.get(value.name)
    if not isinstance(kept, Later) or value.name in w.registers:
        return None
    return kept.node if isinstance(kept.node.op, op) else None


def scaled(w: Writer, x: Value) -> tuple[Value, Ints] | None:
    """(v, factors) where `x` waits to be ``(v - zero point) * factors``: constants, one or one a column.

    32 bits hold differences and products by proof; what a reader makes of them on the way may wrap.
    """
    node = unwritten(w, x, Mul)
    if node is None:
        return None
    given, other = ordered(w, node.ins[0], node.ins[1], x)
    constant = w.constants.get(other.name)
    if constant is None or prod(constant.codes.shape[:-1]) > 1:  # rows of their own
        return None
    assert isinstance(other.type.zero_point, int)
    return given, constant.codes.astype(np.int64).reshape(-1) - other.type.zero_point


def times(w: Writer, x: Value) -> tuple[Value, Value] | None:
    """(v, factor) where `x` waits to be their product, without zero points."""
    node = unwritten(w, x, Mul)
    if node is None or any(v.type.zero_point != 0 for v in node.ins):
        return None
    return ordered(w, node.ins[0], node.ins[1], x)
