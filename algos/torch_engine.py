"""The integer graph computed by torch: a second reading of `hwsim.ops`, which shares no arithmetic with it.

Everything is int64; products go through float64 where every partial sum fits its mantissa. Source: the ops' docstrings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hwsim import ops
from hwsim.contracts import Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle
from hwsim.formats import IntFormat
from hwsim.graph import Graph
from hwsim.qtensor import QType

from .frameworks import torch
from .torch_float_sum import float32_sum
from .torch_ort_ops import float_divide, float_pool, scaled_add

Tensor = torch.Tensor
Types = tuple[QType, ...]
MANTISSA = 1 << 53


def run(graph: Graph, inputs: Mapping[str, Tensor], *, trace: bool = False) -> dict[str, Tensor]:
    """Codes of the outputs (every computed value with `trace`), int64, from codes of the inputs."""
    env = {name: codes.long() for name, codes in inputs.items()}
    env |= {name: torch.from_numpy(t.codes.astype(np.int64)) for name, t in graph.constants.items()}
    for node in graph.nodes:
        types = tuple(v.type for v in node.ins)
        result = RUN[type(node.op)](node.op, types, *(env[v.name] for v in node.ins))
        results = result if isinstance(result, tuple) else (result,)
        env |= {v.name: y for v, y in zip(node.outs, results, strict=True)}
    return {v.name: env[v.name] for v in graph.results(trace=trace)}


def encode(x: Tensor, t: QType) -> Tensor:
    """Codes of reals in an integer type of one scale: ``clamp(half_even(x / scale) + zero_point)``."""
    units = torch.round(x.double() / t.scale).clamp(-(2.0**62), 2.0**62).long()
    return (units + t.zero_point).clamp(t.fmt.min_int, t.fmt.max_int)


def decode(codes: Tensor, t: QType) -> Tensor:
    """Reals, float64."""
    return less_zero(t, codes).double() * numbers(t.lsb)


def numbers(x: Any) -> Tensor:
    """Python or numpy numbers as a tensor."""
    return torch.from_numpy(np.array(x))


def integers(t: QType, codes: Tensor) -> Tensor:
    """What codes name on their format's grid."""
    if isinstance(t.fmt, IntFormat):
        return codes
    return torch.tensor(t.fmt.grid.tolist())[codes]


def less_zero(t: QType, codes: Tensor) -> Tensor:
    """Integers less the zero point, one for all or one a channel."""
    zero = torch.tensor(t.zero_point)
    if zero.ndim:
        zero = zero.reshape([-1 if a == t.axis else 1 for a in range(codes.ndim)])
    return integers(t, codes) - zero


def divide(x: Tensor, bits: Tensor, rounding: str) -> Tensor:
    """``round(x / 2**bits)``: the floor, and one more where the remainder says so."""
    size = torch.ones_like(bits) << bits
    low = x >> bits
    twice = 2 * (x - (low << bits))  # against 2**bits; a tie is equality
    match rounding:
        case "floor":
            return low
        case "toward_zero":
            return low + ((x < 0) & (twice > 0))
        case "half_up":
            tie_up = torch.ones_like(x, dtype=torch.bool)
        case "half_even":
            tie_up = low % 2 == 1
        case "half_away":
            tie_up = x > 0
        case _:
            raise ValueError(f"rounding {rounding!r} is unknown")
    return low + ((twice > size) | ((twice == size) & tie_up))


def rescale(contract: Any, x: Tensor) -> Tensor:
    """A contract on integers whose last axis are the channels."""
    match contract:
        case Dyadic16():
            return divide(x * numbers(contract.multiplier), numbers(contract.shift), contract.rounding)
        case Pow2():
            shift = numbers(contract.shift)
            return divide(x << (-shift).clamp(min=0), shift.clamp(min=0), contract.rounding)
        case TflSingle():
            return divide(x * numbers(contract.multiplier), 31 - numbers(contract.shift), contract.rounding)
        case TflmDouble():
            shift = numbers(contract.shift)
            high = divide((x << shift.clamp(min=0)) * numbers(contract.multiplier), torch.tensor(31), "half_up")
            return divide(high, (-shift).clamp(min=0), "half_away")
        case OnnxFloat():
            scaled = x.to(torch.float32) * numbers(contract.scale).to(torch.float32)
            return torch.round((scaled + contract.origin).clamp(-(2.0**62), 2.0**62)).long() - contract.origin
    raise ValueError(f"contract {contract.name!r} is unknown to the torch engine")


