"""block_quantize: C reads every block twice, for its largest magnitude and its elements; ONNX has tables of powers."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.blockformats import BIAS
from hwsim.formats import FloatFormat
from hwsim.ops import BlockQuantize

from .c_view import CView, ctype, index, literal
from .onnx_types import INT64, carrier
from .onnx_view import OnnxView


def shared(op: BlockQuantize) -> dict[str, Any]:
    """The numbers of the op, which both languages write down."""
    return {
        "bump": op.bump, "top_exp": op.top_exp, "lo": op.lo, "hi": op.hi, "bias": BIAS, "lsb_exp": op.fmt.lsb_exp,
        "mantissa": op.mantissa, "one": 1 << op.mantissa, "tops": op.tops, "rounding": op.rounding,
        "sign": 1 << (op.fmt.bits - 1) if isinstance(op.fmt, FloatFormat) else None,
    }  # fmt: skip


def onnx(v: OnnxView) -> None:
    """Blocks as one more axis; logarithms count the powers of two that are not above."""
    op, (codes, scales) = v.node.op, (out.type for out in v.node.outs)
    assert isinstance(op, BlockQuantize)
    shape, batch = v.type(0).sample_shape, [-1] * v.type(0).batched
    rank, short, groups = len(v.type(0).shape), -shape[-1] % op.block, op.blocks(shape[-1])
    bits = v.reach(0).magnitude.bit_length()
    shifts = range(-op.mantissa, 63)
    sizes = [1 << max(s, 0) for s in shifts]
    v.fields |= shared(op) | {"x": v.operand(0, INT64), "pads": [0] * (2 * rank - 1) + [short]}
    v.fields |= {"blocks": [-1, groups, op.block], "rows": [-1, groups * op.block], "last": len(shifts) - 1}
    v.fields |= {"shape": batch + list(shape), "scales": batch + list(scales.sample_shape)}
    v.fields |= {
        "kinds": [carrier(codes.fmt).id, carrier(scales.fmt).id],
        "first": v.table(np.arange(shape[-1]), INT64),
    }
    v.fields["bounds"] = v.table([2 << k for k in range(max(bits, 1))], INT64)
    v.fields["powers"] = v.table([1 << k for k in range(bits + 1)], INT64)
    v.fields["gains"] = v.table([1 << max(-s, 0) for s in shifts], INT64)
    v.fields |= {"divisors": v.table(sizes, INT64), "halves": v.table([max(d >> 1, 1) for d in sizes], INT64)}


def c(v: CView) -> None:
    """Loops over rows, blocks and elements."""
    op, out = v.node.op, v.node.outs[0].type
    assert isinstance(op, BlockQuantize)
    k = int(v.type(0).shape[-1])
    rows, groups = v.type(0).elements // k, op.blocks(k)
    names = ["i"] if rows > 1 else []
    at = index([*names, "k"], [*(k for _ in names), 1])
    end = f"(g + 1) * {op.block}"
    v.fields |= shared(op) | {"outer": [(n, rows) for n in names], "groups": groups, "kind": ctype(out.fmt), "at": at}
    v.fields |= {"first": index(["g"], [op.block]), "end": f"({end} < {k} ? {end} : {k})" if k % op.block else end}
    v.fields["x"] = v.load(0).centred(at, "int64_t")
    v.fields["scale_at"] = index([*names, "g"], [*(groups for _ in names), 1])
    v.fields["threshold"] = literal(op.bump.threshold)
