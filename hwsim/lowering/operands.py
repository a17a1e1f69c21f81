"""Operands in a format of their own: what layers and products read, where the recipe names one.

A copy (`identity` with the setting ``operand``) stands between a value and its readers, one for each format: the value
itself keeps the format of activations, so that norms, sums and functions lose nothing. Blocks are for linear layers:
products of two values keep the format of activations there.

element formats   requantized; a float format by `hwsim.blocks.encode`
block formats     requantized to INT16 in steps of a power of two, then `block_quantize`: codes and E8M0 exponents; the
                  reader's weights are in blocks of that size, or elements with one scale a channel
"""

from __future__ import annotations

from dataclasses import replace

from ..blockformats import BlockFormat, weight_format_named
from ..blocks.encode import encode
from ..contracts import contract_named
from ..formats import E8M0, FloatFormat
from ..front import FrontGraph, FrontNode
from ..graph import Value
from ..ops import BlockQuantize
from ..recipe import Recipe
from .context import Lowering
from .fusing import layer_names

READERS = {"linear": 1, "matmul": 2}  # how many of its inputs a reader multiplies as values


def operand_copies(front: FrontGraph, recipe: Recipe) -> FrontGraph:
    """`front` with a copy before every operand that the recipe gives a format; those that are there stay."""
    copies = {n.out: n.attrs["operand"] for n in front.nodes if "operand" in n.attrs}
    taken = {*front.inputs, *front.params, *(n.out for n in front.nodes)}
    made: dict[tuple[str, str], str] = {}
    nodes: list[FrontNode] = []
    for node in front.nodes:
        name = operands_of(front, node, recipe)
        ins = list(node.ins)
        for read in ins[: READERS.get(node.op, 0)]:
            if read in copies and copies[read] != name and read not in front.marks:
                raise ValueError(
                    f"{node.op} {node.out!r} reads {read!r} in {copies[read]}, the recipe says operands = {name!r}; "
                    "calibrate the model as it came again"
                )
        for i in range(READERS.get(node.op, 0) if name else 0):
            if ins[i] not in front.params and ins[i] not in copies:
                if (ins[i], name) not in made:
                    copy = made[ins[i], name] = free(f"{ins[i]}.operand", taken)
                    nodes.append(FrontNode("identity", (ins[i],), copy, {"operand": name}, node.where))
                ins[i] = made[ins[i], name]
        nodes.append(replace(node, ins=tuple(ins)))
    return replace(front, nodes=nodes)


def operands_of(front: FrontGraph, node: FrontNode, recipe: Recipe) -> str:
    """The format of a reader's operands; empty where they have none of their own."""
    if node.op not in READERS:
        return ""
    name = recipe.at(*layer_names(front, node.out)).operands
    blocks = bool(name) and isinstance(weight_format_named(name), BlockFormat)
    return "" if blocks and node.op != "linear" else name


def free(name: str, taken: set[str]) -> str:
    """`name`, or with the first of ``.1``, ``.2`` .. that nothing has."""
    found = next(n for n in (name, *(f"{name}.{i}" for i in range(1, len(taken) + 2))) if n not in taken)
    taken.add(found)
    return found


def lower_operand(ctx: Lowering, node: FrontNode, x: Value) -> None:
    """The copy `node` of `x` in its format."""
    out, r, fmt = ctx.type_of(node.out), ctx.settings(node.out), weight_format_named(node.attrs["operand"])
    if isinstance(out.fmt, FloatFormat):
        rule = contract_named(r.contract)
        y = encode(ctx.graph, x, out, contract=rule, rounding=r.rounding, name=node.out)
    else:
        y = ctx.requantize(x, node.out, out)
    ctx.define(node.out, y)
    if isinstance(fmt, BlockFormat):
        ctx.env[node.out] = ctx.env[node.out]._replace(blocks=in_blocks(ctx, node, y, fmt))


def in_blocks(ctx: Lowering, node: FrontNode, x: Value, fmt: BlockFormat) -> tuple[Value, ...]:
    """Codes and exponents of a value."""
    if fmt.scale != E8M0 or fmt.zero is not None:
        raise ValueError(f"operands in {fmt.name}: only {E8M0.name} scales are made at run time; use mxfp4, mxint8 ...")
    op = BlockQuantize(fmt=fmt.element, block=fmt.block, rule=fmt.rule)
    op = replace(op, lo=-op.top_exp)  # Why: the exponent of a block whose largest magnitude is 1, none is smaller
    return ctx.graph.add_all(op, x, names=(f"{node.out}.codes", f"{node.out}.exponents"))
