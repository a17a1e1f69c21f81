"""Which unit of the hardware computes each node, in how many cycles, with what traffic.

Nodes run one after the other. A requantization that alone reads an accumulator, a bias added before it or not, runs
while the array works: it adds only the cycles by which it is longer. Traffic and computation of a node overlap, but for
the first fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ..graph import Graph, Node
from ..ops import Gather
from .cycles import Cycles, Simd
from .hardware import Hardware
from .needs import FREE, PRODUCTS, Need, needs
from .products import product_of
from .residency import chain_of, on_chip, streamed, value_bits
from .traffic import Latency


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a node takes of one part of the hardware: busy cycles of all its units, and operations.

    In `load` of the cycles a table is written.
    """

    part: str
    cycles: int
    operations: int
    load: int = 0


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Bits of one sample: from and to DRAM, and through each SRAM, both ways."""

    dram_read: int = 0
    dram_write: int = 0
    weights: int = 0
    activations: int = 0
    outputs: int = 0

    @property
    def dram(self) -> int:
        """Both ways."""
        return self.dram_read + self.dram_write

    @property
    def sram(self) -> int:
        """Through all three."""
        return self.weights + self.activations + self.outputs


@dataclass(frozen=True, kw_only=True)
class Work:
    """One node on the hardware, for one sample.

    Args:
        index, node: which.
        layer: name of the layer it belongs to.
        uses: of parts of the hardware; none where codes only move.
        beside: uses of the node that runs at the same time.
        macs: products that are asked for.
        cycles: the array's, in its terms; None elsewhere.
        latency: with memory; `Latency.cycles` is what the node adds to the whole.
        moved: traffic.
    """

    index: int
    node: Node
    layer: str
    uses: tuple[Use, ...] = ()
    beside: tuple[Use, ...] = ()
    macs: int = 0
    cycles: Cycles | None = None
    latency: Latency
    moved: Moved

    @property
    def name(self) -> str:
        """Name of the first result."""
        return self.node.outs[0].name

    @property
    def utilisation(self) -> float | None:
        """Products over what the array could have done in the node's latency."""
        if self.cycles is None:
            return None
        return self.macs / (self.latency.cycles * self.cycles.macs)

    def busy(self, part: str) -> int:
        """Cycles of the node's latency in which a part works."""
        return min(self.latency.cycles, sum(u.cycles for u in (*self.uses, *self.beside) if u.part == part))


def mapped(graph: Graph, hardware: Hardware) -> tuple[Work, ...]:
    """Every node on its unit.

    Raises:
        ValueError: nodes that the hardware has no unit for, all of them.
    """
    stays, through, layers = on_chip(graph, hardware), streamed(graph), layer_of(graph)
    made: list[Work] = []
    arrays: dict[str, int] = {}  # cycles behind which the node that rounds a result hides
    problems = []
    for i, node in enumerate(graph.nodes):
        name = node.outs[0].name
        try:
            if isinstance(node.op, PRODUCTS):
                work = _product_work(graph, hardware, i, layers[name], stays, chain_of(through, name))
                arrays[name] = work.latency.compute
            else:
                hidden = next((arrays[v.name] for v in node.ins if v.name in through and v.name in arrays), None)
                if hidden is not None:
                    arrays[name] = hidden
                work = _vector_work(graph, hardware, i, layers[name], stays, hidden)
            made.append(work)
        except ValueError as e:
            problems.append(f"node {i} {node.op.name} {name[:60]!r}: {e}")
    if problems:
        raise ValueError(f"hardware {hardware.name!r} cannot run {graph.name[:60]!r}: {'; '.join(problems)}")
    return tuple(made)


def layer_of(graph: Graph) -> dict[str, str]:
    """The layer of each value: the shortest part of its name, cut at dots, that is a value's name itself."""
    names = {v.name for n in graph.nodes for v in n.outs}

    def of(name: str) -> str:
        parts = name.split(".")
        heads = (".".join(parts[:i]) for i in range(1, len(parts)))
        return next((h for h in heads if h in names), name)

    return {name: of(name) for name in names}


