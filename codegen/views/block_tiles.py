"""Matrix kernels of `block_matmul`: as `codegen.views.dense`, but the sum of each block is scaled before it is added.

Eligible are products of one constant of up to 8 bits whose blocks' sums fit 32 bits and whose blocks fill whole words.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.formats import BINARY
from hwsim.ops import BlockMatMul
from hwsim.ops.block_matmul import Bound
from hwsim.ranges import Interval

from ..pack import width
from ..render import macros
from ..tiles import SIGNED_BYTE, starts, tiles
from .c_view import INT32, CView, Scratch
from .dense import in_bytes, raw
from .packed import packed


def block_tiles(v: CView, op: BlockMatMul, bound: Bound) -> dict[str, Any] | None:
    """What the kernels' templates need, or None where plain loops must do."""
    t, tensor = tiles(v.target)[-1], v.graph.constants.get(v.node.ins[1].name)
    k, n = (int(d) for d in v.type(1).shape)
    if tensor is None or op.zeros or op.path.drop or k % op.block:
        return None
    weights, x = tensor.to_int().T, v.reach(0)
    most = op.block * x.magnitude * int(np.abs(weights).max(initial=0))
    whole = Interval(int(weights.min(initial=0)), int(weights.max(initial=0))).inside(SIGNED_BYTE)
    if not whole or most > INT32.hi or not x.inside(t.row) or v.type(1).fmt == BINARY:
        return None
    rows, channels = min(t.rows, v.type(0).elements // k), min(t.channels, n)
    bits = width(v.type(1).fmt)
    per = 32 // bits if bits else 4 if t.words else 1
    if op.block % per:
        return None
    d = packed(v, t, v.type(1).fmt, tensor.codes.T, channels, table=True)
    if d is None and bits:
        return None
    d = d or in_bytes(v, t, weights, channels)
    if op.block % (per * d.get("unroll", 1)):
        d["unroll"] = 1
    pixels = v.type(0).elements // k
    d |= {"o": n, "k": k, "pixels": pixels, "rows": rows, "channels": channels, "offset": 0}
    d |= {"tiles": len(starts(pixels, rows)), "panels": len(starts(n, channels)), "patch": None, "raw": raw(v)}
    d |= {"raw": "" if v.type(0).zero_point else d["raw"], "load": v.load(0).centred}
    d |= {"macros": macros(f"c/kernels/{t.name}.j2"), "shared": macros("c/kernels/shared.j2")}
    d |= {"dense": macros("c/kernels/dense.j2"), "terms": macros("c/kernels/term.j2")}
    d |= {"block": op.block // d["per"], "groups": k // op.block}
    v.scratch.append(Scratch(t.element[0], rows * d["kp"] // t.element[1]))
    v.fields["kernels"] = macros("c/kernels/blocks.j2")
    return d
