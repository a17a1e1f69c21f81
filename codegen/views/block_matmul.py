"""block_matmul: C block by block from packed codes; ONNX one plain product where b is constant and exact, else blocks.

Why two ONNX forms: weights whose scales shift nothing out are integers, so runtimes see one MatMul; otherwise every
block's product is kept, (blocks, rows, columns), and rounded on its own. Cut products of elements are a Scan over the
blocks, (rows, block, columns) at a time; so is an accumulator that saturates, and a sum in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.blockformats import BIAS, spread
from hwsim.formats import E8M0
from hwsim.ops import BlockMatMul
from hwsim.ops.block_matmul import Bound
from hwsim.ops.float_sum import FURTHEST, SMALLEST, Float32Sum
from hwsim.ranges import Interval, operands

from ..render import macros
from .accumulator import c_cut, c_limit, c_wrap, onnx_wrap
from .block_tiles import block_tiles
from .c_view import INT32, NEAR, CView, ctype, index, literal, wide_type
from .onnx_types import DOUBLE, EXACT, FLOAT, INT64, exact_kind
from .onnx_view import OnnxView


def proof(v: CView | OnnxView) -> tuple[BlockMatMul, Bound]:
    """The op and its bounds."""
    op, g = v.node.op, v.graph
    assert isinstance(op, BlockMatMul)
    return op, op.bound(*operands(g, v.node))


def limited(op: BlockMatMul, bound: Bound) -> str:
    """What exact sums would need: ``saturate``, ``wrap``, or nothing."""
    return "" if bound.total.inside(op.path.limits(op.acc)) else op.path.overflow


def onnx(v: OnnxView) -> None:
    """One product with the scales multiplied in, or blocks."""
    op, bound = proof(v)
    how = limited(op, bound)
    v.fields |= {"wrap": onnx_wrap(op.path, op.acc) if how == "wrap" else None, "cut": None, "steps": None}
    v.fields["floats"] = None
    if isinstance(op.datapath, Float32Sum) or op.path.drop or how == "saturate" or not _flat(v, op):
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
    path = op.path
    kind = INT64 if path.drop else exact_kind(op.block * bound.product.magnitude)
    if path.drop:
        v.fields["cut"] = {"unit": 1 << path.drop, "half": 1 << path.drop >> 1, "rounding": path.rounding}
        v.fields["cut"] |= {"block": op.block, "ones": [1] * op.block}
    if limited(op, bound) == "saturate":
        none = Interval(-EXACT[INT64], EXACT[INT64] - 1)
        ends = [path.limits(op.acc) if op.steps(g, groups) else none for g in range(groups)]
        v.fields["steps"] = {side: v.table([getattr(e, side) for e in ends], INT64) for side in ("lo", "hi")}
    v.fields |= {"form": "blocks", "a": v.operand(0, kind), "b": v.operand(1, kind), "zeros": None}
    vectors = {"a_shape": [-1, groups, op.block], "b_shape": [groups, op.block, n], "scales_shape": [-1, groups]}
    vectors |= {"a_pads": [0] * (2 * rank - 1) + [pad], "b_pads": [0, 0, pad, 0], "first": [0], "second": [1]}
    vectors |= {"third": [2], "shape": [-1] * v.type(0).batched + list(v.node.outs[0].type.sample_shape)}
    v.fields["vectors"] = vectors
    if op.at_zeros:
        v.fields |= {"zeros": v.operand(op.at_zeros, kind), "repeat": v.table(np.arange(k) // op.block, INT64)}
    v.fields["sides"] = [_side(v, i) for i in (2, 3)[: 1 + op.left]]
    v.fields |= {"rounding": op.rounding, "halves": bound.total.magnitude >= EXACT[DOUBLE]}
    at = _exponents(v, op)
    v.fields |= {"at": at, "max_exp": op.max_exp}
    if isinstance(op.datapath, Float32Sum):
        _onnx_floats(v, op)
        return
    shifts = range(op.lsb_exp - op.max_exp, 63) if at else [op.lsb_exp]
    sizes = [1 << max(s, 0) for s in shifts]
    v.fields["last"] = len(shifts) - 1
    v.fields["gains"] = v.table([1 << max(-s, 0) for s in shifts], INT64)
    v.fields |= {"divisors": v.table(sizes, INT64), "half_sizes": v.table([max(d >> 1, 1) for d in sizes], INT64)}


def _onnx_floats(v: OnnxView, op: BlockMatMul) -> None:
    """Powers of two by how far an exponent lies below the largest, and what makes codes of the sum."""
    grid = op.grid(tuple(x.type for x in v.node.ins))
    top, at = op.max_exp + grid, v.fields["at"]
    powers = np.arange(top, FURTHEST - 1, -1) if at else np.array([grid])
    first = np.maximum(powers, SMALLEST)
    v.fields["floats"] = {"powers": v.table(np.ldexp(1.0, first), FLOAT), "rest": None}
    if powers[-1] < SMALLEST:
        v.fields["floats"]["rest"] = v.table(np.ldexp(1.0, np.maximum(powers - first, SMALLEST)), FLOAT)
    v.fields["floats"] |= {"unit": v.table(np.ldexp(1.0, -op.lsb_exp - grid), DOUBLE), "limits": op.path.limits(op.acc)}
    v.fields["last"] = len(powers) - 1


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
    dot = wide_type(bound.dot, bound.product)
    f = {"dot": dot, "floats": None, "column": True, "row": op.left} | _c_sums(v, op, bound, groups)
    v.fields |= {"term": f, "terms": macros("c/kernels/term.j2"), "floats": isinstance(op.datapath, Float32Sum)}
    v.fields["blocks"] = block_tiles(v, op, bound)
    outer = [("i", rows)] if rows > 1 or (v.fields["blocks"] and op.left) else []
    names = [name for name, _ in outer]
    _c_scales(v, f, op, bound, names)
    if v.fields["blocks"]:
        return
    v.fields |= {"outer": outer, "n": n, "groups": groups, "dot": dot}
    v.fields |= {"first": index(["g"], [op.block]), "end": _end(k, op.block)}
    a = v.load(0).centred(index([*names, "k"], [*(k for _ in names), 1]), dot)
    b = _column(v, 1, k, "k", dot)
    v.fields["product"] = c_cut(op.path, f"{a} * {f'({b} - zero)' if op.zeros else b}", dot)
    v.fields["y"] = index([*names, "j"], [*(n for _ in names), 1])
    v.fields["zero"] = _column(v, op.at_zeros, groups, "g", dot) if op.at_zeros else None


def _c_scales(v: CView, f: dict[str, Any], op: BlockMatMul, bound: Bound, names: list[str]) -> None:
    """What a block's dot product is multiplied with and shifted by."""
    at, groups = _exponents(v, op), op.blocks(int(v.type(1).shape[0]))
    kinds = {i: "int32_t" if i in at else "int64_t" for i in (2, 3)}
    scales = {2: _column(v, 2, groups, "g", kinds[2])}
    if op.left:
        scales[3] = v.load(3).at(index([*names, "g"], [*(groups for _ in names), 1]), kinds[3])
    f["factors"] = [text for i, text in scales.items() if i not in at]
    f["exponents"] = [scales[i] for i in at]
    if isinstance(op.datapath, Float32Sum):
        f["wide"] = "int64_t"
        _c_floats(v, f, op, at)
        return
    f |= {"shifts": bool(at) or op.lsb_exp != 0, "exponent": "", "shifted": ""}
    f["wide"] = "int64_t" if f["shifts"] or f["factors"] else ""
    if f["shifts"]:
        _c_shift(v, f, op, bound, at)


