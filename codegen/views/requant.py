"""requant: each contract's constants; doubles hold 53 bits, so ``dyadic16`` and ``pow2`` are exact in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.contracts import Contract, Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle
from hwsim.ops import Requant
from hwsim.ranges import Interval

from .c_view import INT32, NEAR, CView, literal, takes_channel
from .narrow import Form, form_of
from .onnx_types import DOUBLE, EXACT, FLOAT, INT64, wide
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """One factor for the double forms; multiplier, divisor and half for the int64 forms."""
    op = v.node.op
    assert isinstance(op, Requant)
    k, kind = op.contract, "double"
    v.fields |= {"contract": k.name, "rounding": getattr(k, "rounding", ""), "zero": op.zero_point, "origin": None}
    v.fields |= {"lo": op.limits.lo, "hi": op.limits.hi, "to": v.out.id}
    if isinstance(k, OnnxFloat):
        v.fields["factor"] = v.table(_one(np.asarray(k.scale)), FLOAT)
        if k.origin:
            v.fields |= {"origin": v.table(k.origin, FLOAT), "zero": op.zero_point - k.origin}
        v.fields["x"] = v.operand(0, wide(v.reach(0)))
    elif isinstance(k, (Dyadic16, Pow2)) and v.reach(0).magnitude * _gain(k) < EXACT[DOUBLE] // 2:
        v.fields["factor"] = v.table(_one(k.ratio), DOUBLE)
        v.fields["x"] = v.operand(0, DOUBLE)
    else:
        kind = "int64"
        v.fields["x"] = v.operand(0, INT64)
        v.fields |= _integer_steps(v, k)
    v.fields["kind"] = kind


def _gain(k: Dyadic16 | Pow2) -> int:
    """What the input is multiplied by before bits are dropped."""
    return max(k.multiplier) if isinstance(k, Dyadic16) else 1 << max(0, -min(k.shift))


def _integer_steps(v: OnnxView, k: Contract) -> dict[str, object]:
    """`integer_form` as tables."""
    multiplier, shifts = integer_form(k)
    steps = []
    for s, rounding in shifts:
        d = np.left_shift(np.int64(1), s)
        steps.append((v.table(_one(d), INT64), v.table(_one(np.maximum(d >> 1, 1)), INT64), rounding))
    return {"multiplier": v.table(_one(multiplier), INT64), "steps": steps}


def integer_form(k: Contract) -> tuple[NDArray[Any], list[tuple[NDArray[Any], str]]]:
    """(multiplier, then one or two right shifts with their roundings) of an integer contract, each by channel."""
    match k:
        case Dyadic16():
            return np.asarray(k.multiplier), [(np.asarray(k.shift), k.rounding)]
        case Pow2():
            s = np.asarray(k.shift)
            return np.left_shift(1, np.maximum(-s, 0)), [(np.maximum(s, 0), k.rounding)]
        case TflSingle():
            return np.asarray(k.multiplier), [(31 - np.asarray(k.shift), k.rounding)]
        case TflmDouble():
            s = np.asarray(k.shift)
            high = (np.asarray(31), "half_up")
            return np.asarray(k.multiplier) << np.maximum(s, 0), [high, (np.maximum(-s, 0), "half_away")]
    raise AssertionError(f"contract {k} has no integer form")


def _one(a: NDArray[Any]) -> NDArray[Any]:
    """A scalar where one constant serves all channels."""
    return a.reshape(()) if a.size == 1 else a


def c(v: CView) -> None:
    """The contract as one call of qmath.h, in 32 bits where they do."""
    op = v.node.op
    assert isinstance(op, Requant)
    short = form_of(op, v.reach(0)) if v.graph.reach[v.node.ins[0].name].inside(INT32) else None
    near = isinstance(op.contract, OnnxFloat) and Interval(*op.limits).inside(NEAR)
    x = _centred(v, "int32_t" if short or (near and v.reach(0).inside(INT32)) else "int64_t")
    v.fields |= {"product": None, "zero": literal(op.zero_point)}
    v.fields |= {"lo": literal(op.limits.lo), "hi": literal(op.limits.hi)}
    v.fields["clip"] = "hw_clip" if short or near else "hw_saturate"
    v.fields["y"] = _call(v, short, x) if short else _wide(v, x, "hw_round_near" if near else "hw_round_float")
    v.fields["idle"] = takes_channel(v.node) and "[c]" not in f"{v.fields['y']} {v.fields['product']}"


def _centred(v: CView, kind: str) -> str:
    """The input less its zero point."""
    x, zero = v.load(0).integer("x", kind), v.type(0).zero_point
    if isinstance(zero, tuple):
        return f"({x} - {v.table(zero, 'zero points')}[c])"
    return f"({x} - ({zero}))" if zero else x


def _call(v: CView, short: Form, x: str) -> str:
    """A form of `codegen.views.narrow`."""
    constants = ", ".join(_each(v, k) for k in short.constants)
    return f"{short.function}({x}, {constants})"


def _wide(v: CView, x: str, rounded: str) -> str:
    """64 bits, or float32 that `rounded` makes an integer."""
    op = v.node.op
    assert isinstance(op, Requant)
    match k := op.contract:
        case Dyadic16():
            return f"hw_shift_{k.rounding}({x} * {_each(v, k.multiplier)}, {_each(v, k.shift)})"
        case Pow2():
            left, right = ([max(0, sign * s) for s in k.shift] for sign in (-1, 1))
            gain = f" * {_each(v, [1 << s for s in left])}" if any(left) else ""
            return f"hw_shift_{k.rounding}({x}{gain}, {_each(v, right)})"
        case TflSingle():
            return f"hw_shift_{k.rounding}({x} * {_each(v, k.multiplier)}, {_each(v, [31 - e for e in k.shift])})"
        case TflmDouble():
            gain = f" * {_each(v, [1 << max(0, e) for e in k.shift])}" if any(e > 0 for e in k.shift) else ""
            high = f"hw_shift_half_up({x}{gain} * {_each(v, k.multiplier)}, 31)"
            return f"hw_shift_half_away({high}, {_each(v, [max(0, -e) for e in k.shift])})"
        case OnnxFloat():
            product = f"(float){x} * {_each_float(v, k.scale)}"
            if k.origin:
                v.fields["product"] = product
                return f"{rounded}(product + ({k.origin}.0f)) - ({k.origin})"
            return f"{rounded}({product})"
    raise AssertionError(f"contract {k} has no C form")


def _each(v: CView, constants: Sequence[int]) -> str:
    """A literal where all channels agree and the node takes no channel, else a table by channel."""
    if len(set(constants)) == 1:
        return literal(constants[0])
    element = "int32_t" if 1 << 16 <= max(constants) < 1 << 31 else ""  # no unsigned word among signed numbers
    return f"{v.table(constants, 'per-channel constants', element)}[c]"


def _each_float(v: CView, scales: tuple[float, ...]) -> str:
    if len(scales) == 1:
        return f"{scales[0].hex()}f"
    return f"{v.table(scales, 'per-channel scales', 'float')}[c]"
