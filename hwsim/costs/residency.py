"""Which values stay on the chip between the node that makes them and the last that reads them.

One pass in the graph's order: a value stays where it fits the memories that its makers and readers want it in, and
where all values that stay at that step fit the activations' SRAM together. Else it is written to DRAM and read from
there. Inputs and outputs of the model and constants are in DRAM.
"""

from __future__ import annotations

from ..graph import Graph, Node
from ..ops import Add, Concat, Requant, Select, Shift
from .hardware import Hardware
from .needs import FREE, PRODUCTS


def value_bits(hardware: Hardware, bits: int) -> int:
    """Bits of an element in memory."""
    return hardware.float_bits if hardware.numbers == "float" else bits


def streamed(graph: Graph) -> dict[str, Node]:
    """The one reader of each value that goes straight from an array into it, by name: such values are in no memory.

    These are accumulators that are rounded at once, or after constants (a bias) were added.
    """
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for v in node.ins:
            readers.setdefault(v.name, []).append(node)
    outputs = {v.name for v in graph.outputs}

    def only(name: str) -> Node | None:
        found = readers.get(name, [])
        return found[0] if len(found) == 1 and name not in outputs else None

    through: dict[str, Node] = {}
    for n in graph.nodes:
        if not isinstance(n.op, PRODUCTS):
            continue
        chain, name = {}, n.outs[0].name
        while (reader := only(name)) and _adds_constants(graph, reader):
            chain[name], name = reader, reader.outs[0].name
        if reader and isinstance(reader.op, Requant | Shift):
            through |= chain | {name: reader}
    return through


def _adds_constants(graph: Graph, node: Node) -> bool:
    return isinstance(node.op, Add) and any(v.name in graph.constants for v in node.ins)


def chain_of(through: dict[str, Node], name: str) -> tuple[Node, ...]:
    """The nodes that a value streams through, in order; the last one's result is the first in memory."""
    nodes: list[Node] = []
    while name in through:
        nodes.append(through[name])
        name = nodes[-1].outs[0].name
    return tuple(nodes)


def sources(graph: Graph, hardware: Hardware) -> dict[str, tuple[str, ...]]:
    """What each result that is no new numbers consists of: the values that were computed, or come from outside."""
    through = streamed(graph)
    found: dict[str, tuple[str, ...]] = {}
    for node in graph.nodes:
        if isinstance(node.op, FREE[hardware.numbers]) and node.ins[0].name not in through:
            whole = node.ins if isinstance(node.op, Concat) else node.ins[:1]
            parts = node.ins[1:] if isinstance(node.op, Select) else whole
            names = tuple(s for v in parts for s in found.get(v.name, (v.name,)))
            found |= {v.name: names for v in node.outs}
    return found


def on_chip(graph: Graph, hardware: Hardware) -> set[str]:
    """Names of values that stay on the chip, results of movement under their own names too."""
    origin, through = sources(graph, hardware), streamed(graph)
    rooms = _rooms(graph, hardware)
    last = {s: i for i, n in enumerate(graph.nodes) for v in n.ins for s in origin.get(v.name, (v.name,))}
    outputs = {s for v in graph.outputs for s in origin.get(v.name, (v.name,))}
    stays: set[str] = set()
    live: dict[str, int] = {}
    for i, node in enumerate(graph.nodes):
        for v in node.outs:
            bits = v.type.elements * value_bits(hardware, v.type.fmt.bits)
            if v.name in origin or v.name in through or v.name in outputs or last.get(v.name, -1) < i:
                continue
            if bits <= rooms.get(v.name, bits) and sum(live.values()) + bits <= 8 * hardware.activations.bytes:
                live[v.name] = bits
                stays.add(v.name)
        live = {name: bits for name, bits in live.items() if last[name] > i}
    return stays | {name for name, parts in origin.items() if stays.issuperset(parts)}


def _rooms(graph: Graph, hardware: Hardware) -> dict[str, int]:
    """Bits of the smallest memory that products want a value in: results in outputs', second operands in weights'."""
    origin, through = sources(graph, hardware), streamed(graph)
    rooms: dict[str, int] = {}
    for node in graph.nodes:
        if isinstance(node.op, PRODUCTS):
            made = (node, *chain_of(through, node.outs[0].name))[-1].outs[0].name
            second = origin.get(node.ins[1].name, (node.ins[1].name,))
            wanted = ((made, hardware.outputs), *((name, hardware.weights) for name in second))
            rooms |= {name: min(rooms.get(name, 8 * memory.bytes), 8 * memory.bytes) for name, memory in wanted}
    return rooms
