"""batch_norm disappears: into the linear or convolution before it, else into a product and a sum a channel. Exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..formats import Reals
from ..front import FrontGraph, FrontNode
from ..front_ops import Floats

Params = dict[str, Floats]
HOSTS = ("linear", "conv1d", "conv2d")


def fold_batch_norms(front: FrontGraph) -> FrontGraph:
    """`front` without batch_norm nodes; its value names stay, its parameters are new arrays where they changed."""
    nodes: list[FrontNode] = []
    params = dict(front.params)
    at: dict[str, int] = {}
    for node in front.nodes:
        if node.op != "batch_norm":
            at[node.out] = len(nodes)
            nodes.append(node)
            continue
        gain, offset = _affine(front, node)
        i = at.get(node.ins[0])
        host = nodes[i] if i is not None else None
        alone = len(front.consumers(node.ins[0])) == 1 and node.ins[0] not in front.outputs
        if host is not None and i is not None and host.op in HOSTS and alone:
            nodes[i] = _folded(host, node, params, gain, offset)
            at[node.out] = i
        else:
            nodes += _standalone(front, node, params, gain, offset)
            at[node.out] = len(nodes) - 1
    return replace(front, nodes=nodes, params=_used(nodes, params))


def _affine(front: FrontGraph, node: FrontNode) -> tuple[Reals, Reals]:
    """``y = x * gain + offset``, float64, one a channel."""
    weight, bias, mean, variance = (front.params[p].astype(np.float64) for p in node.ins[1:])
    gain = weight / np.sqrt(variance + node.attrs["eps"])
    return gain, bias - mean * gain


def _folded(host: FrontNode, node: FrontNode, params: Params, gain: Reals, offset: Reals) -> FrontNode:
    """The host with scaled weights, making the batch norm's value. Shared weights are copied under a new name."""
    weight = params[host.ins[1]].astype(np.float64)
    bias = params[host.ins[2]].astype(np.float64) if len(host.ins) > 2 else np.zeros(len(weight))
    names = f"{node.out}.folded_weight", f"{node.out}.folded_bias"
    params[names[0]] = (weight * gain.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.float32)
    params[names[1]] = (bias * gain + offset).astype(np.float32)
    return replace(host, ins=(host.ins[0], *names), out=node.out)


def _standalone(
    front: FrontGraph,
    node: FrontNode,
    params: Params,
    gain: Reals,
    offset: Reals,
) -> list[FrontNode]:
    """A product and a sum with parameters of shape (C, 1, ..)."""
    rank = len(front.shapes()[node.out])
    names = f"{node.out}.gain", f"{node.out}.offset"
    for name, p in zip(names, (gain, offset), strict=True):
        params[name] = p.reshape(-1, *[1] * (rank - 1)).astype(np.float32)
    scaled = f"{node.out}.scaled"
    first = FrontNode("mul", (node.ins[0], names[0]), scaled, {}, node.where)
    return [first, FrontNode("add", (scaled, names[1]), node.out, {}, node.where)]


def _used(nodes: list[FrontNode], params: Params) -> Params:
    read = {i for n in nodes for i in n.ins}
    return {name: p for name, p in params.items() if name in read}