def largest(x: Tensor) -> int:
    """Largest magnitude."""
    return int(x.abs().max()) if x.numel() else 0


def matmul(op: ops.MatMul, types: Types, a: Tensor, b: Tensor, *bias: Tensor) -> Tensor:
    """Matrix product; through float64 where ``k * max|a| * max|b|`` fits."""
    a, b = integers(types[0], a), less_zero(types[1], b)
    if isinstance(types[0].scale, tuple):
        steps = numbers(types[0].scale)
        a = a * (steps / steps.min()).round().long()
    if op.datapath != ops.Datapath():
        return stepped(op, a, b, *bias)
    exact = a.shape[-1] * largest(a) * largest(b) < MANTISSA
    y = (a.double() @ b.double()).long() if exact else (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)
    return y + bias[0] if bias else y


def block_matmul(op: ops.BlockMatMul, types: Types, a: Tensor, b: Tensor, *scales: Tensor) -> Tensor:
    """Each block's dot product scaled and rounded on its own, blocks as one more axis."""
    a, b = less_zero(types[0], a), integers(types[1], b)
    if op.zeros:
        b = b - scales[-1].repeat_interleave(op.block, 0)[: b.shape[0]]
    short = -b.shape[0] % op.block
    a = torch.nn.functional.pad(a, (0, short)).unflatten(-1, (-1, op.block))
    b = torch.nn.functional.pad(b, (0, 0, 0, short)).unflatten(0, (-1, op.block))
    path, exact = op.path, op.block * largest(a) * largest(b) < MANTISSA
    if path.drop or not exact:
        x = divide(a[..., None] * b, torch.tensor(path.drop), cutting(path)).sum(-2)
    else:
        x = torch.einsum("...gk,gkn->...gn", a.double(), b.double()).long()
    exponent = torch.zeros((), dtype=torch.int64)
    for t, side in zip(types[2:], (scales[0], *(s.unsqueeze(-1) for s in scales[1 : 1 + op.left])), strict=False):
        if t.fmt.name == "e8m0":
            exponent = exponent + side - 127
        else:
            x = x * integers(t, side)
    if path != op.datapath:
        return float32_sum(op, types, x, exponent)
    up = exponent.clamp(max=op.max_exp) - op.lsb_exp
    terms = divide(x << up.clamp(min=0), (-up).clamp(0, 62), op.rounding)
    y = torch.zeros_like(terms[..., 0, :])
    for first in range(0, terms.shape[-2], path.tree):
        y = limited(path, op.acc, y + terms[..., first : first + path.tree, :].sum(-2))
    return y


def cutting(path: ops.Datapath) -> str:
    """How a product loses its low bits."""
    return "floor" if path.signs == "twos" else "toward_zero"


def limited(path: ops.Datapath, acc: IntFormat, y: Tensor) -> Tensor:
    """What becomes of a sum in the accumulator."""
    top = acc.max_int
    bottom = -top if path.signs == "magnitude" else acc.min_int
    if path.overflow == "saturate":
        return torch.minimum(torch.maximum(y, torch.tensor(bottom)), torch.tensor(top))
    if path.overflow == "wrap":
        y = y & ((1 << acc.bits) - 1)
        return torch.where(y > top, y - (1 << acc.bits), y)
    return y


