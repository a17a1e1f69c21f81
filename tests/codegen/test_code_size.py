"""What is said before flashing is what the linked image takes."""

from __future__ import annotations

import pytest

from codegen import footprint
from codegen.code_size import code_size
from codegen.memory_map import memory_map
from codegen.runners.edge.toolchains import edge_target, toolchains
from codegen.targets import TARGETS
from tests.random_graphs import graphs_for, random_graph

from .shipped import shipped

EDGE = [t.name for t in TARGETS if t.gcc]


def test_this_machine() -> None:
    made = code_size(random_graph(3)[0], "generic")
    assert made.code > 0
    assert (made.flash, made.ram, made.stack) == (None, None, None)


def needs_compiler(target: str) -> None:
    try:
        toolchains(edge_target(target))
    except ValueError as e:
        pytest.skip(f"left out: {e}")


@pytest.mark.parametrize("target", EDGE)
def test_the_linked_image_is_what_was_said(target: str) -> None:
    """RAM to the byte but for alignment between arenas; flash is code, our constants, and what libgcc keeps itself."""
    needs_compiler(target)
    for graph, _ in graphs_for(target, 3, 3):
        made, said = code_size(graph, target), footprint(graph, target)
        assert made.ram is not None
        assert made.flash is not None
        assert 0 <= made.ram - said.arena <= 8 * max(len(memory_map(graph, target).arenas) - 1, 0)
        assert made.flash <= made.code + said.flash + 512  # a compiler may see that a table of a random graph is idle
        assert made.stack is None or made.stack > 0


@pytest.mark.parametrize("target", EDGE)
def test_a_network_keeps_every_constant(target: str) -> None:
    needs_compiler(target)
    graph, _ = shipped("ds-cnn")
    made, said = code_size(graph, target), footprint(graph, target)
    assert made.flash is not None
    assert 0 <= made.flash - made.code - said.flash <= 512


def test_unknown_targets() -> None:
    with pytest.raises(ValueError, match="target 'pdp11' is unknown"):
        code_size(random_graph(3)[0], "pdp11")
