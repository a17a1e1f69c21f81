"""Random ops that sum products: plain, in blocks, under a window, into accumulators of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.blockformats import RULES
from hwsim.formats import (
    BINARY,
    E8M0,
    FP4_E2M1,
    FP6_E2M3,
    FP8_E4M3,
    INT4,
    INT8,
    INT16,
    INT32,
    INT48,
    INT64,
    TERNARY,
    UINT4,
    UINT8,
    Format,
    IntFormat,
)
from hwsim.graph import Value
from hwsim.ops import BlockMatMul, BlockQuantize, Conv2d, Datapath, Float32Sum, MatMul, Transpose
from hwsim.qtensor import QTensor, QType
from hwsim.rounding import ROUNDINGS
from tests.random_builder import Builder, random_codes

WEIGHTS: tuple[Format, ...] = (INT8, INT8, INT4, UINT8, UINT4, TERNARY, BINARY, INT16, FP4_E2M1, FP8_E4M3)


def accumulator(b: Builder, options: tuple[IntFormat, ...]) -> dict[str, Any]:
    """Format and datapath: mostly plain, else any width that a bias fits and any choice."""
    if b.rng.random() < 0.6:
        return {"acc": b.pick(options), "datapath": Datapath()}
    bits, overflow = int(b.rng.integers(14, 33)), b.pick(("refuse", "saturate", "saturate", "wrap"))
    signs = b.pick(("twos", "twos", "magnitude") if overflow != "wrap" else ("twos",))
    path = Datapath(overflow=overflow, drop=b.pick((0, 0, 1, 4)), tree=b.pick((1, 1, 2, 4)), signs=signs)
    return {"acc": b.pick(options) if overflow == "refuse" else IntFormat(f"int{bits}", bits), "datapath": path}


def matmul(b: Builder) -> None:
    """With constant weights: per tensor or per channel, with or without bias and zero points."""
    x, fmt = b.any(lambda v: v.type.fmt.bits <= 16 and len(v.type.sample_shape) >= 1), b.pick(WEIGHTS)
    k, n = int(x.type.shape[-1]), int(b.rng.integers(1, 6))
    zero = int(b.rng.integers(1, 4)) if isinstance(fmt, IntFormat) and not fmt.signed else 0
    scale = tuple(b.rng.uniform(0.1, 0.2, n).tolist()) if b.rng.random() < 0.5 else 0.25
    w, adder = b.constant(fmt, (k, n), scale, zero), accumulator(b, (INT32, INT32, INT48, INT64))
    ins = [x, w]
    if x.type.zero_point or b.rng.random() < 0.5:
        exponent = x.type.fmt.lsb_exp + fmt.lsb_exp + adder["datapath"].drop
        lsb = np.ldexp(x.type.scale * np.asarray(scale), exponent)
        t = QType((n,), INT32, tuple(lsb.tolist()) if lsb.ndim else float(lsb), axis=0 if lsb.ndim else None)
        bias = QTensor(t, b.rng.integers(-5000, 5000, n).astype(np.int32))
        ins.append(b.graph.constant(f"c{len(b.graph.constants)}", bias))
    b.add(MatMul(**adder), *ins)


def block_scales(b: Builder, shape: tuple[int, int]) -> Value:
    """Exponents or factors of the blocks of a weight."""
    if b.rng.random() < 0.5:
        return b.constant(b.pick((UINT8, FP8_E4M3)), shape)
    codes = b.rng.integers(123, 132, shape).astype(np.uint8)
    return b.graph.constant(f"c{len(b.graph.constants)}", QTensor(QType(shape, E8M0, 1.0, 127), codes))


def block_matmul(b: Builder) -> None:
    """Weights in blocks of odd sizes, with and without zero points, into any accumulator."""
    x, fmt = b.any(lambda v: v.type.fmt.bits <= 16 and len(v.type.sample_shape) >= 1), b.pick(WEIGHTS)
    k, n, block = int(x.type.shape[-1]), int(b.rng.integers(1, 6)), int(b.rng.integers(1, 5))
    groups, zeros = -(-k // block), bool(isinstance(fmt, IntFormat) and b.rng.random() < 0.3)
    ins = [x, b.constant(fmt, (k, n)), block_scales(b, (groups, n))]
    ins += [b.constant(b.pick((UINT4, INT8)), (groups, n), 1.0)] if zeros else []
    fields = {"lsb_exp": int(b.rng.integers(-3, 12)), "max_exp": 5 if ins[2].type.fmt == E8M0 else 0}
    fields |= {"rounding": b.pick(ROUNDINGS), **accumulator(b, (INT32, INT64))}
    if b.rng.random() < 0.2:
        fields |= {"rounding": "half_even", "acc": b.pick((INT8, INT16, INT32)), "datapath": Float32Sum()}
    b.add(BlockMatMul(block=block, zeros=zeros, **fields), *ins)


def block_quantize(b: Builder) -> None:
    """Any value to a block format, then a product with weights of the same blocks."""
    x = b.any(lambda v: v.type.fmt.bits <= 16 and len(v.type.sample_shape) >= 1)
    fmt, block = b.pick((FP4_E2M1, FP6_E2M3, FP8_E4M3, INT8, INT4)), int(b.rng.integers(1, 5))
    rule, rounding = b.pick(RULES), b.pick(("half_even", "half_away", "toward_zero"))
    op = BlockQuantize(fmt=fmt, block=block, rule=rule, hi=int(b.rng.integers(0, 9)), rounding=rounding)
    codes, scales = b.graph.add_all(op, x)
    k, n = int(x.type.shape[-1]), int(b.rng.integers(1, 4))
    right = block_scales(b, (-(-k // block), n))
    lsb_exp, adder = int(b.rng.integers(-2, 9)), accumulator(b, (INT64,))
    product = BlockMatMul(block=block, lsb_exp=lsb_exp, max_exp=12, left=True, **adder)
    b.add(product, codes, b.constant(FP4_E2M1, (k, n)), right, scales)


def matmul_values(b: Builder) -> None:
    """Two computed operands: x times its own transpose."""
    x = b.any(lambda v: len(v.type.sample_shape) >= 2 and v.type.zero_point == 0 and v.type.fmt.bits <= 16)
    rank = len(x.type.shape)
    turned = b.graph.add(Transpose(perm=(*range(rank - 2), rank - 1, rank - 2)), x)
    b.add(MatMul(**accumulator(b, (INT32, INT64))), x, turned)


def window(b: Builder) -> dict[str, Any]:
    """Kernel, stride and padding of a sliding window, padding less than the kernel."""
    kernel, stride = (tuple(b.rng.integers(1, 4, 2).tolist()) for _ in range(2))
    padding = tuple(tuple(b.rng.integers(0, k, 2).tolist()) for k in kernel)
    return {"kernel": kernel, "stride": stride, "padding": padding}


def conv2d(b: Builder) -> None:
    """Groups, dilation, uneven padding, per-channel scales and weight zero points."""
    x, fmt = b.any(lambda v: v.type.fmt.bits <= 16 and len(v.type.sample_shape) == 3), b.pick(WEIGHTS)
    channels, groups = int(x.type.shape[3]), b.pick([g for g in (1, 2, 3, 4, 5) if x.type.shape[3] % g == 0])
    n, settings = groups * int(b.rng.integers(1, 4)), window(b)
    zero = int(b.rng.integers(1, 4)) if isinstance(fmt, IntFormat) and not fmt.signed else 0
    scale = tuple(b.rng.uniform(0.1, 0.2, n).tolist()) if b.rng.random() < 0.5 else 0.25
    t = QType((n, *settings["kernel"], channels // groups), fmt, scale, zero, 0 if isinstance(scale, tuple) else None)
    w = b.graph.constant(f"c{len(b.graph.constants)}", QTensor(t, random_codes(b.rng, fmt, t.sample_shape)))
    adder = accumulator(b, (INT32, INT32, INT64))
    lsb = np.ldexp(x.type.scale * np.asarray(scale), x.type.fmt.lsb_exp + fmt.lsb_exp + adder["datapath"].drop)
    bt = QType((n,), INT32, tuple(lsb.tolist()) if lsb.ndim else float(lsb), axis=0 if lsb.ndim else None)
    bias = QTensor(bt, b.rng.integers(-5000, 5000, n).astype(np.int32))
    op = Conv2d(**settings, dilation=tuple(b.rng.integers(1, 3, 2).tolist()), groups=groups, **adder)
    b.add(op, x, w, b.graph.constant(f"c{len(b.graph.constants)}", bias))
