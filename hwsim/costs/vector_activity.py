"""Toggle rates of vector units: a lane serves one place of the last axis and sees it row by row, sample by sample.

A lane that sums sees the terms of one sum, then those of the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..formats import Codes, IntFormat
from ..graph import Node, Value
from ..ops import BlockQuantize, Lut, Pool, Pwl, Reduce, Select
from ..ranges import Interval
from .activity import toggles
from .hardware import VectorUnit
from .product_activity import float_toggles, reals

MOST = 1 << 16  # elements that are looked at
WIDE = IntFormat("int62", 62)


def vector_activity(unit: VectorUnit, node: Node, env: Mapping[str, Codes]) -> dict[str, float]:
    """Toggle rates that one unit of a node's pipeline sees.

    Args:
        unit: one of the hardware's that `hwsim.costs.needs` asks for.
        node: which.
        env: codes of all values and constants.
    """
    family = unit.family
    if family.startswith("float"):
        return _float_rates(unit, node, env)
    ins, outs = ([v.type.fmt.to_int(env[v.name]) for v in values] for values in (node.ins, node.outs))
    if family == "reduce":
        return _sum_rates(unit, node, ins[0])
    if family == "multiply" and isinstance(node.op, Reduce):
        ins, outs = [ins[0], ins[0]], [ins[0] ** 2]
    if isinstance(node.op, Pwl):  # the table's exact result, which a requantization rounds
        exact = replace(node.op, shift=0, fmt=WIDE).run((node.ins[0].type,), env[node.ins[0].name])
        ins, outs = ([exact], outs) if family == "requant" else (ins, [exact])
    if isinstance(node.op, Lut):
        ins = [ins[0] - node.op.start(node.ins[0].type)]
    if family == "multiply" and _bits(ins[1]) > int(unit.parameters["b"]):  # the wide operand takes the wide port
        ins = ins[::-1]
    if isinstance(node.op, Select):
        ins = ins[1:]
    if family == "requant":
        ins, outs = ins[:1], outs[:1]
    wide_in, wide_out = _widths(unit)
    shape = np.broadcast_shapes(*(x.shape for x in (*ins, outs[0])))
    return {
        "x": sum(_lane_rate(x, shape, w) for x, w in zip(ins, wide_in * len(ins), strict=False)),
        "y": sum(_lane_rate(y, shape if y.shape == outs[0].shape else y.shape, wide_out) for y in outs),
    }


def _widths(unit: VectorUnit) -> tuple[list[int], int]:
    """Bits of the input ports and of the result."""
    p = {k: int(v) for k, v in unit.parameters.items()}
    match unit.family:
        case "multiply":
            return [p["a"], p["b"]], p["a"] + p["b"]
        case "add":
            return [p["bits"]], p["bits"] + 1
        case "pwl":
            return [p["bits"]], 2 * p["bits"]
        case "normalize":
            return [p["bits"]], p["bits"]
    return [p["bits"]], p["out"]


def _bits(x: Codes) -> int:
    """Two's-complement width of all of them."""
    return Interval(int(x.min()), int(x.max())).bits


def _lane_rate(x: Codes, shape: tuple[int, ...], bits: int) -> float:
    """Of a value, or a constant that is broadcast."""
    return toggles(_rows(np.broadcast_to(x, shape)), bits, axis=0)


def _rows(x: Any) -> Any:
    """(rows, places of the last axis); a single place is all elements in order."""
    last = x.shape[-1] if x.ndim > 1 and x.shape[-1] > 1 else 1
    return x.reshape(-1, last)[: max(2, MOST // last)]


def _terms(node: Node, x: Any) -> Any:
    """(sums, terms) of a reduction, a pool, or the blocks of a quantization."""
    op = node.op
    if isinstance(op, Reduce):
        moved = np.moveaxis(x, op.axes, range(x.ndim - len(op.axes), x.ndim))
        sums = moved.reshape(-1, op.count(node.ins[0].type))
    elif isinstance(op, Pool):
        view = op.window.patches(op.window.padded(x, 0))
        sums = np.moveaxis(view, -1, 3).reshape(-1, op.count)
    else:
        assert isinstance(op, BlockQuantize)
        rows = np.abs(x).reshape(-1, x.shape[-1])
        whole = rows.shape[1] // op.block * op.block or rows.shape[1]
        sums = rows[:, :whole].reshape(-1, min(op.block, whole))
    return sums[: max(1, MOST // sums.shape[1])]


def _sum_rates(unit: VectorUnit, node: Node, x: Codes) -> dict[str, float]:
    terms, kind = _terms(node, x), getattr(node.op, "kind", "max")
    if kind == "sum_square":
        terms = terms**2
    running = {"max": np.maximum.accumulate, "min": np.minimum.accumulate}.get(kind, np.cumsum)(terms, axis=1)
    bits, acc = (int(unit.parameters[k]) for k in ("bits", "acc"))
    return {"x": toggles(terms, bits, axis=1), "y": toggles(running, acc, axis=1)}


def _float_rates(unit: VectorUnit, node: Node, env: Mapping[str, Codes]) -> dict[str, float]:
    fmt = str(unit.parameters["format"])

    def real(v: Value) -> Any:
        return reals(v.type, env[v.name])

    def rate(x: Any, axis: int = 0) -> float:
        return float_toggles(x, fmt, axis)

    if isinstance(node.op, Reduce | Pool):
        terms = _terms(node, real(node.ins[0]))
        square = getattr(node.op, "kind", "") == "sum_square"
        sums = np.cumsum(terms * (terms if square else 1.0), axis=1)
        return {"a": rate(terms, 1), "b": rate(terms, 1) if square else 0.0, "y": rate(sums, 1)}
    shape = env[node.outs[0].name].shape
    ins = [rate(_rows(np.broadcast_to(real(v), shape))) for v in node.ins]
    y = rate(_rows(real(node.outs[0])))
    if unit.family == "float_pwl":
        return {"x": ins[0], "y": y}
    return {"a": ins[0], "b": ins[1], "y": y}
