"""Which element-by-element nodes run inside the loop that makes their input."""

from __future__ import annotations

from collections import Counter

from hwsim.graph import Graph, Node

MAPS = ("requant", "lut", "pwl", "shift")  # one code in, one code out: a function that a loop may call
# Loops that may call maps before they store.
HOSTS = (
    *("matmul", "block_matmul", "conv2d", "pool", "float_pool"),
    *("add", "mul", "scaled_add", "float_divide", "reduce", "shift_by"),
)

Chain = list[tuple[int, Node]]  # nodes with their numbers; the first makes the loop, the others are called in it


def chains(graph: Graph, *, fuse: bool) -> list[Chain]:
    """The nodes of `graph` in order, each alone or as the head of a chain of maps that alone read one another."""
    readers = Counter(v.name for n in graph.nodes for v in n.ins) + Counter(v.name for v in graph.outputs)
    steps: list[Chain] = []
    makers: dict[str, Chain] = {}
    for number, node in enumerate(graph.nodes):
        chain = makers.get(node.ins[0].name) if node.ins else None
        if fuse and chain and node.op.name in MAPS and readers[node.ins[0].name] == 1:
            del makers[node.ins[0].name]
            chain.append((number, node))
        else:
            chain = [(number, node)]
            steps.append(chain)
        if chain[0][1].op.name in MAPS + HOSTS:
            makers[node.outs[0].name] = chain
    return steps
