"""How `block_matmul` becomes instructions: with scales multiplied in, constant weights are products of their bytes."""

from __future__ import annotations

import numpy as np

from ..graph import Node
from ..ops import BlockMatMul
from ..ops.block_scales import folded
from ..ops.float_sum import Float32Sum
from ..ranges import Interval, Operand
from ..rounding import Ints
from . import machine
from .product_rules import operand_rows, product
from .program import Register
from .writer import BYTE, WORD, Unfit, Writer, width

BASE = 256


def block_matmul(w: Writer, node: Node) -> None:
    """Horner's rule over the bytes of the weights, the highest first: sums wrap in 32 bits, the last fits by proof."""
    a, out = node.ins[0], node.outs[0]
    if a.name in w.constants or not a.type.sample_shape or width(a) == 1:
        raise Unfit(f"{out.name}: its first operand")
    highest, *others = planes(_weights(w, node))
    (rows, unsigned), zero = operand_rows(w, a), a.type.zero_point
    assert isinstance(zero, int)

    def times(plane: Ints, made: Register) -> Register:
        product(w, made, rows, unsigned, plane[None], 0, -zero * plane.sum(0))
        return made

    total = times(highest, Register(width(out)) if others else w.new(out))
    for plane in others:
        part, higher = times(plane, Register(width(out))), Register(width(out))
        w.emit(machine.MULTIPLY, higher, total, w.numbers([BASE], 1), higher.pitch, 1, 0, 0, 0)
        total = w.new(out) if plane is others[-1] else Register(width(out))
        w.emit(machine.ADD, total, higher, part, total.pitch, 0, total.pitch, *WORD)


def planes(weights: Ints) -> list[Ints]:
    """Signed bytes of which the weights are made, in base 256, the highest first."""
    found: list[Ints] = []
    while not found or weights.any():
        low = (weights - BYTE.lo) % BASE + BYTE.lo
        found.append(low)
        weights = (weights - low) // BASE
    return found[::-1]


def _weights(w: Writer, node: Node) -> Ints:
    """Unfit unless the product is the plain one of integers."""
    op, out = node.op, node.outs[0]
    assert isinstance(op, BlockMatMul)
    constants = [w.constants.get(v.name) for v in node.ins[1:]]
    if isinstance(op.datapath, Float32Sum) or op.datapath.drop or any(c is None for c in constants):
        raise Unfit(f"{out.name}: computed scales or {op.datapath}")
    ins = tuple(Operand(v.type, w.reach(v), w.constants.get(v.name)) for v in node.ins)
    limits = Interval(*op.datapath.limits(op.acc))
    if op.datapath.overflow != "refuse" and not op.bound(*ins).total.inside(limits):
        raise Unfit(f"{out.name}: {op.datapath}")
    codes = [np.zeros(0), *(c.codes for c in constants if c is not None)]
    b, factor, exponent = op.weights(tuple(v.type for v in node.ins), codes)
    made = folded(b, factor, exponent - op.lsb_exp, op.block)
    if made is None:
        raise Unfit(f"{out.name}: weights with their scales are no integers of 32 bits")
    return made
