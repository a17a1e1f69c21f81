"""Seeded random graphs over the whole vocabulary: every op, odd shapes, mixed formats, all contracts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hwsim.blockformats import RULES
from hwsim.contracts import CONTRACTS, Pow2
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
    UINT1,
    UINT4,
    UINT8,
    UINT16,
    Codes,
    Format,
    IntFormat,
)
from hwsim.graph import Graph, Value
from hwsim.ops import (
    Add,
    BlockMatMul,
    BlockQuantize,
    Concat,
    Conv2d,
    Datapath,
    Expand,
    Gather,
    Lut,
    MatMul,
    Mul,
    Normalize,
    Pad,
    Pool,
    Pwl,
    Reduce,
    Requant,
    Reshape,
    Select,
    Shift,
    ShiftBy,
    Slice,
    Split,
    Transpose,
)
from hwsim.ops.lut import table_size
from hwsim.qtensor import BATCH, QTensor, QType
from hwsim.ranges import zero_points
from hwsim.rounding import ROUNDINGS

INPUTS: tuple[Format, ...] = (INT8, INT8, UINT8, INT4, INT16, FP4_E2M1, FP6_E2M3, FP8_E4M3, BINARY)
WEIGHTS: tuple[Format, ...] = (INT8, INT8, INT4, UINT8, UINT4, TERNARY, BINARY, INT16, FP4_E2M1, FP8_E4M3)
NARROW: tuple[IntFormat, ...] = (INT8, INT8, UINT8, INT4, UINT4, INT16, UINT16, INT32)


def random_codes(rng: np.random.Generator, fmt: Format, shape: tuple[int, ...]) -> Codes:
    """Codes that name numbers, with the ends over-represented."""
    if isinstance(fmt, IntFormat):
        x = rng.integers(fmt.min_int, fmt.max_int, shape, endpoint=True)
        ends = rng.choice([fmt.min_int, fmt.max_int], shape)
        return np.where(rng.random(shape) < 0.1, ends, x).astype(fmt.dtype)
    legal = np.array([c for c in range(1 << fmt.bits) if not fmt.is_reserved(np.array(c))], np.uint8)
    return rng.choice(legal, shape)


class Builder:
    """A graph in the making, and the values that may be read next."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph(f"random {seed}")
        rank = int(self.rng.integers(1, 4))
        self.values = []
        for i in range(int(self.rng.integers(1, 3))):
            shape = (BATCH, *(int(d) for d in self.rng.integers(1, 6, rank)))
            fmt = self.pick(INPUTS)
            zero = int(self.rng.integers(-3, 4)) if isinstance(fmt, IntFormat) and fmt.signed else 0
            self.values.append(self.graph.input(f"in{i}", QType(shape, fmt, float(self.rng.uniform(0.01, 1)), zero)))

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def any(self, keep: Callable[[Value], bool] = lambda v: True) -> Value:
        """A recent value that fits; ValueError, which skips the step, where there is none."""
        fits = [v for v in self.values if keep(v) and v.type.axis is None]
        if not fits:
            raise ValueError("nothing fits")
        return fits[-1 - int(self.rng.integers(min(4, len(fits))))]

    def constant(
        self, fmt: Format, shape: tuple[int, ...], scale: float | tuple[float, ...] = 0.5, zero: int = 0
    ) -> Value:
        axis = len(shape) - 1 if isinstance(scale, tuple) else None
        codes = random_codes(self.rng, fmt, shape)
        return self.graph.constant(
            f"c{len(self.graph.constants)}", QTensor(QType(shape, fmt, scale, zero, axis), codes)
        )

    def add(self, op: object, *ins: Value) -> None:
        self.values.extend(self.graph.add_all(op, *ins))


def requant(b: Builder) -> None:
    """Any value to a narrow format, under any contract; per channel after a per-channel matmul."""
    x = b.pick(b.values[-3:])
    fmt, contract = b.pick(NARROW), b.pick(CONTRACTS)
    zero = int(b.rng.integers(0, 5)) if b.rng.random() < 0.5 else 0
    size = b.graph.reach[x.name].shifted(-zero_points(x.type).lo).magnitude or 1
    scale = float(np.max(x.type.lsb)) * size / fmt.max_int * float(b.rng.uniform(0.3, 1.5))
    if contract is Pow2:
        if x.type.axis is not None:
            raise ValueError("per-channel scales are no powers of two")
        scale = float(x.type.lsb) * 2.0 ** int(np.round(np.log2(scale / float(x.type.lsb))))
    out = QType((), fmt, scale, zero)
    lo = zero if b.rng.random() < 0.3 else None
    b.add(Requant.to(out, x.type, contract, b.pick(ROUNDINGS), lo), x)


def lut(b: Builder) -> None:
    x = b.any(lambda v: v.type.fmt.bits <= 8)
    fmt = b.pick((INT8, UINT8, INT16))
    table = random_codes(b.rng, fmt, (table_size(x.type.fmt),)).tolist()
    b.add(Lut(table=tuple(table), fmt=fmt, scale=0.1), x)


