"""Which nodes run together: stages in order, each of nodes whose rows go through the machine, or of one other node.

A node joins the first stage of its own number of rows that all it reads allows: what it reads of the same stage stays
in registers, the rest comes from stages before. So the three projections of an attention join the norm before them, and
scores, softmax and context are one stage, whose scores no memory ever sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..graph import Graph, Node
from ..ops import Reshape
from ..qtensor import QTensor
from .rules import RULES, apart
from .writer import Unfit, Writer, rows


@dataclass(eq=False)
class Stage:
    """Nodes that run together on `rows` rows a sample; 0 for one node that runs on its own."""

    rows: int
    nodes: list[Node] = field(default_factory=list)


def folded(graph: Graph) -> dict[str, QTensor]:
    """Constants, and what nodes make of constants alone."""
    known = dict(graph.constants)
    for node in graph.nodes:
        if all(v.name in known for v in node.ins):
            results = node.op.run(tuple(v.type for v in node.ins), *(known[v.name].codes for v in node.ins))
            results = results if isinstance(results, tuple) else (results,)
            known |= {v.name: QTensor(v.type, r) for v, r in zip(node.outs, results, strict=True)}
    return known


def fits(graph: Graph, constants: dict[str, QTensor], node: Node) -> bool:
    """Whether the machine can compute a node: its rule is tried."""
    if type(node.op) not in RULES or not all(v.type.sample_shape and v.type.batched for v in node.outs):
        return False
    try:
        RULES[type(node.op)](Writer(graph, constants), node)
    except Unfit:
        return False
    return True


def stages(graph: Graph, constants: dict[str, QTensor]) -> list[Stage]:
    """All nodes that are not constant, in stages."""
    made: list[Stage] = []
    where: dict[str, int] = {}
    for node in graph.nodes:
        if all(v.name in constants for v in node.outs):
            continue
        place = _place(made, where, node, fits(graph, constants, node))
        made[place].nodes.append(node)
        where |= {v.name: place for v in node.outs}
    return made


def _place(made: list[Stage], where: Mapping[str, int], node: Node, fit: bool) -> int:
    """Index of the node's stage, which may be new."""
    if not fit:
        made.append(Stage(0))
        return len(made) - 1
    n, first = rows(node.outs[0]), 0
    for v in node.ins:
        if v.name in where:
            at = where[v.name]
            first = max(first, at if made[at].rows == n and not apart(node, v) else at + 1)
    alone = isinstance(node.op, Reshape) and not any(where.get(v.name) == first for v in node.ins)
    if not alone:
        for i in range(first, len(made)):
            if made[i].rows == n and _same_groups(made[i], node):
                return i
    made.append(Stage(0 if alone else n))
    return len(made) - 1


def _same_groups(stage: Stage, node: Node) -> bool:
    """Products of two computed values in one stage have groups of one size."""
    sizes = {size for n in (*stage.nodes, node) if (size := _group(n))}
    return len(sizes) <= 1


def _group(node: Node) -> int:
    """Rows of a group where the second operand of a product is computed."""
    if node.op.name != "matmul" or len(node.ins[1].type.shape) < 3:
        return 0
    return int(node.ins[0].type.shape[-2])
