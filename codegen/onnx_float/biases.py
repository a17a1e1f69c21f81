"""A constant added behind a layer, one number a channel, is the layer's bias; behind an embedding it is in the rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hwsim.front import FrontGraph, FrontNode
from hwsim.front_ops import Floats

CHANNEL = {"linear": -1, "conv1d": 0, "conv2d": 0, "embedding": -1}  # axis of a sample


def fold_biases(front: FrontGraph) -> FrontGraph:
    """The same function, with sums taken into the layers before them, by way of reshapes and transposes perhaps.

    The last value before the sum takes the sum's name; others between, which now hold the bias, are ``<name>.biased``.
    """
    if not any(n.op == "add" and n.ins[1] in front.params for n in front.nodes):
        return front
    shapes, nodes, params = front.shapes(), {n.out: n for n in front.nodes}, dict(front.params)
    renamed: dict[str, str] = {}
    for add in front.nodes:
        chain = layer_before(front, nodes, add)
        bias = None if chain is None else per_channel(front.params[add.ins[1]], add, chain, shapes)
        if chain is None or bias is None:
            continue
        layer = biased(chain[0], bias, params, f"{add.out}.bias")
        for at, node in enumerate([layer, *chain[1:]]):
            last = at == len(chain) - 1
            renamed[node.out] = add.out if last else f"{node.out}.biased"
            nodes[node.out] = node
        del nodes[add.out]
    order = [nodes[n.out] for n in front.nodes if n.out in nodes]
    kept = [replace(n, out=renamed.get(n.out, n.out), ins=tuple(renamed.get(i, i) for i in n.ins)) for n in order]
    read = {i for n in kept for i in n.ins}
    return replace(front, nodes=kept, params={k: p for k, p in params.items() if k in read})


def layer_before(front: FrontGraph, nodes: dict[str, FrontNode], add: FrontNode) -> list[FrontNode] | None:
    """The layer and what only moves its result to the sum, each read by the next alone; None where there is no such."""
    if add.op != "add" or add.ins[1] not in front.params:
        return None
    chain: list[FrontNode] = []
    name = add.ins[0]
    while (node := nodes.get(name)) is not None:
        if len(front.consumers(name)) != 1 or name in front.outputs:
            return None
        chain.insert(0, node)
        if node.op in CHANNEL:
            return chain
        if node.op not in ("reshape", "transpose"):
            return None
        name = node.ins[0]
    return None


def per_channel(
    numbers: Floats, add: FrontNode, chain: list[FrontNode], shapes: dict[str, tuple[int, ...]]
) -> Floats | None:
    """The sum's constant as one number a channel of the layer; None where it is not that."""
    if shapes[add.out] != shapes[chain[-1].out]:
        return None
    full = np.broadcast_to(numbers, shapes[add.out])
    for node in reversed(chain[1:]):
        if node.op == "transpose":
            full = full.transpose(np.argsort([p - 1 for p in node.attrs["perm"][1:]]))
        full = full.reshape(shapes[node.ins[0]])
    axis = CHANNEL[chain[0].op] % full.ndim
    rows = np.moveaxis(full, axis, 0).reshape(full.shape[axis], math.prod(full.shape) // full.shape[axis])
    return np.ascontiguousarray(rows[:, 0]) if (rows == rows[:, :1]).all() else None


def biased(layer: FrontNode, bias: Floats, params: dict[str, Floats], name: str) -> FrontNode:
    """The layer with the bias on top of its own."""
    if layer.op == "embedding":
        params[name] = (params[layer.ins[1]].astype(np.float64) + bias).astype(np.float32)
        return replace(layer, ins=(layer.ins[0], name))
    before = params[layer.ins[2]].astype(np.float64) if len(layer.ins) > 2 else 0.0
    params[name] = (before + bias).astype(np.float32)
    return replace(layer, ins=(*layer.ins[:2], name))
