"""Which unit computes a node of a graph, and what its ports see: one element a cycle, of a matmul one product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from hwsim.formats import BINARY, E8M0, Codes, FloatFormat, IntFormat
from hwsim.graph import Graph, Node
from hwsim.ops import (
    MOVEMENT,
    Add,
    BlockMatMul,
    Conv2d,
    Lut,
    MatMul,
    Mul,
    Normalize,
    Pwl,
    Reduce,
    Requant,
    Select,
    Shift,
    ShiftBy,
)
from hwsim.ops.datapath import MAX_BITS, Datapath
from hwsim.qtensor import BATCH

from ..unsupported import Unsupported, problem
from .block_mac import BlockMacUnit
from .elementwise import ElementwiseUnit
from .lut import LutUnit
from .mac import LANES, MacUnit
from .pwl import PwlUnit
from .reduce import ReduceUnit
from .requant import RequantUnit
from .shift import ShiftUnit
from .unit import Stimulus, Unit

UNITS = (Requant, Lut, Pwl, Shift, MatMul, Conv2d, BlockMatMul, Reduce, Add, Mul, ShiftBy, Select, Normalize)
CYCLES = 1 << 20  # of one node, in simulation


def units_of(graph: Graph, samples: int) -> list[Unit | None]:
    """The unit of each node, None where codes only move.

    Args:
        graph: the integer graph.
        samples: of the batch.

    Raises:
        Unsupported: nodes without a unit, all of them, or with too many cycles to simulate.
    """
    units: list[Unit | None] = []
    problems = []
    for i, node in enumerate(graph.nodes):
        try:
            units.append(_unit(graph, node))
            if (n := cycles(node, samples)) > CYCLES:
                raise ValueError(f"{n} cycles for {samples} samples, at most {CYCLES}; give fewer samples")
        except ValueError as e:
            problems.append(problem(f"node {i} {node.op.name} {node.outs[0].name[:60]!r}", str(e)))
    if problems:
        raise Unsupported("Verilog", problems)
    return units


def cycles(node: Node, samples: int) -> int:
    """Clock cycles of a node that has one unit."""
    out, op = node.outs[0].type, node.op
    elements = out.elements * (samples if out.batched else 1)
    match op:
        case MatMul() | Conv2d():
            return elements * -(-_terms(node) // _lanes(node))
        case BlockMatMul():
            return elements * op.blocks(_terms(node)) * op.block // _block_lanes(op)
        case Reduce():
            return elements * op.count(node.ins[0].type)
    return elements


def _terms(node: Node) -> int:
    """Products of one sum."""
    if isinstance(node.op, Conv2d):
        return prod(node.ins[1].type.sample_shape[1:])
    return int(node.ins[0].type.shape[-1])


def _lanes(node: Node) -> int:
    """What a saturating accumulator says; else many, since any order gives the same bits."""
    assert isinstance(node.op, MatMul | Conv2d)
    path = node.op.datapath
    if path.overflow == "saturate":
        return path.tree
    return 1 if _signs(node) else min(_terms(node), LANES)


def _block_lanes(op: BlockMatMul) -> int:
    """As many of a block as a unit has."""
    return next(n for n in range(min(op.block, LANES), 0, -1) if op.block % n == 0)


def _signs(node: Node) -> bool:
    """Whether both operands are +-1 alone: no code makes a product 0."""
    return node.ins[0].type.fmt == BINARY == node.ins[1].type.fmt


def _unit(graph: Graph, node: Node) -> Unit | None:
    op, name, x = node.op, f"{node.op.name} {node.outs[0].name}", node.ins[0].type
    reach = None if isinstance(x.fmt, FloatFormat) else graph.reach[node.ins[0].name]
    match op:
        case Requant():
            return RequantUnit(op=op, x=x, reach=reach, name=name)
        case Lut():
            return LutUnit(op=op, x=x, name=name)
        case Pwl():
            return PwlUnit(op=op, x=x, name=name)
        case Shift():
            return ShiftUnit(op=op, x=x, reach=reach, name=name)
        case MatMul() | Conv2d():
            return _mac(op, node, name)
        case BlockMatMul():
            return _block_mac(graph, op, node, name)
        case Reduce():
            return ReduceUnit(op=op, x=x, count=op.count(x), reach=reach, name=name)
        case Add() | Mul() | ShiftBy() | Select() | Normalize():
            return _elementwise(graph, node, name)
        case _ if isinstance(op, MOVEMENT):
            return None
    raise ValueError(f"no Verilog unit; there are {', '.join(o.name for o in UNITS)}")


def _elementwise(graph: Graph, node: Node, name: str) -> ElementwiseUnit:
    """The node alone; scales by channel count as one, since they are no arithmetic."""
    alone, ins = Graph(name), []
    many = any(isinstance(v.type.scale, tuple) for v in node.ins)
    for i, v in enumerate(node.ins):
        if isinstance(v.type.zero_point, tuple):
            raise ValueError(f"{v.name[:60]!r} has a zero point a channel")
        scale = 1.0 if many else v.type.scale
        ins.append(alone.input(f"x{i}", replace(v.type, shape=(BATCH,), scale=scale, axis=None)))
        alone.reach[f"x{i}"] = graph.reach[v.name]
    alone.output(*alone.add_all(node.op, *ins))
    return ElementwiseUnit(graph=alone)


def _mac(op: MatMul | Conv2d, node: Node, name: str) -> MacUnit:
    """One accumulator. Why a proven one wraps here: no sum passes it, and then all its bits are those of addition.

    `MacUnit` would ask of ``refuse`` that no product of any weights passes; the graph knows the weights.
    """
    a, b = (v.type for v in node.ins[:2])
    if isinstance(b.zero_point, tuple):
        raise ValueError(f"zero_point {b.zero_point} of the second operand is one a channel, the unit has one for all")
    if isinstance(op, MatMul) and (a.gains != 1).any():
        raise ValueError("the first operand has a step a channel, the unit has no shift by channel")
    lanes = _lanes(node)
    if _terms(node) % lanes and _signs(node):
        raise ValueError(f"{_terms(node)} products of signs in steps of {lanes}: signs have no 0 to fill the last step")
    path = _proven(op.datapath, op.acc)
    bias, zero = len(node.ins) > 2, b.zero_point
    return MacUnit(
        a=a.fmt, b=b.fmt, acc=op.acc, datapath=path, lanes=lanes, bias=bias, zero_b=zero, name=name
    )  # fmt: skip


def _proven(path: Datapath, acc: IntFormat) -> Datapath:
    """Wrapping in place of a proof, where all of the accumulator's bits are those of addition."""
    if path.overflow == "refuse" and path.signs == "twos" and acc.bits <= MAX_BITS and not acc.narrow:
        return replace(path, overflow="wrap")
    return path


