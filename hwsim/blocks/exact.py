"""An exact op with the narrowest accumulator that its proven bound fits, and constants on a value's grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..formats import INT8, INT16, INT32, INT48, INT64, IntFormat
from ..graph import Graph, Value
from ..ops import Add, Conv2d, MatMul, Mul, Pool, Reduce, Shift
from ..qtensor import QTensor, QType
from ..ranges import Interval, Operand, format_interval

Exact = MatMul | Conv2d | Add | Mul | Pool | Reduce  # ops that refuse to overflow


def exact(g: Graph, op: Exact, *ins: Value, name: str) -> Value:
    """`op` with the first of INT32, INT48 and INT64 that it cannot overflow."""
    reach = wide(op, INT64).reach(*(Operand(v.type, g.reach[v.name], g.constants.get(v.name)) for v in ins))
    fmt = next((f for f in (INT32, INT48) if reach.inside(format_interval(f))), INT64)
    return g.add(wide(op, fmt), *ins, name=name)


def wide(op: Exact, fmt: IntFormat) -> Exact:
    """`op` with its result in `fmt`."""
    return replace(op, acc=fmt) if isinstance(op, MatMul | Conv2d) else replace(op, fmt=fmt)


def check_whole(what: str, value: object, lo: int, hi: int) -> None:
    """Raise ValueError unless `value` is an integer of lo..hi: widths come out of TOML files, too."""
    if type(value) is not int or not lo <= value <= hi:
        raise ValueError(f"{what} {value!r} must be {lo}..{hi}")


def number(g: Graph, code: int, name: str, scale: float = 1.0) -> Value:
    """A constant of one code, shape (1,), in the narrowest signed format."""
    fmt = narrowest(code)
    if not fmt.min_int <= code <= fmt.max_int:
        raise ValueError(f"constant {name!r}: {code:.3e} needs more than 64 bits")
    return g.constant(name, QTensor(QType((1,), fmt, scale), np.array([code], fmt.dtype)))


def narrowest(code: int) -> IntFormat:
    """The first of INT8, INT16, INT32, INT48 and INT64 that holds `code`."""
    return next((f for f in (INT8, INT16, INT32, INT48) if f.min_int <= code <= f.max_int), INT64)


def shortened(g: Graph, x: Value, width: int, rounding: str, name: str) -> Value:
    """`x` shifted right by as few bits as fit it into `width`, proven."""
    fmt = IntFormat(f"int{width}", width)
    known = Operand(x.type, g.reach[x.name])
    shifts = (Shift(bits=bits, rounding=rounding, fmt=fmt) for bits in range(63))
    return g.add(next(s for s in shifts if s.reach(known).inside(format_interval(fmt))), x, name=name)


def multipliable(g: Graph, x: Value, out: QType, name: str) -> Value:
    """`x` as ``dyadic16`` can bring it to `out`: in steps below 2**16 of those of `out`, and within 46 bits.

    A left shift is exact (4-bit products on a stream of 24 bits); what is dropped on the right is below 2**-45 of the
    largest (E5M2 products). What cannot be shifted stays, for the contract to refuse.
    """
    bits = int(np.frexp(np.max(x.type.lsb / out.lsb) * (1 + 2.0**-17))[1]) - 16
    wide = g.reach[x.name].magnitude.bit_length() - 46
    if (bits <= 0 and wide <= 0) or bits > 31 or np.any(x.type.zero_point):
        return x
    if wide > 0:
        return g.add(Shift(bits=wide, rounding="half_up", fmt=INT48), x, name=f"{name}.coarser")
    reach = Interval(*(end << bits for end in g.reach[x.name]))
    fmt = next((f for f in (INT32, INT48, INT64) if reach.inside(format_interval(f))), None)
    return x if fmt is None else g.add(Shift(bits=-bits, fmt=fmt), x, name=f"{name}.finer")


def negated(g: Graph, x: Value, name: str) -> Value:
    """``-x``, exact."""
    return exact(g, Mul(), x, number(g, -1, f"{name}.minus_one"), name=name)