def pwl(b: Builder) -> None:
    x, n = b.any(lambda v: v.type.fmt.bits <= 16), int(b.rng.integers(1, 9))
    reach = b.graph.reach[x.name]
    points = np.sort(b.rng.integers(reach.lo, reach.hi + 1, n - 1))
    slopes, shift = b.rng.integers(-128, 128, n), int(b.rng.integers(0, 16))
    intercepts = b.rng.integers(-(1 << 12), 1 << 12, n)
    tables = {"breakpoints": points, "slopes": slopes, "intercepts": intercepts}
    fields = {k: tuple(t.tolist()) for k, t in tables.items()}
    b.add(Pwl(**fields, shift=shift, rounding=b.pick(ROUNDINGS), fmt=b.pick(NARROW[:6]), zero_point=1), x)


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
    """Weights in blocks of odd sizes, with and without zero points."""
    x, fmt = b.any(lambda v: v.type.fmt.bits <= 16 and len(v.type.sample_shape) >= 1), b.pick(WEIGHTS)
    k, n, block = int(x.type.shape[-1]), int(b.rng.integers(1, 6)), int(b.rng.integers(1, 5))
    groups, zeros = -(-k // block), bool(isinstance(fmt, IntFormat) and b.rng.random() < 0.3)
    ins = [x, b.constant(fmt, (k, n)), block_scales(b, (groups, n))]
    ins += [b.constant(b.pick((UINT4, INT8)), (groups, n), 1.0)] if zeros else []
    shifts = {"lsb_exp": int(b.rng.integers(-3, 12)), "max_exp": 5 if ins[2].type.fmt == E8M0 else 0}
    b.add(BlockMatMul(block=block, acc=b.pick((INT32, INT64)), rounding=b.pick(ROUNDINGS), zeros=zeros, **shifts), *ins)


def block_quantize(b: Builder) -> None:
    """Any value to a block format, then a product with weights of the same blocks."""
    x = b.any(lambda v: v.type.fmt.bits <= 16 and len(v.type.sample_shape) >= 1)
    fmt, block = b.pick((FP4_E2M1, FP6_E2M3, FP8_E4M3, INT8, INT4)), int(b.rng.integers(1, 5))
    rule, rounding = b.pick(RULES), b.pick(("half_even", "half_away", "toward_zero"))
    op = BlockQuantize(fmt=fmt, block=block, rule=rule, hi=int(b.rng.integers(0, 9)), rounding=rounding)
    codes, scales = b.graph.add_all(op, x)
    k, n = int(x.type.shape[-1]), int(b.rng.integers(1, 4))
    right = block_scales(b, (-(-k // block), n))
    product = BlockMatMul(block=block, acc=INT64, lsb_exp=int(b.rng.integers(-2, 9)), max_exp=12, left=True)
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


def pool(b: Builder) -> None:
    x = b.any(lambda v: len(v.type.sample_shape) == 3)
    b.add(Pool(kind=b.pick(("max", "mean")), **window(b), fmt=b.pick((INT32, INT64))), x)


def add(b: Builder) -> None:
    x = b.any(lambda v: v.type.fmt.bits <= 32)
    shape = b.pick([x.type.sample_shape, x.type.sample_shape[-1:], (1,) * len(x.type.sample_shape)])
    other = b.constant(INT16, tuple(shape), float(x.type.lsb))
    y = b.pick([x, other])
    b.add(Add(fmt=b.pick((INT32, INT64))), *((x, y) if b.rng.random() < 0.5 else (y, x)))


def mul(b: Builder) -> None:
    x = b.any(lambda v: v.type.fmt.bits <= 32)
    shape = b.pick([x.type.sample_shape, x.type.sample_shape[-1:]])
    y = b.pick([x, b.constant(b.pick((INT8, UINT8, FP4_E2M1)), tuple(shape))])
    b.add(Mul(fmt=b.pick((INT32, INT64))), *((x, y) if b.rng.random() < 0.5 else (y, x)))


def reduce(b: Builder) -> None:
    x = b.any(lambda v: len(v.type.sample_shape) >= 1)
    axes = [i for i in range(1, len(x.type.shape)) if b.rng.random() < 0.6] or [len(x.type.shape) - 1]
    kind, fmt = b.pick(("sum", "mean", "sum_square", "max", "min")), b.pick((INT32, INT64))
    b.add(Reduce(kind=kind, axes=tuple(axes), fmt=fmt), x)


def shift(b: Builder) -> None:
    x = b.any(lambda v: v.type.zero_point == 0)
    bits = int(b.rng.integers(-4, 12))
    b.add(Shift(bits=bits, rounding=b.pick(ROUNDINGS), fmt=b.pick((INT32, INT64))), x)


def normalize(b: Builder) -> None:
    x = b.any(lambda v: v.type.zero_point == 0 and v.type.fmt.bits <= 48)
    b.add(Normalize(bits=int(b.rng.integers(2, 17))), x)


def shift_by(b: Builder) -> None:
    """By the value itself where it counts, else by constants."""
    x = b.any(lambda v: v.type.zero_point == 0)
    s = b.constant(UINT4, tuple(b.pick([x.type.sample_shape, x.type.sample_shape[-1:]])), 1.0)
    rounding, fmt = b.pick(ROUNDINGS), b.pick(NARROW)
    b.add(ShiftBy(bits=int(b.rng.integers(0, 20)), rounding=rounding, fmt=fmt), x, s)


def select(b: Builder) -> None:
    x = b.any()
    shape = b.pick([x.type.sample_shape, x.type.sample_shape[-1:]])
    other = b.constant(x.type.fmt, tuple(shape), float(x.type.scale), int(x.type.zero_point))
    mask = b.constant(b.pick((UINT1, UINT8)), tuple(x.type.sample_shape))
    b.add(Select(), mask, *((x, other) if b.rng.random() < 0.5 else (other, x)))


def reshape(b: Builder) -> None:
    x = b.any()
    n = x.type.elements
    divisors = [d for d in range(1, n + 1) if n % d == 0]
    d = b.pick(divisors)
    b.add(Reshape(shape=b.pick([(n,), (d, n // d), (n // d, 1, d)])), x)


def transpose(b: Builder) -> None:
    x = b.any()
    b.add(Transpose(perm=(0, *(1 + b.rng.permutation(len(x.type.sample_shape))).tolist())), x)


def concat(b: Builder) -> None:
    x = b.any(lambda v: len(v.type.sample_shape) >= 1)
    b.add(Concat(axis=int(b.rng.integers(1, len(x.type.shape)))), *[x] * int(b.rng.integers(1, 4)))


def split(b: Builder) -> None:
    x = b.any(lambda v: max(v.type.sample_shape, default=0) >= 2)
    axis = next(i for i, d in enumerate(x.type.shape) if i and int(d) >= 2)
    first = int(b.rng.integers(1, x.type.shape[axis]))
    b.add(Split(axis=axis, sizes=(first, int(x.type.shape[axis]) - first)), x)


def cut(b: Builder) -> None:
    x = b.any(lambda v: len(v.type.sample_shape) >= 1)
    axis = int(b.rng.integers(1, len(x.type.shape)))
    size = int(x.type.shape[axis])
    start = int(b.rng.integers(0, size))
    b.add(Slice(axis=axis, start=start, stop=int(b.rng.integers(start, size)) + 1, step=int(b.rng.integers(1, 3))), x)


def pad(b: Builder) -> None:
    x = b.any()
    before, after = (tuple(b.rng.integers(0, 3, len(x.type.sample_shape)).tolist()) for _ in range(2))
    b.add(Pad(before=before, after=after, value=int(random_codes(b.rng, x.type.fmt, ())[()])), x)


def gather(b: Builder) -> None:
    """Along an axis by a constant index, or an embedding table by a computed one."""
    if b.rng.random() < 0.5:
        x = b.any(lambda v: len(v.type.sample_shape) >= 1)
        index = b.constant(UINT8, b.pick([(3,), (2, 2), ()]), 1.0)
        b.add(Gather(axis=int(b.rng.integers(1, len(x.type.shape)))), x, index)
    else:
        index = b.any(lambda v: v.type.fmt in (UINT8, UINT16, UINT4) and v.type.zero_point == 0)
        table = b.constant(b.pick((INT8, INT4, INT16)), (int(b.rng.integers(2, 9)), 3))
        b.add(Gather(axis=0), table, index)


def expand(b: Builder) -> None:
    x = b.any(lambda v: 1 in v.type.sample_shape)
    b.add(Expand(shape=tuple(d if d > 1 else int(b.rng.integers(1, 4)) for d in x.type.sample_shape)), x)


STEPS: tuple[Callable[[Builder], None], ...] = (
    *(
        requant,
        requant,
        requant,
        matmul,
        matmul,
        matmul_values,
        block_matmul,
        block_matmul,
        block_quantize,
        conv2d,
        conv2d,
        pool,
        lut,
        pwl,
        add,
        mul,
        reduce,
        shift,
        shift_by,
        normalize,
        select,
    ),
    *(reshape, transpose, concat, split, cut, pad, gather, expand),
)


def random_graph(seed: int, nodes: int = 10) -> tuple[Graph, dict[str, Codes]]:
    """A graph of about `nodes` nodes and inputs for it; steps that a type rule refuses are skipped."""
    b = Builder(seed)
    for _ in range(nodes * 8):
        if len(b.graph.nodes) >= nodes:
            break
        try:
            b.pick(STEPS)(b)
        except ValueError:
            continue
        if b.values[-1].type.elements > 400:
            b.values.pop()
    used = {v.name for n in b.graph.nodes for v in n.ins}
    loose = [v for n in b.graph.nodes for v in n.outs if v.name not in used]
    b.graph.output(*loose, b.graph.nodes[0].outs[0])
    return b.graph, {v.name: random_codes(b.rng, v.type.fmt, (5, *v.type.sample_shape)) for v in b.graph.inputs}
