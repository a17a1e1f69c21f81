"""Seeded random graphs over the whole vocabulary: every op, odd shapes, mixed formats, all contracts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from codegen.float_nodes import check_floats
from codegen.targets import target_named
from codegen.unsupported import Unsupported
from hwsim.contracts import CONTRACTS, Pow2
from hwsim.formats import (
    FP4_E2M1,
    INT4,
    INT8,
    INT16,
    INT32,
    INT64,
    UINT1,
    UINT4,
    UINT8,
    UINT16,
    Codes,
    IntFormat,
)
from hwsim.graph import Graph
from hwsim.ops import (
    Add,
    Concat,
    Expand,
    FloatDivide,
    FloatPool,
    Gather,
    Lut,
    Mul,
    Normalize,
    Pad,
    Pool,
    Pwl,
    Reduce,
    Requant,
    Reshape,
    ScaledAdd,
    Select,
    Shift,
    ShiftBy,
    Slice,
    Split,
    Transpose,
)
from hwsim.ops.lut import table_size
from hwsim.qtensor import QTensor, QType
from hwsim.ranges import zero_points
from hwsim.rounding import ROUNDINGS
from tests.random_builder import Builder, random_codes
from tests.random_products import block_matmul, block_quantize, conv2d, matmul, matmul_values, window

NARROW: tuple[IntFormat, ...] = (INT8, INT8, UINT8, INT4, UINT4, INT16, UINT16, INT32)


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


def pool(b: Builder) -> None:
    x = b.any(lambda v: len(v.type.sample_shape) == 3)
    b.add(Pool(kind=b.pick(("max", "mean")), **window(b), fmt=b.pick((INT32, INT64))), x)


def float_pool(b: Builder) -> None:
    x = b.any(lambda v: len(v.type.sample_shape) == 3 and v.type.fmt.bits <= 16)
    step = float(x.type.scale) * b.pick((1.0, float(b.rng.uniform(0.2, 2))))
    fmt, zero = b.pick((INT8, UINT8, INT16)), int(b.rng.integers(0, 4))
    b.add(FloatPool(**window(b), include_pad=bool(b.rng.random() < 0.5), fmt=fmt, scale=step, zero_point=zero), x)


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


def scaled_add(b: Builder) -> None:
    """With itself or a constant, broadcast; into 8 or 16 bits."""
    x = b.any(lambda v: isinstance(v.type.fmt, IntFormat) and v.type.fmt.bits <= 16)
    shape, scale = b.pick([x.type.sample_shape, x.type.sample_shape[-1:]]), float(x.type.scale)
    zero = int(b.rng.integers(-3, 4))
    y = b.pick([x, b.constant(INT8, tuple(shape), scale * float(b.rng.uniform(0.3, 3)), zero)])
    fmt, step, (za, zb) = (
        b.pick((INT8, INT16)),
        scale * float(b.rng.uniform(0.5, 4)),
        (x.type.zero_point, y.type.zero_point),
    )
    ratios = [float(np.float32(v.type.scale / step)) for v in (x, y)]
    offset = float(np.float32(zero - za * ratios[0] - zb * ratios[1]))
    op = ScaledAdd(scale_a=ratios[0], scale_b=ratios[1], offset=offset, fmt=fmt, scale=step, zero_point=zero)
    b.add(op, x, y)


def float_divide(b: Builder) -> None:
    """By positive constants; wide dividends are rounded to float32."""
    x = b.any(lambda v: v.type.zero_point == 0 and isinstance(v.type.fmt, IntFormat) and v.type.fmt.bits <= 48)
    shape, gain = b.pick([x.type.sample_shape, x.type.sample_shape[-1:]]), int(b.rng.integers(1, 300))
    size = int(np.prod(shape, dtype=np.int64))
    codes = b.rng.integers(1, 1 << int(b.rng.integers(1, 31)), size).reshape(shape).astype(np.int32)
    divisor = b.graph.constant(f"c{len(b.graph.constants)}", QTensor(QType(tuple(shape), INT32, 0.5), codes))
    step = float(x.type.lsb) / 0.5 / gain
    b.add(FloatDivide(gain=gain, fmt=b.pick(NARROW), scale=step, zero_point=int(b.rng.integers(0, 4))), x, divisor)


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
        float_pool,
        lut,
        pwl,
        add,
        mul,
        scaled_add,
        float_divide,
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


def graphs_for(target: str, first: int, count: int) -> list[tuple[Graph, dict[str, Codes]]]:
    """The first graphs from seed `first` on that C of a target can compute: none with floats that it lacks."""
    found = []
    while len(found) < count:
        graph, inputs = random_graph(first)
        first += 1
        try:
            check_floats(graph, target_named(target))
        except Unsupported:
            continue
        found.append((graph, inputs))
    return found