def _block_mac(graph: Graph, op: BlockMatMul, node: Node, name: str) -> BlockMacUnit:
    """One accumulator, blocks of which as many lanes as there are work at once."""
    a, b, right = (v.type for v in node.ins[:3])
    scales = [v for v in node.ins[2 : 3 + op.left] if v.type.fmt == E8M0]
    zeros = node.ins[op.at_zeros].type.fmt if op.at_zeros else None
    zero = a.zero_point
    if not isinstance(zero, int):
        raise ValueError(f"zero_point {zero} of the first operand is one a channel, the unit has one for all")
    if a.fmt == BINARY and (zeros or b.fmt == BINARY) and _terms(node) % op.block:
        raise ValueError(f"{_terms(node)} products in blocks of {op.block}: signs have no 0 to fill the last block")
    if isinstance(op.datapath, Datapath):
        op = replace(op, datapath=_proven(op.datapath, op.acc))
    assert not isinstance(zeros, FloatFormat)  # the op takes no such
    return BlockMacUnit(
        op=op, a=a.fmt, b=b.fmt, scale_b=right.fmt, scale_a=node.ins[3].type.fmt if op.left else None, zeros=zeros,
        zero_a=zero, lanes=_block_lanes(op), exponents=tuple(graph.reach[v.name] for v in scales), name=name,
    )  # fmt: skip


def feeds(unit: Unit, node: Node, ins: Sequence[Codes]) -> Stimulus:
    """What the ports see; the batch is outermost."""
    if isinstance(unit, MacUnit):
        a, b = _windows(node.op, node, ins) if isinstance(node.op, Conv2d) else _rows(ins)
        return _products(unit, a, b, ins[2] if unit.bias else None)
    if isinstance(unit, BlockMacUnit):
        return _block_products(unit, ins)
    if isinstance(unit, ReduceUnit):
        axes = unit.op.axes
        elements = np.moveaxis(ins[0], axes, range(-len(axes), 0)).reshape(-1)
        return {"first": (np.arange(elements.size) % unit.count == 0).astype(np.int64), "x": elements}
    if isinstance(unit, ElementwiseUnit):
        return {unit.ports[f"in x{i}"]: x.reshape(-1) for i, x in enumerate(np.broadcast_arrays(*ins))}
    x = ins[0].reshape(-1)
    if not isinstance(unit, RequantUnit) or unit.channels == 1:
        return {"x": x}
    return {"x": x, "channel": np.arange(x.size) % unit.channels}


