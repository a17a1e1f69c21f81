"""One row a value of a graph: what makes it, its type, what it costs, what its accumulator can provably reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod

from ..costs.needs import PRODUCTS
from ..costs.products import size_of
from ..formats import Format, IntFormat
from ..graph import Graph, Node, Value
from ..ops import Lut
from ..ops.datapath import PLAIN
from ..qtensor import Shape
from ..ranges import Interval
from .fidelity import Fidelity


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One value.

    Args:
        op: name of the op that makes it, or ``input``.
        value: its name.
        shape: sizes, the batch as ``N``.
        format: name of the number format.
        scale, zero_point: as in the type; tuples are per channel.
        contract, rounding: of a requantization or shift, else empty.
        datapath: how its accumulator differs from one that cannot overflow, such as ``saturate, drop 2``.
        macs: multiply-accumulates a sample.
        constant_bytes: weights, biases and tables that this node is the first to read.
        result_bytes: the value itself, one sample, one container a code.
        reach: proven smallest and largest integer.
        bits_needed, bits_declared: what `reach` takes, what the format has.
        fidelity: distance from the float model where it has a value of this name.
    """

    op: str
    value: str
    shape: Shape
    format: str
    scale: float | tuple[float, ...]
    zero_point: int | tuple[int, ...]
    contract: str = ""
    rounding: str = ""
    datapath: str = ""
    macs: int = 0
    constant_bytes: int = 0
    result_bytes: int
    reach: tuple[int, int]
    bits_needed: int
    bits_declared: int
    fidelity: Fidelity | None = None


def layer_rows(graph: Graph, fidelity: Mapping[str, Fidelity] | None = None) -> tuple[Layer, ...]:
    """Rows of all inputs and results in the graph's order; `fidelity` is per value name, from `compare`."""
    seen: set[str] = set()
    known = fidelity or {}
    rows = [_row(graph, v, None, 0, known) for v in graph.inputs]
    for node in graph.nodes:
        constants = _constant_bytes(graph, node, seen)
        for i, v in enumerate(node.outs):
            rows.append(_row(graph, v, node, 0 if i else constants, known))
    return tuple(rows)


def _row(graph: Graph, v: Value, node: Node | None, constants: int, known: Mapping[str, Fidelity]) -> Layer:
    t, reach = v.type, graph.reach[v.name]
    contract = getattr(node.op, "contract", None) if node else None
    return Layer(
        op=node.op.name if node else "input",
        value=v.name,
        shape=t.shape,
        format=t.fmt.name,
        scale=t.scale,
        zero_point=t.zero_point,
        contract=contract.name if contract else "",
        rounding=getattr(contract or (node.op if node else None), "rounding", ""),
        datapath=_datapath(node),
        macs=macs(node) if node else 0,
        constant_bytes=constants,
        result_bytes=t.elements * t.fmt.dtype.itemsize,
        reach=(reach.lo, reach.hi),
        bits_needed=bits_needed(reach, t.fmt),
        bits_declared=t.fmt.bits,
        fidelity=known.get(v.name),
    )


def _datapath(node: Node | None) -> str:
    path = getattr(node.op, "datapath", PLAIN) if node else PLAIN
    chosen = ((f.name, getattr(path, f.name)) for f in fields(path) if getattr(path, f.name) != f.default)
    return ", ".join(f"{name} {value}".removeprefix("overflow ") for name, value in chosen)


def macs(node: Node) -> int:
    """Multiply-accumulates of one sample."""
    return prod(size_of(node)) if isinstance(node.op, PRODUCTS) else 0


def total_macs(graph: Graph) -> int:
    """Multiply-accumulates of one sample."""
    return sum(macs(n) for n in graph.nodes)


def total_parameters(graph: Graph) -> int:
    """Elements of all constants."""
    return sum(prod(t.codes.shape) for t in graph.constants.values())


def stored_bytes(fmt: Format, elements: int) -> int:
    """Bytes of a constant in generated C: 1, 2, 4 or 6 bits a code up to 6 bits, else one container a code."""
    packed = next((bits for bits in (1, 2, 4, 6) if fmt.bits <= bits), None)
    return -(-elements * packed // 8) if packed else elements * fmt.dtype.itemsize


def bits_needed(reach: Interval, fmt: Format) -> int:
    """Bits that hold every integer of `reach`, signed as `fmt` is; a float format needs its own."""
    if not isinstance(fmt, IntFormat):
        return fmt.bits
    return reach.bits if fmt.signed else max(1, reach.hi.bit_length())


def _constant_bytes(graph: Graph, node: Node, seen: set[str]) -> int:
    names = dict.fromkeys(v.name for v in node.ins if v.name in graph.constants and v.name not in seen)
    seen.update(names)
    tensors = (graph.constants[name] for name in names)
    table = len(node.op.table) * node.op.fmt.dtype.itemsize if isinstance(node.op, Lut) else 0
    return table + sum(stored_bytes(t.type.fmt, t.codes.size) for t in tensors)