def _c_shift(v: CView, f: dict[str, Any], op: BlockMatMul, bound: Bound, at: list[int]) -> None:
    """Right by ``s``, left where it is negative; a test only where both may be, 32 bits where what is shifted fits."""
    reach = [v.graph.reach[v.node.ins[i].name] for i in at]
    constant, least = op.lsb_exp + BIAS * len(at), op.lsb_exp - op.max_exp if at else op.lsb_exp
    lo, hi = constant - sum(r.hi for r in reach), constant - sum(r.lo for r in reach)
    text = " - ".join([str(constant), *f["exponents"]])
    most = 62 if at else op.lsb_exp
    f["exponent"] = text if least <= lo and hi <= most else f"hw_clip({text}, {least}, {most})"
    if max(lo, least) >= 0:
        f["shifted"] = f"hw_shift_{op.rounding}(scaled, s)"
        return
    if hi <= 0 and not f["factors"] and bound.term.inside(INT32) and -max(lo, least) < 31:
        f["wide"] = "int32_t"
    left = f"scaled * (({f['wide']})1 << -s)"
    f["shifted"] = left if hi <= 0 else f"s < 0 ? {left} : hw_shift_{op.rounding}(scaled, s)"


def _c_sums(v: CView, op: BlockMatMul, bound: Bound, groups: int) -> dict[str, Any]:
    """Type of the sum, what limits it after which blocks, and what is stored of it."""
    how, path, limits = limited(op, bound), op.path, op.path.limits(op.acc)
    tree, sums = min(path.tree, groups), bound.total
    if how == "saturate":
        sums = Interval(limits.lo + tree * bound.term.lo, limits.hi + tree * bound.term.hi)
    acc, floats = wide_type(sums), isinstance(op.datapath, Float32Sum)
    last = c_wrap(path, op.acc, "code" if floats else "sum") if how == "wrap" else "code" if floats else "sum"
    when = f"(g + 1) % {tree} == 0 || g + 1 == {groups}" if 1 < tree < groups else f"g + 1 == {groups}"
    return {
        "kind": "float" if floats else acc,
        "result": v.store(f"({ctype(v.out.fmt)}){last}", "j"),
        "limit": c_limit(path, op.acc, "sum", acc) if how == "saturate" else None,
        "when": when if tree > 1 else None,
    }


def _c_floats(v: CView, f: dict[str, Any], op: BlockMatMul, at: list[int]) -> None:
    """The power of a contribution, a second one where it may be subnormal, and what makes codes of the sum."""
    grid, limits = op.grid(tuple(x.type for x in v.node.ins)), op.path.limits(op.acc)
    reach = [v.graph.reach[v.node.ins[i].name].lo - BIAS for i in at]
    least = max(min(sum(reach), op.max_exp) + grid, FURTHEST)
    f["exponent"] = " + ".join([str(grid - BIAS * len(at)), *f["exponents"]])
    f |= {"least": least, "most": op.max_exp + grid, "shifts": False}
    f["floats"] = {"small": least < SMALLEST, "smallest": SMALLEST, "plain": f"{np.ldexp(1.0, grid).hex()}f"}
    f["floats"]["unit"] = f"{np.ldexp(1.0, -op.lsb_exp - grid).hex()}f"
    f["floats"]["near"] = limits.inside(NEAR)
    f["floats"]["limits"] = f"{literal(limits.lo)}, {literal(limits.hi)}"


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
