"""Matrix products and convolutions on an array: which array, which sizes, which cycles and traffic.

A convolution is the product of its patches with its weights, one product a group; patches are read from the image in
SRAM by their addresses, so they take no room and the image comes from DRAM once where it fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, prod

from ..formats import FloatFormat
from ..graph import Graph, Node
from ..ops import BlockMatMul, Conv2d, MatMul
from ..ops.datapath import Datapath
from .cycles import Cycles, matmul_cycles
from .hardware import Hardware, MatrixUnit
from .residency import value_bits
from .traffic import Latency, Traffic, Widths, matmul_traffic, roofline


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product node on its array.

    Args:
        unit: the array.
        macs: products that are asked for.
        operations: steps of elements that do something: products over lanes.
        cycles, traffic, latency: see `hwsim.costs.cycles` and `hwsim.costs.traffic`.
        constants: bits of the bias, read from DRAM.
    """

    unit: MatrixUnit
    macs: int
    operations: int
    cycles: Cycles
    traffic: Traffic
    latency: Latency
    constants: int


def product_of(graph: Graph, hardware: Hardware, node: Node, reader: Node | None, stays: set[str]) -> Product:
    """A product node on the first array that holds its operands.

    Args:
        graph: of the node.
        hardware: that runs it.
        node: the product.
        reader: the node that its accumulators stream into; what leaves for memory is that node's result.
        stays: names of values on the chip.

    Raises:
        ValueError: no array holds the operands.
    """
    unit = array_for(graph, hardware, node)
    m, k, n, batch = size_of(node)
    block = node.op.block if isinstance(node.op, BlockMatMul) and unit.block else 1
    padded = -(-k // block) * block
    out = (reader or node).outs[0]
    a, b = node.ins[:2]
    ea, eb = (value_bits(hardware, v.type.fmt.bits) for v in (a, b))
    widths = Widths(a=ea, b=eb, y=value_bits(hardware, out.type.fmt.bits), acc=unit.accumulator)
    near = {key for key, v in (("a", a), ("b", b), ("y", out)) if v.name in stays}
    words = padded + _scale_words(unit, padded)
    cycles = matmul_cycles(unit.array, m, padded, n, batch)
    traffic = _traffic(hardware, unit, widths, (m, words, n, batch), node, near)
    bias = node.ins[2] if isinstance(node.op, MatMul | Conv2d) and len(node.ins) > 2 else None
    constants = bias.type.elements * value_bits(hardware, bias.type.fmt.bits) if bias else 0
    latency = roofline(cycles, replace(traffic, dram_read=traffic.dram_read + constants), hardware.dram_bits)
    return Product(
        unit=unit, macs=m * k * n * batch,
        operations=m * n * batch * ceil(padded / unit.lanes), cycles=cycles, traffic=traffic, latency=latency,
        constants=constants,
    )  # fmt: skip


def array_for(graph: Graph, hardware: Hardware, node: Node) -> MatrixUnit:
    """The first array whose formats hold the node's operands; ValueError says why each does not."""
    reasons = []
    for unit in hardware.arrays:
        reason = _unsuited(graph, unit, node)
        if not reason:
            return unit
        reasons.append(f"{unit.name}: {reason}")
    raise ValueError(f"no array holds its operands ({'; '.join(reasons)})")


def size_of(node: Node) -> tuple[int, int, int, int]:
    """m, k, n of one product, and how many there are in a sample."""
    shape = [int(d) for d in node.outs[0].type.sample_shape]
    if isinstance(node.op, Conv2d):
        k, groups = prod(node.ins[1].type.sample_shape[1:]), node.op.groups
        return shape[0] * shape[1], k, shape[2] // groups, groups
    a, b = node.ins[0].type, node.ins[1].type
    k, n = int(b.shape[-2]), int(b.shape[-1])
    rows = node.outs[0].type.elements // n
    if len(b.shape) == 2:
        return rows, k, n, 1
    m = int(a.shape[-2])
    return m, k, n, rows // m


def _unsuited(graph: Graph, unit: MatrixUnit, node: Node) -> str:
    """Why a node cannot run on an array; empty where it can."""
    op, operands = node.op, node.ins[:2]
    if unit.floating:
        return ""
    path = getattr(op, "datapath", Datapath())
    if not isinstance(path, Datapath):
        return f"sums in {type(path).__name__}"
    if isinstance(op, BlockMatMul) != bool(unit.block):
        return f"{op.name} on {unit.block or 'an array without blocks'}"
    if isinstance(op, BlockMatMul):
        scales = [v.type.fmt for i, v in enumerate(node.ins) if i == 2 or i == op.at_left]
        right = op.left and not op.zeros and op.block == unit.blocks.block
        if not right or any(s != unit.blocks.scale for s in scales):
            return "its blocks are not of this format, on both sides"
    for v, fmt in zip(operands, unit.formats, strict=True):
        reach = graph.reach[v.name]
        if isinstance(v.type.fmt, FloatFormat) or isinstance(fmt, FloatFormat):
            if v.type.fmt != fmt:
                return f"{v.name[:40]!r} is {v.type.fmt.name}, not {fmt.name}"
        elif reach.lo < fmt.min_int or reach.hi > fmt.max_int:
            return f"{v.name[:40]!r} reaches {reach.lo}..{reach.hi}, outside {fmt.name}"
    needed = graph.reach[node.outs[0].name].bits
    if needed > unit.accumulator:
        return f"its sums take {needed} bits of {unit.accumulator}"
    return ""


def _scale_words(unit: MatrixUnit, k: int) -> int:
    """Scales of the blocks of one sum, in words of an element."""
    if not unit.block:
        return 0
    blocks = unit.blocks
    return ceil(k // blocks.block * blocks.scale.bits / blocks.element.bits)


def _traffic(
    hardware: Hardware, unit: MatrixUnit, widths: Widths, size: tuple[int, int, int, int], node: Node, near: set[str]
) -> Traffic:
    """As `matmul_traffic`; an image that is in SRAM or fits it comes from DRAM at most once."""
    m, k, n, batch = size
    buffers = hardware.buffers
    if not isinstance(node.op, Conv2d):
        return matmul_traffic(unit.array, buffers, widths, m, k, n, batch, near)
    image = node.ins[0].type.elements * widths.a
    if "a" not in near and image > 8 * buffers.activations:
        return matmul_traffic(unit.array, buffers, widths, m, k, n, batch, near)
    patches = ceil(batch * m * k * widths.a / 8)
    roomy = replace(buffers, activations=max(buffers.activations, patches))
    t = matmul_traffic(unit.array, roomy, widths, m, k, n, batch, near | {"a"})
    if "a" in near:
        return t
    return replace(
        t, dram_read=t.dram_read + image, sram_write=t.sram_write + image, a_sram=t.a_sram + image, a_reads=1,
        first=t.first + min(image, unit.rows * k * widths.a),
    )  # fmt: skip
