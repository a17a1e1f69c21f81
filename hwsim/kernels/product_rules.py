"""How `matmul` and `conv2d` become instructions: bytes times bytes, sums of 32 bits that the graph has proven."""

from __future__ import annotations

from math import prod

import numpy as np

from ..formats import FloatFormat
from ..graph import Node, Value
from ..ops import Conv2d, MatMul, Reduce
from ..qtensor import QTensor
from ..ranges import Operand
from ..rounding import Ints
from . import machine
from .arrays import Seconds, Whole, Windows
from .packing import Packed
from .program import Argument, Register, in_bytes, pitch
from .writer import BYTE, UNSIGNED_BYTE, WORD, Unfit, Writer, lead, width

STEP = 4
"""Bytes of a row that the tile reads at a time."""


def matmul(w: Writer, node: Node) -> None:
    """With constant weights, or with a second operand a group of rows."""
    op, (a, b) = node.op, node.ins[:2]
    assert isinstance(op, MatMul)
    _plain(w, node)
    if a.name in (*w.constants, b.name) or a.type.axis is not None or not a.type.sample_shape or width(a) == 1:
        raise Unfit(f"{node.outs[0].name}: its first operand")
    if b.name not in w.constants:
        return _pair(w, node)
    rows, unsigned = operand_rows(w, a)
    matrix = w.constants[b.name].narrow()
    if matrix.ndim != 2:
        raise Unfit(f"{node.outs[0].name}: weights of {matrix.ndim} axes")
    _product(w, node, rows, unsigned, matrix[None], 0)


def conv2d(w: Writer, node: Node) -> None:
    """Windows are segments of rows of the padded image; one pixel alone is a row of a matrix."""
    op, (x, kernel) = node.op, node.ins[:2]
    assert isinstance(op, Conv2d)
    _plain(w, node)
    taps = w.constants[kernel.name].narrow()
    if op.pointwise and width(x) > 1:
        rows, unsigned = operand_rows(w, x)
        return _product(w, node, rows, unsigned, taps[:, 0, 0].T[None], 0)
    if x.type.fmt.bits > 8 or isinstance(x.type.fmt, FloatFormat):
        raise Unfit(f"{x.name}: windows of {x.type.fmt.name}")
    _, wide, channels = x.type.sample_shape
    _, (left, right) = op.padding
    pixel, line = int(channels), int(channels) * (int(wide) + left + right)
    unsigned = int(x.type.fmt.dtype == np.uint8)
    assert isinstance(x.type.zero_point, int)
    image = Windows(value=x.name, window=op.window, border=x.type.zero_point)
    base, offsets = w.access(image, "base", "offsets")
    if op.groups == channels == len(taps) and taps.shape[3] == 1:
        return _depthwise(w, node, base, offsets, taps, (line * op.dilation[0], pixel * op.dilation[1]), unsigned)
    if op.groups != 1 or op.dilation[1] != 1:
        raise Unfit(f"{node.outs[0].name}: groups {op.groups}, dilation {op.dilation}")
    places = Register(1, long=True)
    w.emit(machine.ADDRESSES, places, base, offsets)
    matrices = taps.reshape(len(taps), op.kernel[0], -1).transpose(1, 2, 0)
    return _product(w, node, places, unsigned, matrices, line * op.dilation[0])


def _plain(w: Writer, node: Node) -> None:
    """Unfit unless the result is the plain sum."""
    op, out = node.op, node.outs[0]
    assert isinstance(op, MatMul | Conv2d)
    ins = tuple(Operand(v.type, w.reach(v), w.constants.get(v.name)) for v in node.ins)
    if op.datapath.drop or op.datapath.overflow == "wrap" or not w.reach(out).inside(WORD):
        raise Unfit(f"{out.name}: {op.datapath}")
    if op.datapath.overflow != "refuse" and op.datapath.stepped(op.bound(*ins).interval, op.acc):
        raise Unfit(f"{out.name}: {op.datapath}")


def operand_rows(w: Writer, x: Value) -> tuple[Register, int]:
    """Addresses of the rows of a first operand, and whether its bytes are unsigned."""
    reach = w.reach(x)
    if not (reach.inside(BYTE) or reach.inside(UNSIGNED_BYTE)):
        raise Unfit(f"{x.name}: {reach} in bytes")
    unsigned = int(not reach.inside(BYTE))
    kept = isinstance(x.type.fmt, FloatFormat) or x.type.fmt.dtype.itemsize > 1 or w.holds(x)
    if not kept:
        return w.addresses(x, x, STEP), int(x.type.fmt.dtype == np.uint8)
    if x.name not in w.bytes:
        given = _integers(w, x)
        row = pitch(max(width(x), 2))  # whole groups of four bytes
        made = w.bytes[x.name] = in_bytes(given)
        if given.pitch != row:
            raise Unfit(f"{x.name}: rows of one number")
        w.emit(machine.NARROW, made, given, row)
    places = Register(1, long=True, of=w.bytes[x.name])
    w.emit(machine.IN_LINE, places, w.bytes[x.name], pitch(max(width(x), 2)))
    return places, unsigned


def _integers(w: Writer, x: Value) -> Register:
    """Numbers on the grid of the value's format."""
    fmt = x.type.fmt
    given = w.register(x, x)
    if not isinstance(fmt, FloatFormat):
        return given
    if x.name not in w.integers:
        made = w.integers[x.name] = Register(given.width)
        w.emit(machine.LOOK_UP, made, given, given.pitch, w.numbers(fmt.grid, fmt.grid.size), 0, fmt.grid.size)
    return w.integers[x.name]


