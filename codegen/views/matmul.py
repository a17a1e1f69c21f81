"""matmul: exact ONNX form by operand widths; C with the weights laid out by output channel.

Signs alone are XNOR and popcount; exact sums of constants go through the kernels of `dense`, what is left through plain
loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.formats import BINARY
from hwsim.ops.accumulation import worst_sum
from hwsim.ranges import Interval

from ..pack import bit_rows
from .accumulator import c_sums, onnx_steps, onnx_sums, plain_reach
from .c_view import CView, index
from .dense import dense
from .onnx_types import BYTE, INT32, INT64, UINT8, exact_kind
from .onnx_view import OnnxView
from .ternary import product
from .vectors import Window, products


def onnx(v: OnnxView) -> None:
    """u8 x u8 MatMulInteger where both operands have 8 bits, else the narrowest type that is exact."""
    ins = v.node.ins
    a, b = (v.graph.reach[x.name] for x in ins[:2])
    a = gained(v, a)
    offsets = [128 if r.lo < 0 else 0 for r in (a, b)]
    bytes_only = a.shifted(offsets[0]).inside(BYTE) and b.shifted(offsets[1]).inside(BYTE)
    plain, reach = onnx_sums(v), plain_reach(v.graph, v.node)
    zero = np.asarray(v.type(1).zero_point)
    weight_zero = zero + offsets[1]
    if not plain:
        k, n = v.type(1).shape[-2:]
        v.fields |= {"form": "steps", "operands": [v.operand(0, INT64, zero=False, gains=True), v.operand(1, INT64)]}
        onnx_steps(v, int(k), int(n), (len(v.type(0).shape), len(v.type(1).shape)))
    elif bytes_only and reach.inside(Interval(-(1 << 31), (1 << 31) - 1)) and BYTE.hi >= weight_zero.max():
        v.fields |= {"form": "integer", "kind": INT32}
        v.fields["a_zero"], v.fields["b_zero"] = v.table(offsets[0], UINT8), v.table(weight_zero, UINT8)
        v.fields["operands"] = [v.byte(0, offsets[0], gains=True), v.byte(1, offsets[1])]
    else:
        worst = worst_sum(int(v.type(1).shape[-2]), v.type(0), v.type(1))
        kind = exact_kind(worst)
        v.fields |= {"form": "plain", "kind": INT64}
        v.fields["operands"] = [v.operand(0, kind, zero=False, gains=True), v.operand(1, kind)]
    v.fields["bias"] = v.operand(2, v.fields["kind"]) if len(ins) > 2 else None


def gained(v: OnnxView | CView, a: Interval) -> Interval:
    """What the first operand reaches once its steps are multiples of the smallest."""
    return Interval(*(end * int(v.type(0).gains.max()) for end in a))


def c(v: CView) -> None:
    """Sizes, loads and the accumulator's type."""
    a, b = v.type(0).sample_shape, v.type(1).sample_shape
    const = not v.variable(1) and len(b) == 2
    k, n = b[-2:]
    rows = int(np.prod(a[:-1], dtype=np.int64))
    batches = int(np.prod(b[:-2], dtype=np.int64))
    c_sums(v, gained(v, v.graph.reach[v.node.ins[0].name]).times(v.reach(1)), k)
    acc = v.fields["acc"]
    v.fields |= {"k": k, "n": n}
    outer = [(name, size) for name, size in (("b", batches), ("i", rows // batches)) if size > 1]
    names = [name for name, _ in outer]
    passed = [rows // batches if name == "b" else 1 for name in names]  # rows that one step of each outer loop passes
    v.fields["outer"] = outer
    v.fields["y"] = index([*names, "j"], [*(r * n for r in passed), 1])
    v.fields["start"] = v.load(2).at("j", acc) if len(v.node.ins) > 2 else "0"
    at_a = index([*names, "k"], [*(r * k for r in passed), 1])
    v.fields["xnor"] = v.fields["dense"] = None
    signs = v.type(0).fmt == v.type(1).fmt == BINARY and v.type(0).axis is None
    if const and signs and not v.fields["add"]["steps"]:
        codes = v.graph.constants[v.node.ins[1].name].codes.T
        table = v.table(
            bit_rows(codes), f"binary constant {v.type(1).shape}, a bit a code, columns in words", "uint32_t"
        )
        v.fields["xnor"] = {"table": table, "words": -(-k // 32), "code": v.load(0).code(at_a)}
        return
    if const and (d := _dense(v, k, rows)):
        v.fields["dense"] = d
        return
    left = v.load(0).at(at_a, acc)
    if v.type(0).axis is not None:
        left += f" * {v.table(v.type(0).gains, 'steps of the first operand')}[k]"
    zero = v.type(1).zero_point
    offset = f"{v.table(zero, 'zero points')}[j]" if isinstance(zero, tuple) else zero
    if const:
        codes, at = v.graph.constants[v.node.ins[1].name].codes.T, index(["j", "k"], [k, 1])
        weights = v.load(1, codes)
        v.fields["product"] = product(v, left, weights, at, acc)
        right = weights.at(at, acc)
    else:
        inside = [k * n if name == "b" else 0 for name in names]
        right = v.load(1).at(index([*names, "k", "j"], [*inside, n, 1]), acc)
        v.fields["product"] = f"{left} * {right}"
    if offset:
        v.fields["product"] = f"{left} * ({right} - ({offset}))"


def _dense(v: CView, k: int, rows: int) -> dict[str, Any] | None:
    """Rows as they lie in the input, times the steps of their channels."""
    reach = gained(v, v.graph.reach[v.node.ins[0].name])
    b = v.graph.constants[v.node.ins[1].name]
    vectors = v.target.kernels == "x86"
    d = products(v, b.to_int().T, reach, Window(image=(1, rows, k), out=(1, rows))) if vectors else None
    d = d or dense(v, b.to_int().T, b.codes.T, reach, rows)
    if d:
        gains = v.type(0).gains if v.type(0).axis is not None else np.ones(1)
        steps = "" if (gains == 1).all() else f" * {v.table(gains, 'steps of the first operand')}"
        d["load"] = lambda at: v.load(0).at(at) + (f"{steps}[({at}) % {k}]" if steps else "")
    return d
