"""How each op becomes instructions; whatever it cannot keep exact in its registers it leaves alone (`Unfit`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..contracts import Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle
from ..formats import FloatFormat
from ..graph import Node, Op, Value
from ..ops import (
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
    Reshape,
    Select,
    Shift,
    ShiftBy,
)
from ..qtensor import QType
from ..ranges import Interval
from ..rounding import ROUNDINGS, Ints
from . import machine
from .block_rules import block_matmul
from .compositions import codes, look_up, places
from .merging import scaled, times, unwritten
from .product_rules import conv2d, matmul, whole_sum
from .program import Argument, Register
from .rowwise import LANES
from .scaling import WIDE, constants
from .writer import WORD, Unfit, Writer, lead, ordered, width

MOST_TABLE = 1 << 16
HALF_UP = ROUNDINGS.index("half_up")
TILED = 256
"""Constants a column of narrow rows stand for several rows, so that loops are long enough for vectors."""


def _like(w: Writer, value: Value, out: Value) -> Register:
    """`value` in 32 bits, with a row and a column for each of `out`."""
    made = w.word(value, out)
    if made.width != width(out):
        raise Unfit(f"{value.name}: wider than its first operand")
    return made


def add(w: Writer, node: Node) -> None:
    """Exact sum; a constant in 64 bits."""
    out = node.outs[0]
    a, b = ordered(w, node.ins[0], node.ins[1], out)
    if w.reach(out).inside(WORD) and w.reach(a).inside(WORD):
        _sum(w, node, out, WORD)
        return
    given, constant = w.register(a, out), w.constants.get(b.name)
    if not given.long or constant is None or constant.codes.size != 1:
        raise Unfit(f"{out.name}: 64 bits and no constant")
    number = int(b.type.fmt.to_int(constant.codes).reshape(-1)[0])
    _long(w, out, machine.ADD_LONG, given, number)


def _sum(w: Writer, node: Node, out: Value, limits: Interval) -> None:
    """The sum of the node's operands within limits: `out`, which may be a requantization of it."""
    a, b = ordered(w, node.ins[0], node.ins[1], out)
    product = scaled(w, a) if limits == WORD else None
    if limits == WORD and product is None and (product := scaled(w, b)):
        b = a
    if product:
        x, factors = product
        given = _like(w, x, out)
        place, single, step = _second(w, b, out)
        made = w.new(out)
        row = w.numbers(factors, made.pitch)
        w.emit(machine.AFFINE, made, given, row, place, made.pitch, single, step, _zero(x))
        return
    given = _like(w, a, out)
    place, single, step = _second(w, b, out)
    made = w.new(out)
    w.emit(machine.ADD, made, given, place, made.pitch, single, step, *limits)


def _long(w: Writer, out: Value, number: int, *arguments: Argument) -> None:
    """An instruction that makes 64 bits, one number a row: kept so only where 32 are too few."""
    if not w.reach(out).inside(WORD):
        w.emit(number, w.new(out, long=True), *arguments)
        return
    long = Register(1, long=True)
    w.emit(number, long, *arguments)
    w.emit(machine.SHORTEN, w.new(out), long)


def _second(w: Writer, value: Value, out: Value) -> tuple[Any, int, int]:
    if isinstance(value.type.fmt, FloatFormat):
        raise Unfit(f"{value.name}: {value.type.fmt.name}")
    return w.second(value, out)


def mul(w: Writer, node: Node) -> None:
    """Exact product less zero points."""
    out = node.outs[0]
    a, b = ordered(w, node.ins[0], node.ins[1], out)
    zeros = [_zero(v) for v in (a, b)]
    for v, zero in zip((a, b), zeros, strict=True):
        if not w.reach(v).shifted(-zero).inside(WORD):
            raise Unfit(f"{v.name}: less its zero point")
    given = _like(w, a, out)
    place, single, step = _second(w, b, out)
    made = w.new(out)
    w.emit(machine.MULTIPLY, made, given, place, made.pitch, single, step, *zeros)


def _zero(value: Value) -> int:
    if not isinstance(value.type.zero_point, int):
        raise Unfit(f"{value.name}: zero points a channel")
    return value.type.zero_point


def select(w: Writer, node: Node) -> None:
    """The mask has all rows and columns, one a column is made so by its load; or it has one number a row."""
    condition, a, b = node.ins
    out = node.outs[0]
    first, other = ordered(w, a, b, out)
    if not condition.type.sample_shape or width(condition) not in (1, width(out)):
        raise Unfit(f"{out.name}: a mask of other columns")
    given = w.register(first, out)
    place, single, step = w.second(other, out)
    if given.width != width(out) or given.long:
        raise Unfit(f"{out.name}: other columns")
    kind = 0
    if width(condition) < width(out):
        if single and step:
            raise Unfit(f"{out.name}: a mask and an operand of one number a row")
        if single:
            place, single = w.numbers(np.asarray(place), given.pitch), 0
        kind, kept = 2, w.register(condition, out)
    elif w.holds(condition) or condition.type.fmt.dtype.itemsize > 1 or width(out) == 1:
        kept = w.register(condition, out)
    else:
        kind, kept = 1, w.addresses(condition, out, LANES)
    made = w.new(out)
    w.emit(machine.SELECT, made, kept, given, place, made.pitch, single, step, int(first is b), kind)


