"""Functions of functions of one narrow value: one table, where each node would take a pass over all numbers.

A GELU of 8 bits is a table, a product with its own operand and a requantization: together a table of 256 entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FloatFormat
from ..graph import Node, Op, Value
from ..ops import Add, Lut, Mul, Pwl, Requant, Select, Shift, ShiftBy
from ..ranges import Interval
from . import machine
from .tables import ENTRIES, small
from .writer import Unfit, Writer, width

POINTWISE: tuple[type[Op], ...] = (Add, Mul, Select, Requant, Lut, Pwl, Shift, ShiftBy)
"""Ops whose results depend on the numbers at their own place alone, where all operands have one shape."""


@dataclass(frozen=True, eq=False)
class Function:
    """A value that is a function of another one, written when it is read: most are on the way to a last one alone.

    Args:
        source: the other value.
        results: codes of the value, one for each of its `places`.
        rule: writes it from its own operands, for results that are too far apart for a small table.
    """

    source: Value
    results: NDArray[Any]
    rule: Callable[[], None]

    def write(self, w: Writer, value: Value) -> None:
        """The instructions that make `value`."""
        if small(self.results) is None:
            self.rule()
        else:
            look_up(w, self.source, value, self.results)


def function(w: Writer, value: Value) -> Function | None:
    """`value` as a function of another one, if it is known as such."""
    kept = w.unwritten.get(value.name)
    return kept if isinstance(kept, Function) else None


def composed(w: Writer, node: Node, rule: Callable[[], None]) -> bool:
    """Whether the result begins with a table and is a function of one value of few codes; then it is kept as such."""
    source = _source(w, node)
    begins = isinstance(node.op, Lut | Pwl) or any(function(w, v) for v in node.ins)
    if source is None or not begins or (span := codes(w, source)).hi - span.lo >= ENTRIES:
        return False
    given = [_codes_of(w, v, places(w, source)) for v in node.ins]
    types = tuple(replace(v.type, shape=np.shape(c)) for v, c in zip(node.ins, given, strict=True))
    w.unwritten[node.outs[0].name] = Function(source, np.asarray(node.op.run(types, *given)), rule)
    return True


def _source(w: Writer, node: Node) -> Value | None:
    """The one value of which all operands that are not constant are functions, place by place."""
    if type(node.op) not in POINTWISE or (isinstance(node.op, Requant) and node.op.contract.channels > 1):
        return None
    computed = [v for v in node.ins if v.name not in w.constants]
    sources = {f.source if (f := function(w, v)) else v for v in computed}
    plain = all(v.type.axis is None for v in (*node.ins, *node.outs))
    single = all(w.constants[v.name].codes.size == 1 for v in node.ins if v.name in w.constants)
    return sources.pop() if len(sources) == 1 and plain and single else None


def _codes_of(w: Writer, value: Value, source: NDArray[Any]) -> NDArray[Any]:
    if value.name in w.constants:
        return w.constants[value.name].codes.reshape(())
    found = function(w, value)
    return found.results if found else source


def codes(w: Writer, x: Value) -> Interval:
    """Codes that may come: the reach of integers, all of a float format."""
    fmt = x.type.fmt
    return Interval(fmt.min_code, fmt.max_code) if isinstance(fmt, FloatFormat) else w.reach(x)


def places(w: Writer, x: Value) -> NDArray[Any]:
    """The same one by one, in order."""
    span = codes(w, x)
    return np.arange(span.lo, span.hi + 1).astype(x.type.fmt.dtype)


def look_up(w: Writer, x: Value, out: Value, results: NDArray[Any]) -> None:
    """`out` from a table of results, one for each of the `places` of `x`."""
    given, first, found = w.register(x, out), codes(w, x).lo, small(results)
    if given.long or given.width != width(out):
        raise Unfit(f"{out.name}: other columns")
    made = w.new(out)
    if found is not None:
        w.emit(machine.LOOK_UP_SMALL, made, given, made.pitch, found[0], first, found[1], *2 * [machine.WORDS])
        return
    w.emit(machine.LOOK_UP, made, given, made.pitch, w.numbers(results, results.size), first, results.size)
