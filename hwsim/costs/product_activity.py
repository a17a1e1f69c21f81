"""Toggle rates of an array's elements: sums drawn from a simulated model, operands as an element sees them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..formats import E8M0, Codes, FloatFormat
from ..graph import Node, Value
from ..ops import BlockMatMul, Conv2d
from ..qtensor import QType
from .activity import mac_activity, toggles
from .hardware import MatrixUnit

SUMS = 64  # drawn of each node

Numbers = NDArray[np.float64] | Codes
Drawn = tuple[Numbers, Numbers, tuple[Codes, ...]]


def product_activity(unit: MatrixUnit, node: Node, env: Mapping[str, Codes], seed: int = 0) -> dict[str, float]:
    """Toggle rates by the names of the array's family.

    Args:
        unit: the array that runs the node.
        node: a product or convolution.
        env: codes of all values and constants.
        seed: of which sums are drawn.
    """
    rng = np.random.default_rng(seed)
    if unit.floating:
        return _float_activity(unit.floating, *drawn_sums(node, *_reals(node, env), 0.0, rng)[:2])
    (a, ta), (b, tb) = ((env[v.name], v.type) for v in node.ins[:2])
    zero = ta.zero_point if isinstance(ta.zero_point, int) else 0
    weights = b if isinstance(tb.fmt, FloatFormat) else b.astype(np.int64) - tb.along_axis(tb.zero_point)
    rows, columns, where = drawn_sums(node, a, weights, zero, rng)
    if isinstance(node.op, BlockMatMul):
        return _block_activity(unit, node, env, rows, columns, where)
    a3, b3 = (_in_lanes(x, unit.lanes) for x in (rows, columns))
    if a3.shape[1] > 1:
        return mac_activity(a3, b3, unit.formats, unit.accumulator)
    rates = mac_activity(a3.swapaxes(0, 1), b3.swapaxes(0, 1), unit.formats, unit.accumulator)
    products = np.asarray(unit.formats[0].to_int(a3) * unit.formats[1].to_int(b3)).sum(-1)
    return rates | {"acc": toggles(products, unit.accumulator, axis=0)}  # sums of one step follow each other


def _in_lanes(x: Numbers, lanes: int) -> Codes:
    """(sums, cycles, lanes), filled up with zeros."""
    return np.pad(x, ((0, 0), (0, -x.shape[1] % lanes))).reshape(len(x), -1, lanes)


def drawn_sums(node: Node, a: Numbers, b: Numbers, pad: float, rng: np.random.Generator) -> Drawn:
    """`SUMS` pairs of operands, shape (sums, k), and which rows of `a` and columns of `b` they are."""
    if isinstance(node.op, Conv2d):
        return (*_patches(node, a, b, pad, rng), ())
    k, n = b.shape[-2:]
    if b.ndim == 2:
        rows = a.reshape(-1, k)
        at, column = rng.integers(0, len(rows), SUMS), rng.integers(0, n, SUMS)
        return rows[at], b[:, column].T, (at, column)
    m = a.shape[-2]
    left, right = np.broadcast_to(a, (*b.shape[: a.ndim - 2], m, k)).reshape(-1, m, k), b.reshape(-1, k, n)
    group, at, column = (rng.integers(0, size, SUMS) for size in (len(right), m, n))
    return left[group, at], right[group, :, column], ()


def _patches(node: Node, a: Numbers, b: Numbers, pad: float, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    assert isinstance(node.op, Conv2d)
    window, groups, out = node.op.window, node.op.groups, len(b)
    padded = np.pad(a, ((0, 0), *node.op.padding, (0, 0)), constant_values=pad)
    view = window.patches(padded)
    n, y, x = (rng.integers(0, size, SUMS) for size in view.shape[:3])
    channel = rng.integers(0, out, SUMS)
    depth = a.shape[3] // groups
    first = channel // (out // groups) * depth
    taps = first[:, None] + np.arange(depth)
    rows = view[n[:, None], y[:, None], x[:, None], :, :, taps]  # (sums, depth, kh, kw)
    return np.moveaxis(rows, 1, -1).reshape(SUMS, -1), b[channel].reshape(SUMS, -1)


def _block_activity(
    unit: MatrixUnit, node: Node, env: Mapping[str, Codes], rows: Codes, columns: Codes, where: tuple[Codes, ...]
) -> dict[str, float]:
    """Lanes of both operands, and the accumulator, which changes once a block; what it rounds off is cut off."""
    op = node.op
    assert isinstance(op, BlockMatMul)
    fa, fb = unit.formats
    size = -rows.shape[1] % op.block
    a, b = (np.pad(x, ((0, 0), (0, size))) for x in (rows, columns))
    steps, at, column = op.block // unit.lanes, *where
    rates = {
        name: toggles(_in_lanes(x, unit.lanes), fmt.bits, axis=1) * unit.lanes
        for name, x, fmt in (("a", a, fa), ("b", b, fb))
    }
    dots = (fa.to_int(a) * fb.to_int(b)).reshape(SUMS, -1, op.block).sum(-1).astype(np.float64)
    factor = _scale(node.ins[2], env)[:, column].T
    if op.at_left is not None:
        factor = factor * _scale(node.ins[op.at_left], env).reshape(-1, factor.shape[1])[at]
    sums = np.floor(np.cumsum(dots * factor, axis=1) * 2.0**-op.lsb_exp).astype(np.int64)
    per_block = toggles(sums, unit.accumulator, axis=1)
    blocks = sums.shape[1]
    return rates | {"y": per_block * (blocks - 1) / max(1, blocks * steps - 1)}


def _scale(v: Value, env: Mapping[str, Codes]) -> NDArray[np.float64]:
    """Factors that scales name, in units of their type's step."""
    ints = (v.type.fmt.to_int(env[v.name]) - v.type.along_axis(v.type.zero_point)).astype(np.float64)
    return np.exp2(ints) if v.type.fmt == E8M0 else ints


def reals(t: QType, codes: Codes) -> NDArray[np.float64]:
    """What codes name, float64."""
    return np.asarray((t.fmt.to_int(codes) - t.along_axis(t.zero_point)) * t.along_axis(t.lsb), np.float64)


def _reals(node: Node, env: Mapping[str, Codes]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both operands; of blocks with their scales."""
    a, b = (reals(v.type, env[v.name]) for v in node.ins[:2])
    op = node.op
    if isinstance(op, BlockMatMul):
        k = b.shape[0]
        b = b * np.repeat(_scale(node.ins[2], env), op.block, axis=0)[:k]
        if op.at_left is not None:
            a = a * np.repeat(_scale(node.ins[op.at_left], env), op.block, axis=-1)[..., :k]
    return a, b


def _float_activity(fmt: str, a: Numbers, b: Numbers) -> dict[str, float]:
    sums = np.cumsum(a.astype(np.float32) * b.astype(np.float32), axis=1, dtype=np.float32)
    return {
        "a": float_toggles(a, fmt, axis=1), "b": float_toggles(b, fmt, axis=1), "y": float_toggles(sums, "fp32", axis=1)
    }  # fmt: skip


def float_toggles(x: Numbers, fmt: str, axis: int) -> float:
    """Mean changed bits of reals as FP32, FP16 or BF16 (cut)."""
    if fmt == "fp16":
        return toggles(x.astype(np.float16).view(np.int16), 16, axis)
    words = np.ascontiguousarray(x, np.float32).view(np.int32)
    return toggles(words, 32, axis) if fmt == "fp32" else toggles(words >> 16, 16, axis)
