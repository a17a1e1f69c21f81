"""The float model as it is lowered: batch norms, lookups, gains and signs folded, narrow copies of the residual.

All exact and idempotent; value names stay, but for what loses its signs (`hwsim.lowering.signs`). A narrow copy of
``x`` is called ``x.narrow``, one in the recipe's format of operands ``x.operand``.
"""

from __future__ import annotations

from dataclasses import replace

from ..front import FrontGraph, FrontNode
from ..front_ops import UNARY, Floats, evaluate_op
from ..recipe import Recipe
from .folding import fold_batch_norms
from .operands import operand_copies
from .roles import MOVES, NORMS, find_roles
from .signs import fold_signs

READS_WIDE = ("add", "concat", "softmax", "log_softmax", "mean", "identity", *NORMS, *MOVES)


def simplify(front: FrontGraph, recipe: Recipe | None = None) -> FrontGraph:
    """See the module; the recipe says which operands have a format of their own."""
    folded = fold_signs(fold_gains(fold_lookups(fold_batch_norms(front))))
    return narrow_copies(folded if recipe is None else operand_copies(folded, recipe))


def fold_lookups(front: FrontGraph) -> FrontGraph:
    """A function that alone reads an embedding becomes an embedding of its results: ``f(t[i]) = f(t)[i]``."""
    nodes = {n.out: n for n in front.nodes}
    params = dict(front.params)
    for node in front.nodes:
        lookup = nodes.get(node.ins[0])
        if node.op in UNARY and lookup and lookup.op == "embedding" and untouched(front, lookup):
            del nodes[lookup.out]
            table = f"{node.out}.of_table"
            params[table] = evaluate_op(node.op, node.attrs, params[lookup.ins[1]])
            nodes[node.out] = replace(lookup, ins=(lookup.ins[0], table), out=node.out)
    return remaining(front, nodes, params)


def untouched(front: FrontGraph, lookup: FrontNode) -> bool:
    """Whether one node alone reads an embedding, and training has settled neither its type nor its table's."""
    inner = len(front.consumers(lookup.out)) == 1 and lookup.out not in front.outputs
    return inner and front.marks.keys().isdisjoint((lookup.out, lookup.ins[1]))


def remaining(front: FrontGraph, nodes: dict[str, FrontNode], params: dict[str, Floats]) -> FrontGraph:
    """`front` with those of its nodes that are left, by name, and the parameters that they read."""
    kept = [nodes[n.out] for n in front.nodes if n.out in nodes]
    read = {i for n in kept for i in n.ins}
    return replace(front, nodes=kept, params={k: p for k, p in params.items() if k in read})


def fold_gains(front: FrontGraph) -> FrontGraph:
    """``(a @ b) * c`` with one positive number c becomes one product: its result then needs no step of its own."""
    nodes = {n.out: n for n in front.nodes}
    for node in front.nodes:
        pair = scaled_product(front, nodes, node)
        if pair:
            product, gain = pair
            del nodes[product.out]
            attrs = {**product.attrs, "gain": product.attrs.get("gain", 1.0) * gain}
            nodes[node.out] = replace(product, out=node.out, attrs=attrs)
    return remaining(front, nodes, front.params)


def scaled_product(front: FrontGraph, nodes: dict[str, FrontNode], node: FrontNode) -> tuple[FrontNode, float] | None:
    """The matmul that `node` alone reads to multiply it by a positive number, and that number."""
    if node.op != "mul":
        return None
    for value, factor in (node.ins, node.ins[::-1]):
        product, number = nodes.get(value), front.params.get(factor)
        alone = len(front.consumers(value)) == 1 and value not in front.outputs
        if product and product.op == "matmul" and alone and number is not None and number.size == 1:
            gain = float(number.reshape(-1)[0])
            if gain > 0 and number.ndim <= 1:  # Why: more axes could be more than the product has
                return product, gain
    return None


def narrow_copies(front: FrontGraph) -> FrontGraph:
    """An identity between a wide value and whoever needs a narrow one: layers, products, functions."""
    wide = set(find_roles(front).wide)
    nodes: list[FrontNode] = []
    copied: set[str] = set()
    for node in front.nodes:
        if node.op in MOVES and node.ins[0] in wide:
            wide.add(node.out)
        ins = []
        for i in node.ins:
            narrow = i in wide and node.op not in READS_WIDE
            if narrow and i not in copied:
                copied.add(i)
                nodes.append(FrontNode("identity", (i,), f"{i}.narrow", {}, node.where))
            ins.append(f"{i}.narrow" if narrow else i)
        nodes.append(replace(node, ins=tuple(ins)))
    return replace(front, nodes=nodes)