def _rows(ins: Sequence[Codes]) -> tuple[Codes, Codes]:
    """Rows of `a` and columns of `b` for each result, shape (..., n, k)."""
    a, b = ins[0], np.swapaxes(ins[1], -1, -2)
    rows = np.broadcast_to(a[..., :, None, :], (*a.shape[:-1], b.shape[-2], a.shape[-1]))
    return rows, np.broadcast_to(b[..., None, :, :] if b.ndim > 2 else b, rows.shape)


def _windows(op: Conv2d, node: Node, ins: Sequence[Codes]) -> tuple[Codes, Codes]:
    """Windows of the padded image and the weights of each result, shape (n, oh, ow, o, taps)."""
    zero = node.ins[0].type.zero_point
    assert isinstance(zero, int)  # conv2d takes no other
    patches, w = op.window.patches(op.window.padded(ins[0], zero)), ins[1]
    cin, cout, parts = w.shape[3], len(w) // op.groups, []
    for g in range(op.groups):
        window = patches[..., g * cin : (g + 1) * cin].reshape(*patches.shape[:3], 1, -1)
        parts.append(np.repeat(window, cout, axis=3))
    rows = np.concatenate(parts, axis=3)
    return rows, np.broadcast_to(w.reshape(len(w), -1), rows.shape)


def _products(unit: MacUnit, rows: Codes, columns: Codes, start: Codes | None) -> Stimulus:
    """(result, step) by (lane), padded by codes whose product is 0 to whole steps."""
    sums, k = prod(rows.shape[:-1]), rows.shape[-1]
    steps = -(-k // unit.lanes)
    pad = ((0, 0), (0, steps * unit.lanes - k))
    codes: Stimulus = {"first": np.tile(np.arange(steps) == 0, sums).astype(np.int64)}
    for port, c, filler in (("a", rows, 0), ("b", columns, unit.zero_b)):
        codes[port] = np.pad(c.reshape(sums, k), pad, constant_values=filler).reshape(-1, unit.lanes)
    if start is not None:
        codes["start"] = np.repeat(np.broadcast_to(start, rows.shape[:-1]).reshape(-1), steps)
    return codes


def _block_products(unit: BlockMacUnit, ins: Sequence[Codes]) -> Stimulus:
    """(result, block, step) by (lane): the last block is filled by codes whose product is 0."""
    op, k = unit.op, ins[0].shape[-1]
    groups, cycle = op.blocks(k), np.arange(unit.steps)
    rows = _rows(ins[:2])
    shape = rows[0].shape[:-1]
    codes: Stimulus = {"first": np.tile(np.arange(groups * unit.steps) == 0, prod(shape))}
    if unit.steps > 1:
        codes["last"] = np.tile(cycle == unit.steps - 1, prod(shape) * groups)
    for port, c, filler in zip(("a", "b"), rows, (unit.zero_a, 0), strict=True):
        padded = np.pad(c.reshape(prod(shape), k), ((0, 0), (0, groups * op.block - k)), constant_values=filler)
        codes[port] = padded.reshape(-1, unit.lanes)
    blocks = {"scale_b": ins[2].T}
    blocks |= {"scale_a": ins[3][..., None, :]} if op.left else {}
    blocks |= {"zero_b": ins[op.at_zeros].T} if op.at_zeros else {}
    for port, c in blocks.items():
        codes[port] = np.repeat(np.broadcast_to(c, (*shape, groups)).reshape(-1), unit.steps)
    return codes


def results(unit: Unit, made: Mapping[str, Codes], shape: tuple[int, ...]) -> list[Codes]:
    """The node's codes from the unit's: of a sum, its last step."""
    if isinstance(unit, MacUnit | BlockMacUnit | ReduceUnit):
        return [made["y"].reshape(prod(shape), -1)[:, -1].reshape(shape)]
    return [made[port].reshape(shape) for port in unit.results]
