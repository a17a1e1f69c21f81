"""The machine that runs a program over rows: a block of rows at a time goes through all instructions, inside the cache.

An instruction is a row of int64: its number (`CODES`), then what its kernel takes. Where a kernel takes a table of row
offsets, the table is advanced to the block's first row. Addresses are absolute: `hwsim.kernels.program` fills them in.
"""

from __future__ import annotations

from typing import Any

from ..jit import jit
from . import depthwise, elementwise, encoding, memory, products, rearranging, requantize, scaling, tables

(
    LOAD, STORE, ADD, MULTIPLY, AFFINE, SELECT, SHIFT, SHIFT_BY, SHIFT_SHORT,
    LOOK_UP, LOOK_UP_SMALL, REDUCE, SUM_SQUARE, ADD_LONG, WIDEN, SHORTEN, NORMALIZE, NARROW,
    DYADIC, TFLM_DOUBLE, ONNX_FLOAT, SCALE, IN_LINE, ADDRESSES, PRODUCT, PAIR, DEPTHWISE, PAD, REARRANGE, ENCODE,
) = range(30)  # fmt: skip
WORDS = 2
"""In a field that says of how many bits numbers are: 32, as registers have them. 0 is 8, 1 is 16."""
IN_PLACE: dict[int, tuple[int, ...]] = (
    {ADD: (), MULTIPLY: (), AFFINE: (), SELECT: (), LOOK_UP_SMALL: (7, 8), SHIFT_SHORT: (9,), SCALE: (8,)}
)  # fmt: skip
"""What may write rows over those it reads, and its fields that must be `WORDS` then. Other loops are no vectors so."""
FIELDS = 16
"""Numbers of an instruction."""

_load, _store, _narrow = memory.load, memory.store, memory.narrow
_add, _multiply, _affine = elementwise.add, elementwise.multiply, elementwise.affine
_select, _look_up = elementwise.select, elementwise.look_up
_shift, _shift_by, _shift_short = elementwise.shift, elementwise.shift_by, elementwise.shift_short
_reduce, _sum_square = elementwise.reduce, elementwise.sum_square
_add_long, _widen, _shorten, _normalize = (
    *(elementwise.add_long, elementwise.widen, elementwise.shorten, elementwise.normalize),
)
_dyadic, _tflm_double, _onnx_float = requantize.dyadic, requantize.tflm_double, requantize.onnx_float
_in_line, _addresses, _product = products.in_line, products.addresses, products.multiply
_depthwise, _look_up_small = depthwise.depthwise, tables.look_up_small
_scale = scaling.scale
_pack, _column_sums, _row_sums = products.pack, products.column_sums, products.row_sums
_pad, _rearrange, _encode = memory.pad, rearranging.rearrange, encoding.encode
_longs, _table = memory.longs, memory.table
COLUMNS = 5
"""Numbers of a program in a list of programs: see `run_all`."""


@jit
def run_all(programs: Any) -> None:
    """One program after the other: all its instructions on rows, `block` at a time.

    Args:
        programs: int64 of shape (programs, `COLUMNS`): address of the code, which has `FIELDS` columns; instructions;
            how many rows; rows of a block, for which registers have room; group, how many rows share a second operand
            of `_pair`, or 0. A block does not go across a group if that has more rows, and has whole groups otherwise.
    """
    for p in range(programs.shape[0]):
        code = _table(programs[p, 0], programs[p, 1], FIELDS)
        end, block, group = programs[p, 2], programs[p, 3], programs[p, 4]
        row = 0
        while row < end:
            n = min(block, end - row)
            if group > block:
                n = min(n, group - row % group)
            for i in range(code.shape[0]):
                if code[i, 0] < LOOK_UP:
                    _elementwise(code[i], row, n)
                elif code[i, 0] < DYADIC:
                    _numeric(code[i], row, n)
                elif code[i, 0] < IN_LINE:
                    _requantized(code[i], row, n)
                elif code[i, 0] < PAD:
                    _products(code[i], row, n, group)
                else:
                    _whole(code[i])
            row += n


@jit
def _elementwise(c: Any, row: Any, n: Any) -> None:
    if c[0] == LOAD:
        _load(c[1], n, c[2], c[3], c[4], c[5] + 8 * row, c[6], c[7])
    elif c[0] == STORE:
        _store(c[1], n, c[2], c[3], c[4], c[5] + 8 * row, c[6])
    elif c[0] == ADD:
        _add(c[1], c[2], c[3], n, c[4], c[5], c[6], c[7], c[8])
    elif c[0] == MULTIPLY:
        _multiply(c[1], c[2], c[3], n, c[4], c[5], c[6], c[7], c[8])
    elif c[0] == AFFINE:
        _affine(c[1], c[2], c[3], c[4], n, c[5], c[6], c[7], c[8])
    elif c[0] == SELECT:
        _select(c[1], c[2], c[3], c[4], n, c[5], c[6], c[7], c[8], c[9])
    elif c[0] == SHIFT:
        _shift(c[1], c[2], n * c[3], c[4], c[5])
    elif c[0] == SHIFT_BY:
        _shift_by(c[1], c[2], c[3], n, c[4], c[5], c[6], c[7], c[8], c[9])
    else:
        _shift_short(c[1] + c[10] * row, c[2], c[3], n, c[4], c[5], c[6], c[7], c[8], c[9], c[11], c[12])


