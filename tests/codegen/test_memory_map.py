"""The map says what the plan and the text of the C say."""

from __future__ import annotations

import re

import pytest

from codegen import emit_c, footprint
from codegen.memory_map import Block, MemoryMap, memory_map
from hwsim.formats import INT8
from hwsim.graph import Graph
from hwsim.ops import Lut, Reshape, Transpose
from hwsim.qtensor import BATCH, QType
from tests.random_graphs import random_graph


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_totals_blocks_and_steps(seed: int) -> None:
    graph, _ = random_graph(seed)
    made, sizes = memory_map(graph), footprint(graph)
    assert (made.flash, made.arena, made.io) == (sizes.flash, sizes.arena, sizes.io)
    assert made.bound <= made.arena
    assert max(made.alive, default=0) <= made.arena
    for b in made.blocks:
        assert 0 <= b.first <= b.last < max(len(made.steps), 1)
        assert b.start + b.size <= (made.arenas[b.arena] if b.arena else made.io)
    ports = [*graph.inputs, *dict.fromkeys(graph.outputs)]
    assert [b.name for b in made.blocks if not b.arena] == [v.name for v in ports]
    text = next(t for n, t in emit_c(graph).items() if n.endswith(".c") and "_data" not in n)
    assert {f"{k}": n for k, n in re.findall(r"static (\w+) \w+_arena_\w+\[(\d+)\]", text)}.keys() == made.arenas.keys()


def test_lives_of_ports_and_of_what_is_in_place() -> None:
    g = Graph("m")
    x = g.input("x", QType((BATCH, 2, 3), INT8))
    a = g.add(Transpose(perm=(0, 2, 1)), x, name="a")
    b = g.add(Lut(table=tuple(range(-128, 128))), a, name="b")
    c = g.add(Transpose(perm=(0, 2, 1)), b, name="c")
    g.output(g.add(Reshape(shape=(6,)), c, name="d"))
    made = memory_map(g)
    assert made.steps == ("transpose", "lut", "transpose")
    assert made.alive == [6, 6, 6]
    assert made.blocks == (
        Block(name="x", kind="input", format="int8", arena="", start=0, size=6, first=0, last=0),
        Block(name="d", kind="output", format="int8", arena="", start=0, size=6, first=2, last=2),
        Block(name="a", kind="value", format="int8", arena="int8_t", start=0, size=6, first=0, last=1),
        Block(name="b", kind="value", format="int8", arena="int8_t", start=0, size=6, first=1, last=2),
    )


def test_bytes_in_use_count_once_what_two_blocks_share() -> None:
    def block(arena: str, start: int, size: int) -> Block:
        return Block(name="v", kind="value", format="int8", arena=arena, start=start, size=size, first=0, last=0)

    blocks = (block("int8_t", 0, 4), block("int8_t", 0, 2), block("int8_t", 6, 2), block("int16_t", 4, 4))
    made = MemoryMap(
        target="generic", flash=0, arenas={}, io=0, bound=0, found="", steps=("add",), blocks=(*blocks, block("", 0, 9))
    )
    assert made.alive == [10]
