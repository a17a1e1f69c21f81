"""What is where in memory, step by step: a plan to look at, before anything is compiled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hwsim.graph import Graph, Value

from .c import footprint, write
from .layout import Layout
from .program import Program
from .targets import target_named


@dataclass(frozen=True, kw_only=True)
class Block:
    """One buffer.

    Args:
        name: of the value, or of the step that needs a scratch buffer.
        kind: ``input``, ``output``, ``value`` or ``scratch``.
        format: the value's number format, or the C type of a scratch buffer's elements.
        arena: element type of the arena; empty for the caller's own buffers.
        start, size: bytes; the caller's buffers each start at 0.
        first, last: steps, both included, in which it must exist.
    """

    name: str
    kind: str
    format: str
    arena: str
    start: int
    size: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class MemoryMap:
    """RAM of the generated C, and the constants beside it.

    Args:
        target: see `codegen.targets`.
        flash: bytes of constants; code comes on top.
        arenas: element type -> bytes.
        io: bytes of the caller's buffers.
        bound: bytes of arenas that no plan can do without.
        found: what found the plan.
        steps: the op of each step, in order.
        blocks: every buffer.
    """

    target: str
    flash: int
    arenas: dict[str, int]
    io: int
    bound: int
    found: str
    steps: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def arena(self) -> int:
        """Bytes of all arenas."""
        return sum(self.arenas.values())

    @property
    def alive(self) -> list[int]:
        """Bytes of arenas in use at each step; what is written in place of another counts once."""
        return [_covered(b for b in self.blocks if b.arena and b.first <= i <= b.last) for i in range(len(self.steps))]


def _covered(blocks: Iterable[Block]) -> int:
    """Bytes that at least one of the blocks takes."""
    total, arena, end = 0, "", 0
    for b in sorted(blocks, key=lambda b: (b.arena, b.start)):
        end = end if b.arena == arena else 0
        total += max(0, b.start + b.size - max(end, b.start))
        arena, end = b.arena, max(end, b.start + b.size)
    return total


def memory_map(graph: Graph, target: str = "generic") -> MemoryMap:
    """The plan of the release build for a target."""
    program = Program.of(graph, target_named(target), trace=False)
    _, layout, _ = write(program)
    sizes = footprint(graph, target)
    return MemoryMap(
        target=target,
        flash=sizes.flash,
        arenas=layout.plan.arenas,
        io=sizes.io,
        bound=layout.plan.bound,
        found=layout.plan.found,
        steps=tuple("+".join(n.op.name for _, n in s.chain) for s in layout.steps),
        blocks=(*_ports(program, layout), *_planned(program, layout)),
    )


def _ports(p: Program, layout: Layout) -> list[Block]:
    """The caller's buffers: inputs from the start to their last reader, outputs from their maker to the end."""
    end = max(len(layout.steps) - 1, 0)
    made: dict[str, int] = {}
    read: dict[str, int] = {}
    for i, step in enumerate(layout.steps):
        made |= {layout.places[v.name].split(" ")[0]: i for v in step.results}
        read |= {layout.places[v.name].split(" ")[0]: i for v in step.sources}
    blocks = [_port(v, "input", 0, read.get(port, 0)) for port, v in p.inputs]
    return blocks + [_port(v, "output", made.get(port, end), end) for port, v in p.outputs]


def _port(v: Value, kind: str, first: int, last: int) -> Block:
    size = v.type.elements * v.type.fmt.dtype.itemsize
    return Block(name=v.name, kind=kind, format=v.type.fmt.name, arena="", start=0, size=size, first=first, last=last)


def _planned(p: Program, layout: Layout) -> list[Block]:
    """Buffers of the arenas."""
    heads = {s.number: s.chain[0][1].outs[0].name for s in layout.steps}
    blocks = []
    for b in layout.buffers:
        arena, start = layout.plan.places[b.key]
        if isinstance(b.key, str):
            name, kind, fmt = b.key, "value", p.graph.known[b.key].type.fmt.name
        else:
            assert isinstance(b.key, tuple)
            name, kind, fmt = heads[b.key[0]], "scratch", b.element
        place = Block(
            name=name, kind=kind, format=fmt, arena=arena, start=start, size=b.size, first=b.first, last=b.last
        )
        blocks.append(place)
    return blocks
