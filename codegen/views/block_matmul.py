"""block_matmul: C block by block from packed codes; ONNX one plain product where b is constant and exact, else blocks.

Why two ONNX forms: weights whose scales shift nothing out are integers, so runtimes see one MatMul; otherwise every
block's product is kept, (blocks, rows, columns), and rounded on its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.blockformats import BIAS, spread
from hwsim.formats import E8M0
from hwsim.ops import BlockMatMul
from hwsim.ops.block_matmul import Bound
from hwsim.ranges import Operand

from .c_view import CView, index, wide_type
from .onnx_types import DOUBLE, EXACT, INT64, exact_kind
from .onnx_view import OnnxView


def proof(v: CView | OnnxView) -> tuple[BlockMatMul, Bound]:
    """The op and its bounds."""
    op, g = v.node.op, v.graph
    assert isinstance(op, BlockMatMul)
    return op, op.bound(*(Operand(x.type, g.reach[x.name], g.constants.get(x.name)) for x in v.node.ins))


def onnx(v: OnnxView) -> None:
    """One product with the scales multiplied in, or blocks."""
    op, bound = proof(v)
    if not _flat(v, op):
        _blocks(v, op, bound)


def _flat(v: OnnxView, op: BlockMatMul) -> bool:
    """Whether b and its scales are constants and integers on the accumulator's grid; then they are the operand."""
    tensors = [v.graph.constants.get(x.name) for x in v.node.ins[1:]]
    if op.left or any(t is None for t in tensors):
        return False
    types = tuple(x.type for x in v.node.ins)
    a = np.zeros((1, int(types[1].shape[0])), types[0].fmt.dtype)
    _, b, factor, exponent, _, _ = op.operands(types, (a, *(t.codes for t in tensors if t is not None)))
    if int(exponent.min()) < op.lsb_exp:
        return False
    scaled = b.astype(object) * spread(factor * 2 ** (exponent - op.lsb_exp).astype(object), op.block, 0, len(b))
    worst = v.reach(0).magnitude * int(np.abs(scaled).sum(0).max(initial=0))
    if worst >= EXACT[INT64] // 2:
        return False
    kind = exact_kind(worst)
    v.replaces |= set(range(1, len(v.node.ins)))
    v.fields |= {"form": "flat", "a": v.operand(0, kind), "b": v.table(scaled, kind)}
    return True


def _blocks(v: OnnxView, op: BlockMatMul, bound: Bound) -> None:
    """Both operands padded to whole blocks and turned to (blocks, rows, block) and (blocks, block, columns)."""
    k, n = (int(d) for d in v.type(1).shape)
    groups = op.blocks(k)
    rank, pad = len(v.type(0).shape), -k % op.block
    kind = exact_kind(op.block * bound.product.magnitude)
    v.fields |= {"form": "blocks", "a": v.operand(0, kind), "b": v.operand(1, kind), "zeros": None}
    v.fields |= {"a_shape": [-1, groups, op.block], "b_shape": [groups, op.block, n], "scales_shape": [-1, groups]}
    v.fields |= {"a_pads": [0] * (2 * rank - 1) + [pad], "b_pads": [0, 0, pad, 0]}
    if op.at_zeros:
        v.fields |= {"zeros": v.operand(op.at_zeros, kind), "repeat": v.table(np.arange(k) // op.block, INT64)}
    v.fields["sides"] = [_side(v, i) for i in (2, 3)[: 1 + op.left]]
    v.fields |= {"rounding": op.rounding, "halves": bound.total.magnitude >= EXACT[DOUBLE]}
    v.fields["shape"] = [-1] * v.type(0).batched + list(v.node.outs[0].type.sample_shape)
    at = _exponents(v, op)
    shifts = range(op.lsb_exp - op.max_exp, 63) if at else [op.lsb_exp]
    sizes = [1 << max(s, 0) for s in shifts]
    v.fields |= {"at": at, "max_exp": op.max_exp, "last": len(shifts) - 1}
    v.fields["gains"] = v.table([1 << max(-s, 0) for s in shifts], INT64)
    v.fields |= {"divisors": v.table(sizes, INT64), "half_sizes": v.table([max(d >> 1, 1) for d in sizes], INT64)}


def _side(v: OnnxView, i: int) -> dict[str, Any]:
    """One side's scales as integers: factors, or exponents."""
    return {"x": v.operand(i, INT64), "exponent": v.type(i).fmt == E8M0, "left": i == 3}


def _exponents(v: CView | OnnxView, op: BlockMatMul) -> list[int]:
    """Which inputs are E8M0 scales."""
    return [i for i in (2, 3)[: 1 + op.left] if v.type(i).fmt == E8M0]


def c(v: CView) -> None:
    """Loops over rows, columns, blocks and elements; constants lie by column."""
    op, bound = proof(v)
    k, n = (int(d) for d in v.type(1).shape)
    groups, rows = op.blocks(k), v.type(0).elements // k
    outer = [("i", rows)] if rows > 1 else []
    names = [name for name, _ in outer]
    dot = wide_type(bound.dot, bound.product)
    v.fields |= {"outer": outer, "n": n, "groups": groups, "dot": dot, "acc": wide_type(bound.total)}
    v.fields |= {"first": index(["g"], [op.block]), "end": _end(k, op.block)}
    v.fields["a"] = v.load(0).centred(index([*names, "k"], [*(k for _ in names), 1]), dot)
    v.fields["b"] = _column(v, 1, k, "k", dot)
    v.fields["y"] = index([*names, "j"], [*(n for _ in names), 1])
    v.fields["zero"] = _column(v, op.at_zeros, groups, "g", dot) if op.at_zeros else None
    at = _exponents(v, op)
    kinds = {i: "int32_t" if i in at else "int64_t" for i in (2, 3)}
    scales = {2: _column(v, 2, groups, "g", kinds[2])}
    if op.left:
        scales[3] = v.load(3).at(index([*names, "g"], [*(groups for _ in names), 1]), kinds[3])
    v.fields["factors"] = [text for i, text in scales.items() if i not in at]
    v.fields["exponents"] = [scales[i] for i in at]
    v.fields |= {"constant": op.lsb_exp + BIAS * len(at), "least": op.lsb_exp - op.max_exp if at else op.lsb_exp}
    v.fields |= {"most": 62 if at else op.lsb_exp, "rounding": op.rounding, "shifts": bool(at) or op.lsb_exp != 0}


def _end(k: int, block: int) -> str:
    """Where block g ends."""
    end = f"(g + 1) * {block}"
    return f"({end} < {k} ? {end} : {k})" if k % block else end


def _column(v: CView, i: int, rows: int, row: str, cast: str) -> str:
    """Element (row, j) of input `i`; constants are turned so that a column is contiguous."""
    if v.variable(i):
        return v.load(i).at(index([row, "j"], [int(v.type(i).shape[1]), 1]), cast)
    codes = v.graph.constants[v.node.ins[i].name].codes.T
    return v.load(i, codes).at(index(["j", row], [rows, 1]), cast)