@jit
def _numeric(c: Any, row: Any, n: Any) -> None:
    if c[0] == LOOK_UP:
        _look_up(c[1], c[2], n * c[3], c[4], c[5], c[6])
    elif c[0] == LOOK_UP_SMALL:
        _look_up_small(c[1] + c[9] * row, c[2], n * c[3], c[4], c[5], c[6], c[7], c[8])
    elif c[0] == REDUCE:
        _reduce(c[1], c[2], n, c[3], c[4], c[5])
    elif c[0] == SUM_SQUARE:
        _sum_square(c[1], c[2], n, c[3], c[4])
    elif c[0] == ADD_LONG:
        _add_long(c[1], c[2], n, c[3])
    elif c[0] == WIDEN:
        _widen(c[1], c[2], n)
    elif c[0] == SHORTEN:
        _shorten(c[1], c[2], n)
    elif c[0] == NORMALIZE:
        _normalize(c[1], c[2], c[3], n, c[4])
    else:
        _narrow(c[1], c[2], n, c[3])


@jit
def _requantized(c: Any, row: Any, n: Any) -> None:
    if c[0] == DYADIC:
        _dyadic(c[1], c[2], n, c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11])
    elif c[0] == TFLM_DOUBLE:
        _tflm_double(c[1], c[2], n, c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
    elif c[0] == ONNX_FLOAT:
        _onnx_float(c[1], c[2], n, c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
    else:
        _scale(c[1] + c[13] * row, c[2], n * c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11], c[12])


@jit
def _products(c: Any, row: Any, n: Any, group: Any) -> None:
    if c[0] == IN_LINE:
        _in_line(c[1], n, c[2], c[3])
    elif c[0] == ADDRESSES:
        _addresses(c[1], n, c[2], c[3] + 8 * row)
    elif c[0] == PRODUCT:
        _product(c[1] + c[11] * row, c[2], n, c[3], c[4], c[5], c[6], c[7], c[8], c[9], 0, c[10])
    elif c[0] == PAIR:
        _pair(c, row, n, group)
    else:
        _depthwise(c[1], n, c[2], c[3], c[4] + 8 * row, c[5], c[6], c[7], c[8], c[9])


@jit
def _whole(c: Any) -> None:
    """What is done to all samples at once, by programs of one row."""
    if c[0] == PAD:
        _pad(c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
    elif c[0] == REARRANGE:
        _rearrange(c[1], c[2], c[3:7], c[7:11], c[11:15])
    else:
        _encode(c[1], c[2], c[3], c[4], c[5], c[6], c[7])


@jit
def _pair(c: Any, row: Any, n: Any, group: Any) -> None:
    """Rows at c[2] times the second operand of each group, packed when its first row comes by.

    c: result, addresses of rows, columns, depth, width, unsigned, zeros (what it starts at), base and offsets of second
    operands, steps along k and n, room for packed ones, for what is taken off rows, for sums of columns, zero point.

    Why all are packed first: what was just written in words cannot be read at once in vectors.
    """
    depth, columns, steps = c[4], c[3], (c[4] + 3) // 4
    size = 4 * steps * columns
    offsets = _longs(c[9], row // group + n // group + 2)
    for i in range((group - row % group) % group, n, group):
        packed, b = c[12] + i // group * size, c[8] + offsets[(row + i) // group]
        _pack(packed, b, depth, c[5], c[10], c[11], columns)
    for i in range((group - row % group) % group, n, group):
        _column_sums(c[14] + i // group * 4 * columns, c[12] + i // group * size, steps, columns)
    if c[15] != 0:
        _row_sums(c[13], c[2], n, depth, c[15], c[6])
    i = 0
    while i < n:
        rows, slot = min(group - (row + i) % group, n - i), i // group
        packed, sums, out = c[12] + slot * size, c[14] + slot * 4 * columns, c[1] + 4 * columns * i
        less = c[13] + 4 * i if c[15] != 0 else 0
        _product(out, c[2] + 8 * i, rows, columns, 1, 0, steps, packed, c[7], sums, less, c[6])
        i += rows