def requant(w: Writer, node: Node) -> None:
    """The contract's kernel."""
    (x,), out, op = node.ins, node.outs[0], node.op
    assert isinstance(op, Requant)
    zero, contract, limits = _zero(x), op.contract, op.limits
    if not (limits.inside(WORD) and w.reach(x).shifted(-zero).inside(WORD)):
        raise Unfit(f"{out.name}: {w.reach(x)} less {zero}, limits {limits}")
    if not isinstance(contract, OnnxFloat | TflmDouble):
        _rounded_once(w, node)
        return
    given, made = _like(w, x, out), w.new(out)
    many, n = int(contract.channels > 1), made.pitch if contract.channels > 1 else 1
    ends = (zero, op.zero_point, *limits)
    if isinstance(contract, OnnxFloat):
        if limits.magnitude + abs(contract.origin) + abs(op.zero_point) >= 1 << 24:
            raise Unfit(f"{out.name}: {limits} in float32")
        scales = w.numbers(contract.scale, n, np.float32)
        w.emit(machine.ONNX_FLOAT, made, given, made.pitch, scales, many, zero, contract.origin, *ends[1:])
        return
    constants = (w.numbers(c, n, np.int64) for c in (contract.multiplier, contract.shift))
    w.emit(machine.TFLM_DOUBLE, made, given, made.pitch, *constants, many, *ends)


def _rounded_once(w: Writer, node: Node) -> None:
    """With what the value waits for, where that is exact too; else from its register."""
    op, (x,), out = node.op, node.ins, node.outs[0]
    assert isinstance(op, Requant)
    multiplier, shift, rounding = _dyadic(op.contract)
    multiplier, shift = (np.asarray(c, np.int64) for c in (multiplier, shift))
    total, product = unwritten(w, x, Add), scaled(w, x)
    if total and _zero(x) == op.zero_point == 0 and (multiplier == np.left_shift(1, shift)).all():
        _sum(w, total, out, op.limits)
        return
    if product and _in_words(w, node, product[0], multiplier * product[1], shift, rounding):
        return
    if not _in_words(w, node, x, multiplier, shift, rounding):
        _in_longs(w, node, multiplier, shift, rounding)


