"""Sums of sixteen channels in a vector, on through the nodes fused behind them.

As many requantizations as have vector twins are done at once; what follows them is done code by code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hwsim.formats import Format
from hwsim.graph import Node
from hwsim.ops import Lut, Requant
from hwsim.ranges import Interval, zero_points
from hwsim.rounding import Ints

from .c_view import INT32, CView, ctype, literal, takes_channel
from .lut import keeps
from .narrow import form_of

LANES = 16
PUT = {f"{u}int{n}_t": f"{u or 's'}{n}" for u in ("", "u") for n in (8, 16, 32)}  # C type -> end of a function's name
TWINS = ("hw_short", "hw_high", "hw_high_shift", "hw_doubled", "hw_doubled_any", "hw_single")


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What becomes of sums.

    Args:
        vector: expression of sixteen sums -> expression of as many results.
        kind: C type in which these are stored; `put` is the end of the function's name.
        rest: expression of one of them, expression of its channel -> expression of the final code; None where none is
            needed.
    """

    vector: Callable[[str], str]
    kind: str
    put: str
    rest: Callable[[str, str], str] | None


def finish(v: CView) -> Finish:
    """The plan for the node's chain."""
    plain = v.fields["add"]["last"] == "sum"
    calls: list[Callable[[str], str]] = []
    for _, node in v.chain if plain else ():
        if (call := _twin(v, node)) is None:
            break
        calls.append(call)
    done = len(calls)
    kind = ctype(v.chain[done - 1][1].outs[0].type.fmt) if done else "int32_t"
    end = v.chain[-1][1].outs[0].type if v.chain else v.out
    whole = done == len(v.chain) and plain and ctype(end.fmt) == kind

    def vector(x: str) -> str:
        for call in calls:
            x = call(x)
        return x

    return Finish(vector=vector, kind=kind, put=PUT[kind], rest=None if whole else _rest(v, done))


def _rest(v: CView, done: int) -> Callable[[str, str], str]:
    """The chain from node `done` on, for one number; where nothing was done, ``sum`` is its name."""

    def rest(value: str, channel: str) -> str:
        value = value if done else f"({ctype(v.out.fmt)}){v.fields['add']['last']}"
        for number, node in v.chain[done:]:
            value = f"{v.prefix}_n{number}({value}{', ' + channel if takes_channel(node) else ''})"
        return value

    return rest


def _twin(v: CView, node: Node) -> Callable[[str], str] | None:
    """One requantization of all lanes as a call, or a change of meaning; None where it has no vector form."""
    if isinstance(node.op, Lut) and keeps(node.op, node.ins[0].type):
        return lambda x: x
    if not isinstance(node.op, Requant):
        return None
    op, source = node.op, node.ins[0]
    reach, zero = v.graph.reach[source.name], zero_points(source.type)
    short = form_of(op, Interval(reach.lo - zero.hi, reach.hi - zero.lo)) if reach.inside(INT32) else None
    if short is None or short.function not in TWINS:
        return None
    each = [_lanes(v, k) for k in short.constants]
    centre = _lanes(v, np.asarray(source.type.zero_point).reshape(-1)) if np.any(source.type.zero_point) else ""
    name, last = short.function.removesuffix("_any").replace("hw_", "hw_v_"), node is v.chain[-1][1]

    def call(x: str) -> str:
        x = f"hw_v_less({x}, {centre})" if centre else x
        return _limited(f"{name}({', '.join([x, *each])})", op, node.outs[0].type.fmt, stored=last)

    return call


def _limited(x: str, op: Requant, fmt: Format, *, stored: bool) -> str:
    """With the zero point, inside the limits; a store saturates to its type by itself."""
    x = f"hw_v_add({x}, hw_v_all({literal(op.zero_point)}))" if op.zero_point else x
    ends = np.iinfo(fmt.dtype)
    if not (stored and op.limits.hi == ends.max):
        x = f"hw_v_most({x}, {literal(op.limits.hi)})"
    return x if stored and op.limits.lo == ends.min else f"hw_v_least({x}, {literal(op.limits.lo)})"


def _lanes(v: CView, constants: ArrayLike) -> str:
    """Sixteen constants from channel ``o`` on."""
    a = np.asarray(constants, np.int64)
    if (a == a[0]).all():
        return f"hw_v_all({literal(int(a[0]))})"
    return f"hw_v_load({v.table(filled(a), 'per-channel constants', 'int32_t')} + o)"


def filled(a: Ints) -> Ints:
    """At least sixteen of it."""
    return np.pad(np.asarray(a, np.int64), (0, max(0, LANES - len(a))))
