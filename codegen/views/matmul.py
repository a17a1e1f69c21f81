"""matmul: exact ONNX form by operand widths; C with the weights laid out by output channel."""

from __future__ import annotations

import numpy as np

from hwsim.ops.accumulation import worst_sum
from hwsim.ranges import Interval

from .c_view import CView, index, wide_type
from .onnx_types import BYTE, INT32, INT64, UINT8, exact_kind
from .onnx_view import OnnxView


def onnx(v: OnnxView) -> None:
    """u8 x u8 MatMulInteger where both operands have 8 bits, else the narrowest type that is exact."""
    ins = v.node.ins
    a, b = (v.graph.reach[x.name] for x in ins[:2])
    offsets = [128 if r.lo < 0 else 0 for r in (a, b)]
    bytes_only = a.shifted(offsets[0]).inside(BYTE) and b.shifted(offsets[1]).inside(BYTE)
    zero = np.asarray(v.type(1).zero_point)
    weight_zero = zero + offsets[1]
    if bytes_only and v.out_reach().inside(Interval(-(1 << 31), (1 << 31) - 1)) and BYTE.hi >= weight_zero.max():
        v.fields |= {"form": "integer", "kind": INT32}
        v.fields["a_zero"], v.fields["b_zero"] = v.table(offsets[0], UINT8), v.table(weight_zero, UINT8)
        v.fields["operands"] = [v.byte(0, offsets[0]), v.byte(1, offsets[1])]
    else:
        worst = worst_sum(int(v.type(1).shape[-2]), v.type(0), v.type(1))
        kind = exact_kind(worst)
        v.fields |= {"form": "plain", "kind": INT64}
        v.fields["operands"] = [v.operand(0, kind, zero=False), v.operand(1, kind)]
    v.fields["bias"] = v.operand(2, v.fields["kind"]) if len(ins) > 2 else None


def c(v: CView) -> None:
    """Sizes, loads and the accumulator's type."""
    a, b = v.type(0).sample_shape, v.type(1).sample_shape
    const = not v.variable(1) and len(b) == 2
    k, n = b[-2:]
    rows = int(np.prod(a[:-1], dtype=np.int64))
    batches = int(np.prod(b[:-2], dtype=np.int64))
    product = v.graph.reach[v.node.ins[0].name].times(v.reach(1))
    acc = wide_type(v.out_reach(), product)
    v.fields |= {"k": k, "n": n, "acc": acc}
    outer = [(name, size) for name, size in (("b", batches), ("i", rows // batches)) if size > 1]
    names = [name for name, _ in outer]
    passed = [rows // batches if name == "b" else 1 for name in names]  # rows that one step of each outer loop passes
    v.fields["outer"] = outer
    v.fields["a"] = v.load(0).at(index([*names, "k"], [*(r * k for r in passed), 1]), acc)
    if const:
        codes = v.graph.constants[v.node.ins[1].name].codes.T
        v.fields["b"] = v.load(1, codes).at(index(["j", "k"], [k, 1]), acc)
    else:
        inside = [k * n if name == "b" else 0 for name in names]
        v.fields["b"] = v.load(1).at(index([*names, "k", "j"], [*inside, n, 1]), acc)
    v.fields["y"] = index([*names, "j"], [*(r * n for r in passed), 1])
    v.fields["start"] = v.load(2).at("j", acc) if len(v.node.ins) > 2 else "0"
    zero = v.type(1).zero_point
    per_channel = isinstance(zero, tuple)
    v.fields["zero"] = f"{v.table(zero, 'zero points')}[j]" if per_channel else zero