def _in_words(w: Writer, node: Node, x: Value, multiplier: Ints, shift: Ints, rounding: str) -> bool:
    """In products of 32 bits, if they are enough."""
    op, out = node.op, node.outs[0]
    assert isinstance(op, Requant)
    fast = constants(multiplier, shift, rounding, op.zero_point, w.reach(x).shifted(-_zero(x)).magnitude)
    if fast is None or width(out) == 1:
        return False
    given, made = _like(w, x, out), w.new(out)
    row = made.pitch if multiplier.size > 1 else 1
    period = row if WIDE % row else WIDE
    m, add_, r = (np.tile(w.numbers(c, row), period // row) for c in fast[:3])
    ends = (_zero(x), fast[3], *op.limits)
    w.emit(machine.SCALE, made, given, made.pitch, m, add_, r, period, machine.WORDS, *ends)
    return True


def _in_longs(w: Writer, node: Node, multiplier: Ints, shift: Ints, rounding: str) -> None:
    """In products of 64 bits."""
    (x,), out, op = node.ins, node.outs[0], node.op
    assert isinstance(op, Requant)
    given, made = _like(w, x, out), w.new(out)
    row = made.pitch if multiplier.size > 1 else 1
    columns = max(TILED // row, 1) * row if multiplier.size > 1 else 1
    m, s = (np.tile(w.numbers(c, row, k), columns // row) for c, k in ((multiplier, np.int32), (shift, np.int64)))
    ends = (_zero(x), op.zero_point, *op.limits)
    many = columns if multiplier.size > 1 else 0
    w.emit(machine.DYADIC, made, given, made.pitch, m, s, many, ROUNDINGS.index(rounding), *ends)


def _dyadic(contract: Any) -> tuple[Any, Any, str]:
    """(multipliers, right shifts, rounding) of a contract that rounds once."""
    if isinstance(contract, Dyadic16):
        return contract.multiplier, contract.shift, contract.rounding
    if isinstance(contract, TflSingle):
        return contract.multiplier, 31 - np.asarray(contract.shift), contract.rounding
    if isinstance(contract, Pow2):
        s = np.asarray(contract.shift)
        return np.left_shift(np.int64(1), np.maximum(-s, 0)), np.maximum(s, 0), contract.rounding
    raise Unfit(f"contract {contract.name}")


def table(w: Writer, node: Node) -> None:
    """A function of one value: its definition on every code that may come, in a table."""
    (x,), span = node.ins, codes(w, node.ins[0])
    if span.hi - span.lo >= MOST_TABLE:
        raise Unfit(f"{x.name}: {span} is no table")
    given = places(w, x)
    look_up(w, x, node.outs[0], np.asarray(node.op.run((QType(given.shape, x.type.fmt),), given)))


def reduce(w: Writer, node: Node) -> None:
    """Over the last axis."""
    (x,), out, op = node.ins, node.outs[0], node.op
    assert isinstance(op, Reduce)
    if op.axes != (len(x.type.shape) - 1,):
        return whole_sum(w, node)
    given = w.word(x, x)
    if op.kind == "sum_square":
        return _long(w, out, machine.SUM_SQUARE, given, given.width, given.pitch)
    kind = {"sum": 0, "mean": 0, "max": 1, "min": 2}[op.kind]
    w.emit(machine.REDUCE, w.new(out), given, given.width, given.pitch, kind)


def normalize(w: Writer, node: Node) -> None:
    """Of one number a row."""
    (x,), op = node.ins, node.op
    assert isinstance(op, Normalize)
    if width(x) != 1 or isinstance(x.type.fmt, FloatFormat):
        raise Unfit(f"{x.name}: rows of more than one number")
    given = w.register(x, x)
    if not given.long:
        wide = Register(1, long=True)
        w.emit(machine.WIDEN, wide, given)
        given = wide
    w.emit(machine.NORMALIZE, w.new(node.outs[0]), w.new(node.outs[1]), given, op.bits)


def shift(w: Writer, node: Node) -> None:
    """By a constant."""
    (x,), out, op = node.ins, node.outs[0], node.op
    assert isinstance(op, Shift)
    given = _like(w, x, out)
    if op.bits > 31 or not w.reach(out).inside(WORD):
        raise Unfit(f"{out.name}: {op.bits} bits")
    made, rounding = w.new(out), ROUNDINGS.index(op.rounding)
    if op.bits >= 1 and made.pitch > 1 and rounding == HALF_UP and w.reach(x).hi < WORD.hi:
        count = w.numbers([op.bits], 1)
        w.emit(machine.SHIFT_SHORT, made, given, count, made.pitch, 0, 0, WORD.lo, WORD.hi, machine.WORDS)
        return
    w.emit(machine.SHIFT, made, given, made.pitch, op.bits, rounding)


def shift_by(w: Writer, node: Node) -> None:
    """By a computed number, one a row or one an element."""
    x, s = node.ins
    out, op = node.outs[0], node.op
    assert isinstance(op, ShiftBy)
    count = w.word(s, out)
    if count.width not in (1, width(out)) or not op.limits.inside(WORD):
        raise Unfit(f"{out.name}: other columns")
    rounding, single = ROUNDINGS.index(op.rounding), int(count.width == 1)
    short = w.reach(s).shifted(op.bits).inside(Interval(1, 32)) and w.reach(x).hi < WORD.hi
    if short and single and width(out) > 1 and rounding == HALF_UP:
        _shift_short(w, node, count)
        return
    given, made = _like(w, x, out), w.new(out)
    w.emit(machine.SHIFT_BY, made, given, count, made.pitch, single, op.bits, rounding, *op.limits)


def _shift_short(w: Writer, node: Node, count: Register) -> None:
    """With the factor a row of a product that waits."""
    x, out, op = node.ins[0], node.outs[0], node.op
    assert isinstance(op, ShiftBy)
    factor: tuple[Argument, int] = (0, 0)
    if product := times(w, x):
        place, single, step = _second(w, product[1], out)
        if single:
            x, factor = product[0], (place, step)
    given, made = _like(w, x, out), w.new(out)
    ends = (*op.limits, machine.WORDS, 0)
    w.emit(machine.SHIFT_SHORT, made, given, count, made.pitch, 1, op.bits, *ends, *factor)


def reshape(w: Writer, node: Node) -> None:
    """The same rows under another name."""
    (x,), out = node.ins, node.outs[0]
    if not x.type.sample_shape or not out.type.sample_shape or width(x) != width(out):
        raise Unfit(f"{out.name}: other rows")
    w.registers[out.name] = w.register(x, x)


RULES: dict[type[Op], Callable[[Writer, Node], None]] = {
    Add: add, Mul: mul, Select: select, Requant: requant, Lut: table, Pwl: table, Reduce: reduce, Normalize: normalize,
    Shift: shift, ShiftBy: shift_by, Reshape: reshape, MatMul: matmul, Conv2d: conv2d, BlockMatMul: block_matmul,
}  # fmt: skip


def apart(node: Node, value: Value) -> bool:
    """Whether `node` reads `value` from an array even where its rows are in registers."""
    out, op = node.outs[0], node.op
    if isinstance(op, Conv2d):
        return value is node.ins[0] and not (op.pointwise and width(value) > 1)
    if isinstance(op, MatMul):
        return value is not node.ins[0]
    if isinstance(op, Reduce) and len(value.type.shape) - 1 not in op.axes:
        return True
    return not isinstance(op, Reshape) and lead(value) != lead(out)