def stepped(op: ops.MatMul | ops.Conv2d, a: Tensor, b: Tensor, start: Tensor | int = 0) -> Tensor:
    """Products of `tree` neighbours at a time, cut, then into the accumulator; every choice takes this one road."""
    path = op.datapath
    y, drop = start + (a[..., :1] @ b[..., :1, :]) * 0, torch.tensor(path.drop)
    right = b if b.ndim == 2 else b.unsqueeze(-3)
    for k in range(0, a.shape[-1], path.tree):
        products = a[..., k : k + path.tree, None] * right[..., k : k + path.tree, :]
        y = limited(path, op.acc, y + divide(products, drop, cutting(path)).sum(-2))
    return y


def block_quantize(op: ops.BlockQuantize, types: Types, x: Tensor) -> tuple[Tensor, Tensor]:
    """Exponents by frexp, elements by search in the format's grid (magnitudes below 2**53)."""
    v, k = less_zero(types[0], x).double(), x.shape[-1]
    blocks = torch.nn.functional.pad(v, (0, -k % op.block)).unflatten(-1, (-1, op.block))
    most = blocks.abs().amax(-1)
    top = float(op.fmt.max_int) * 2.0**op.fmt.lsb_exp
    a, power = torch.frexp(most)
    m, top_power = math.frexp(top)
    half_step = 2.0 ** -(op.mantissa + 2)
    bump = {"floor": a >= 1, "rceil": a > m, "ceil": a > 0.5, "even": a >= 1 - half_step}[op.rule]
    e = torch.where(most > 0, (power - top_power + bump).clamp(op.lo, op.hi), op.lo).long()
    units = torch.ldexp(blocks, -e.unsqueeze(-1).double() - op.fmt.lsb_exp)
    if isinstance(op.fmt, IntFormat):
        codes = nearest(torch.arange(1 - op.fmt.min_int), units.abs(), op.rounding)
        codes = torch.where(units < 0, -codes, codes).clamp(op.fmt.min_int, op.fmt.max_int)
    else:
        codes = nearest(
            torch.tensor(op.fmt.grid[: (1 << (op.fmt.bits - 1)) - op.fmt.reserved]), units.abs(), op.rounding
        )
        codes = codes + (units < 0) * (1 << (op.fmt.bits - 1))
    return codes.flatten(-2)[..., :k], e + 127


def nearest(grid: Tensor, x: Tensor, rounding: str) -> Tensor:
    """Index of the entry of an ascending grid that `x` >= 0 rounds to; past its end the last."""
    grid = grid.double()
    low = (torch.searchsorted(grid, x.contiguous(), right=True) - 1).clamp(max=len(grid) - 2)
    middle = (grid[low] + grid[low + 1]) / 2
    match rounding:
        case "toward_zero":
            up = x >= grid[low + 1]
        case "half_away":
            up = x >= middle
        case _:
            up = (x > middle) | ((x == middle) & (low % 2 == 1))
    return low + up


def framed(x: Tensor, padding: Any, code: int) -> Tensor:
    """A border of `code`; `padding` is (before, after) for each axis after the first.

    Why not torch's pad: it takes the code through float64, which does not hold every int64.
    """
    inner, shape = [slice(None)], [x.shape[0]]
    for (before, after), size in zip(padding, x.shape[1:], strict=True):
        inner.append(slice(before, before + size))
        shape.append(before + size + after)
    y = torch.full(shape, code, dtype=torch.int64)
    y[tuple(inner)] = x
    return y


def conv2d(op: ops.Conv2d, types: Types, x: Tensor, w: Tensor, *bias: Tensor) -> Tensor:
    """Convolution of a framed image; tap by tap where float64 cannot hold it."""
    x = framed(integers(types[0], x), (*op.padding, (0, 0)), types[0].zero_point).permute(0, 3, 1, 2)
    w = less_zero(types[1], w).permute(0, 3, 1, 2)
    if op.datapath != ops.Datapath():
        return stepped_windows(op, x, w, *bias)
    if w[0].numel() * largest(x) * largest(w) < MANTISSA:
        convolve = torch.nn.functional.conv2d
        y = convolve(x.double(), w.double(), None, op.stride, 0, op.dilation, op.groups).long()
    else:
        y = taps(op, x, w)
    y = y.permute(0, 2, 3, 1)
    return y + bias[0] if bias else y