def _product_work(
    graph: Graph, hardware: Hardware, i: int, layer: str, stays: set[str], chain: tuple[Node, ...]
) -> Work:
    node = graph.nodes[i]
    product = product_of(graph, hardware, node, chain[-1] if chain else None, stays)
    t = product.traffic
    return Work(
        index=i, node=node, layer=layer, macs=product.macs, cycles=product.cycles, latency=product.latency,
        uses=(Use(part=product.unit.name, cycles=product.cycles.total, operations=product.operations),),
        beside=tuple(use for reader in chain for use in _beside(graph, hardware, reader)),
        moved=Moved(
            dram_read=t.dram_read + product.constants, dram_write=t.dram_write, activations=t.a_sram,
            weights=t.b_sram + 2 * product.constants, outputs=t.y_sram,
        ),
    )  # fmt: skip


def _beside(graph: Graph, hardware: Hardware, reader: Node) -> tuple[Use, ...]:
    """What the node that rounds the accumulators takes; where it cannot run, that is its own error."""
    try:
        return _uses(hardware, needs(graph, reader, hardware.numbers))
    except ValueError:
        return ()


def _vector_work(graph: Graph, hardware: Hardware, i: int, layer: str, stays: set[str], hidden: int | None) -> Work:
    """All its units form one pipeline, as fast as the slowest; tables are written first.

    What streams out of an array reads no memory and hides behind the array's cycles, `hidden`.
    """
    node = graph.nodes[i]
    asked = needs(graph, node, hardware.numbers)
    uses = _uses(hardware, asked)
    compute = max((u.cycles for u in uses), default=0)
    moved = Moved()
    if hidden is not None:
        compute = max(0, compute - hidden)
        bias = sum(
            v.type.elements * value_bits(hardware, v.type.fmt.bits) for v in node.ins if v.name in graph.constants
        )
        moved = Moved(dram_read=bias, weights=2 * bias)
    elif not isinstance(node.op, FREE[hardware.numbers]):
        moved = _moved(graph, hardware, node, stays, sum(n.load for n in asked))
    memory = ceil(moved.dram / hardware.dram_bits)
    latency = Latency(fill=0, compute=compute, memory=memory)
    return Work(index=i, node=node, layer=layer, uses=uses, latency=latency, moved=moved)


def _uses(hardware: Hardware, asked: tuple[Need, ...]) -> tuple[Use, ...]:
    """Busy cycles of each unit; ValueError, all reasons in one, where the hardware has none or a narrower one."""
    uses, problems = [], []
    for need in asked:
        unit = hardware.vector.get(need.family)
        wanted = ", ".join(f"{k} {v}" for k, v in need.least.items())
        if unit is None:
            problems.append(f"there is no vector.{need.family} ({wanted or 'any'})")
            continue
        short = [k for k, v in need.least.items() if int(unit.parameters[k]) < v]
        if short:
            problems.append(f"vector.{need.family} takes {wanted}; the hardware's has {unit.text.partition(', ')[2]}")
            continue
        simd, groups = Simd(lanes=unit.lanes), need.groups
        steps = simd.cycles(groups) * (need.operations // groups) if groups else simd.cycles(need.operations)
        uses.append(Use(part=need.family, cycles=steps + need.load, operations=need.operations, load=need.load))
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(uses)


def _moved(graph: Graph, hardware: Hardware, node: Node, stays: set[str], loads: int) -> Moved:
    """Operands in, results out, table words in: through the activations' SRAM, and DRAM where they do not stay."""

    def bits(name: str) -> int:
        t = graph.known[name].type
        return t.elements * value_bits(hardware, t.fmt.bits)

    read = {v.name: bits(v.name) for v in node.ins}
    if isinstance(node.op, Gather):
        read[node.ins[0].name] = bits(node.outs[0].name)  # the rows that are looked up alone
    far = sum(b for name, b in read.items() if name not in stays)
    written = {v.name: bits(v.name) for v in node.outs}
    out = sum(b for name, b in written.items() if name not in stays)
    table = loads * value_bits(hardware, node.outs[0].type.fmt.bits)
    sram = sum(read.values()) + far + sum(written.values()) + out
    return Moved(dram_read=far + table, dram_write=out, activations=sram, weights=2 * table)