def _product(w: Writer, node: Node, rows: Register, unsigned: int, matrices: Ints, stride: int) -> None:
    """Rows times constant weights, from the bias."""
    bias = _constant(w, node)
    product(w, w.new(node.outs[0]), rows, unsigned, matrices, stride, bias)


def product(w: Writer, made: Register, rows: Register, unsigned: int, matrices: Ints, stride: int, bias: Ints) -> None:
    """Rows times packed weights (segments, k, n)."""
    if not (BYTE.lo <= matrices.min() and matrices.max() <= BYTE.hi):
        raise Unfit(f"weights {matrices.min()}..{matrices.max()} in bytes")
    columns, n = made.pitch, matrices.shape[2]
    if columns == 1:
        raise Unfit("one column")
    code = Packed(matrices, columns)
    sums = w.numbers(np.pad(matrices.sum((0, 1), np.int64), (0, columns - n)), columns)
    start = w.numbers(bias, columns)
    given: list[Argument] = [rows, columns, len(matrices), stride, code.steps, code.made, start, sums, unsigned]
    w.emit(machine.PRODUCT, made, *given)


def _constant(w: Writer, node: Node) -> Ints:
    """The bias; 0 without."""
    if len(node.ins) < 3:
        return np.zeros(width(node.outs[0]), np.int64)
    bias: QTensor | None = w.constants.get(node.ins[2].name)
    if bias is None:
        raise Unfit(f"{node.outs[0].name}: a computed bias")
    return bias.codes.astype(np.int64)


def _depthwise(
    w: Writer, node: Node, base: Argument, offsets: Argument, taps: Ints, steps: tuple[int, int], unsigned: int
) -> None:
    """One weight a channel and tap."""
    channels, high, wide, _ = taps.shape
    bias, made = _constant(w, node), w.new(node.outs[0])
    moved = (np.arange(high)[:, None] * steps[0] + np.arange(wide) * steps[1]).reshape(-1)
    given = np.zeros((high * wide, made.pitch), np.int64)
    given[:, :channels] = taps.reshape(channels, -1).T
    _tapped(w, made, base, offsets, moved, given, bias, unsigned)


def _tapped(
    w: Writer, made: Register, base: Argument, offsets: Argument, moved: Ints, taps: Ints, bias: Ints, unsigned: int
) -> None:
    """Taps that lie at `moved` from each window's begin, a row of weights for each."""
    if made.pitch == 1:
        raise Unfit("one channel")
    constants = (w.numbers(moved, moved.size, np.int64), w.numbers(taps.reshape(-1), taps.size))
    start = w.numbers(bias, made.pitch)
    w.emit(machine.DEPTHWISE, made, made.pitch, base, offsets, len(moved), *constants, start, unsigned)


def whole_sum(w: Writer, node: Node) -> None:
    """A sum over all rows of a sample: a depthwise product with ones, whose window is everything."""
    op, (x,), out = node.op, node.ins, node.outs[0]
    assert isinstance(op, Reduce)
    n = prod(lead(x))
    if op.kind not in ("sum", "mean") or prod(lead(out)) != 1 or x.type.fmt.bits > 8 or width(x) == 1:
        raise Unfit(f"{out.name}: {op.kind} over {op.axes}")
    if isinstance(x.type.fmt, FloatFormat):
        raise Unfit(f"{x.name}: {x.type.fmt.name}")
    made, moved = w.new(out), np.arange(n) * width(x)
    base, offsets = w.access(Whole(value=x.name), "base", "offsets")
    ones, zeros = np.ones((n, made.pitch), np.int64), np.zeros(width(x), np.int64)
    _tapped(w, made, base, offsets, moved, ones, zeros, int(x.type.fmt.dtype == np.uint8))


def _pair(w: Writer, node: Node) -> None:
    """Two computed operands: the second is packed once a group."""
    (a, b), out = node.ins[:2], node.outs[0]
    if len(node.ins) > 2 or len(b.type.shape) < 3 or not (a.type.batched and b.type.batched):
        raise Unfit(f"{out.name}: shapes")
    if isinstance(b.type.fmt, FloatFormat) or b.type.fmt.dtype != np.int8 or b.type.axis is not None:
        raise Unfit(f"{b.name}: {b.type.fmt.name} in signed bytes")
    group, depth, n = int(a.type.shape[-2]), width(a), width(out)
    if w.program.group not in (0, group):
        raise Unfit(f"{out.name}: groups of {group} and {w.program.group} rows")
    w.program.group = group
    rows, unsigned = operand_rows(w, a)
    columns, steps = pitch(max(n, 2)), (depth + 3) // 4
    made = w.new(out)
    if made.pitch != columns:
        raise Unfit(f"{out.name}: one column")
    room, sums, less = Register(1, fixed=4 * steps * columns), Register(1, fixed=4 * columns), Register(1)
    access = w.access(Seconds(value=b.name), "base", "offsets", "k_step", "n_step")
    zeros = w.numbers(np.zeros(columns), columns)
    assert isinstance(b.type.zero_point, int)
    w.emit(machine.PAIR, made, rows, columns, depth, n, unsigned, zeros, *access, room, less, sums, b.type.zero_point)