def taps(op: ops.Conv2d, x: Tensor, w: Tensor) -> Tensor:
    """Convolution as a sum over kernel positions, int64."""
    out, cin = w.shape[0] // op.groups, w.shape[1]
    y = 0
    for part, tap in zip(under_taps(op, x), w.flatten(2).permute(2, 0, 1), strict=True):
        n, _, oh, ow = part.shape
        parts = part.reshape(n, op.groups, 1, cin, oh, ow)
        y = y + (parts * tap.reshape(1, op.groups, out, cin, 1, 1)).sum(3)
    return y.reshape(n, -1, oh, ow)


def under_taps(op: ops.Conv2d, x: Tensor) -> list[Tensor]:
    """What every kernel position sees of (n, c, h, w), each (n, c, oh, ow), in order."""
    oh, ow = (
        (size - d * (k - 1) - 1) // s + 1
        for size, k, d, s in zip(x.shape[2:], op.kernel, op.dilation, op.stride, strict=True)
    )
    parts = []
    for i in range(op.kernel[0]):
        for j in range(op.kernel[1]):
            rows = slice(i * op.dilation[0], i * op.dilation[0] + (oh - 1) * op.stride[0] + 1, op.stride[0])
            cols = slice(j * op.dilation[1], j * op.dilation[1] + (ow - 1) * op.stride[1] + 1, op.stride[1])
            parts.append(x[:, :, rows, cols])
    return parts


def stepped_windows(op: ops.Conv2d, x: Tensor, w: Tensor, *bias: Tensor) -> Tensor:
    """Convolution as matrix products of each group, kernel positions outermost."""
    parts, (o, cin) = torch.stack(under_taps(op, x), 1), w.shape[:2]
    n, count, _, oh, ow = parts.shape
    rows = parts.reshape(n, count, op.groups, cin, -1).permute(0, 2, 4, 1, 3).flatten(3)
    columns = w.reshape(op.groups, o // op.groups, cin, count).permute(0, 3, 2, 1).flatten(1, 2)
    start = (bias[0].reshape(op.groups, 1, -1),) if bias else ()
    return stepped(op, rows, columns, *start).permute(0, 2, 1, 3).reshape(n, oh, ow, o)


def pool(op: ops.Pool, types: Types, x: Tensor) -> Tensor:
    """Maximum or sum under each window."""
    t = types[0]
    code = t.fmt.min_int if op.kind == "max" else t.zero_point
    windows = framed(integers(t, x), (*op.padding, (0, 0)), code).unfold(1, op.kernel[0], op.stride[0])
    windows = windows.unfold(2, op.kernel[1], op.stride[1])
    return windows.amax((-2, -1)) if op.kind == "max" else windows.sum((-2, -1))


def requant(op: ops.Requant, types: Types, x: Tensor) -> Tensor:
    """Contract, zero point, saturation."""
    limits = op.fmt.min_int if op.lo is None else op.lo, op.fmt.max_int if op.hi is None else op.hi
    return (rescale(op.contract, less_zero(types[0], x)) + op.zero_point).clamp(*limits)


def lut(op: ops.Lut, types: Types, x: Tensor) -> Tensor:
    """Table look-up."""
    return torch.tensor(op.table)[x - (types[0].fmt.min_code if op.first is None else op.first)]


def pwl(op: ops.Pwl, types: Types, x: Tensor) -> Tensor:
    """Segment by counting breakpoints that are not above."""
    x = integers(types[0], x)
    segment = (x.unsqueeze(-1) >= torch.tensor(op.breakpoints, dtype=torch.int64)).sum(-1)
    y = torch.tensor(op.slopes)[segment] * x + torch.tensor(op.intercepts)[segment]
    y = divide(y, torch.tensor(op.shift), op.rounding) + op.zero_point
    return y.clamp(op.fmt.min_int, op.fmt.max_int)


def add(op: ops.Add, types: Types, a: Tensor, b: Tensor) -> Tensor:
    """Sum of integers, zero points included."""
    return integers(types[0], a) + integers(types[1], b)


def mul(op: ops.Mul, types: Types, a: Tensor, b: Tensor) -> Tensor:
    """Product of integers less their zero points."""
    return less_zero(types[0], a) * less_zero(types[1], b)


def reduce(op: ops.Reduce, types: Types, x: Tensor) -> Tensor:
    """Sum (a mean is one, on a finer grid), maximum or minimum over axes."""
    x = integers(types[0], x)
    how = {"max": torch.amax, "min": torch.amin}.get(op.kind, torch.sum)
    return how(x * x if op.kind == "sum_square" else x, op.axes, keepdim=True)


def shift(op: ops.Shift, types: Types, x: Tensor) -> Tensor:
    """Right with rounding, left without."""
    x = integers(types[0], x)
    return x << -op.bits if op.bits < 0 else divide(x, torch.tensor(op.bits), op.rounding)


def shift_by(op: ops.ShiftBy, types: Types, x: Tensor, s: Tensor) -> Tensor:
    """Right by a computed number of bits, saturated."""
    return divide(integers(types[0], x), s + op.bits, op.rounding).clamp(op.fmt.min_int, op.fmt.max_int)


def normalize(op: ops.Normalize, types: Types, x: Tensor) -> tuple[Tensor, Tensor]:
    """The exponent counts the powers of two that are not above."""
    x = integers(types[0], x).clamp(min=1)
    exponent = (x.unsqueeze(-1) >= torch.tensor([1 << k for k in range(1, 63)])).sum(-1)
    return (x << (op.bits - 1)) >> exponent, exponent


def select(op: ops.Select, types: Types, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Choice by a mask."""
    return torch.where(condition != 0, a, b)


def reshape(op: ops.Reshape, types: Types, x: Tensor) -> Tensor:
    """Another shape."""
    return x.reshape(*x.shape[: types[0].batched], *op.shape)


def pad(op: ops.Pad, types: Types, x: Tensor) -> Tensor:
    """A border around one sample."""
    padding = list(zip(op.before, op.after, strict=True))
    return framed(x, padding, op.value) if types[0].batched else framed(x[None], padding, op.value)[0]


def gather(op: ops.Gather, types: Types, x: Tensor, index: Tensor) -> Tensor:
    """Entries along an axis, the index saturated."""
    taken = x.index_select(op.axis, index.clamp(max=x.shape[op.axis] - 1).flatten())
    return taken.reshape(*x.shape[: op.axis], *index.shape, *x.shape[op.axis + 1 :])


def expand(op: ops.Expand, types: Types, x: Tensor) -> Tensor:
    """Sizes of 1 grown."""
    return x.expand(*x.shape[: types[0].batched], *op.shape)


def cut(op: ops.Slice, types: Types, x: Tensor) -> Tensor:
    """Every step-th element along an axis."""
    return x[(slice(None),) * op.axis + (slice(op.start, op.stop, op.step),)]


RUN: dict[type, Callable[..., Any]] = {
    **{ops.BlockMatMul: block_matmul, ops.BlockQuantize: block_quantize},
    **{ops.MatMul: matmul, ops.Conv2d: conv2d, ops.Pool: pool, ops.Requant: requant, ops.Lut: lut, ops.Pwl: pwl},
    **{ops.Add: add, ops.Mul: mul, ops.Reduce: reduce, ops.Shift: shift, ops.Select: select},
    **{ops.ShiftBy: shift_by, ops.Normalize: normalize},
    **{ops.ScaledAdd: scaled_add, ops.FloatPool: float_pool, ops.FloatDivide: float_divide},
    **{ops.Reshape: reshape, ops.Pad: pad, ops.Gather: gather, ops.Expand: expand, ops.Slice: cut},
    ops.Transpose: lambda op, types, x: x.permute(op.perm),
    ops.Concat: lambda op, types, *xs: torch.cat(xs, op.axis),
    ops.Split: lambda op, types, x: torch.split(x, list(op.sizes), op.axis),
}
"""How torch computes each op of `hwsim.ops.OPS`: (op, types of the inputs, *codes) -> codes."""
