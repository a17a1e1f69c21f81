"""Channel equalization: scale moves from a channel's producer to its reader; the float model stays the same.

w1[c] / s[c], b1[c] / s[c]   then   w2[:, c] * s[c]        through ReLU and pooling, which are positively homogeneous

weights        s = sqrt(max|w1[c]| / max|w2[:, c]|)   both layers alike; arXiv:1906.04721, eq. 11
activations    s = sqrt(max|a[c]| / max|w2[:, c]|)    outliers move to weights; arXiv:2211.10438, eq. 4
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Reals
from ..front import FrontGraph, FrontNode, evaluate_in_batches
from ..front_ops import Floats

LAYERS = ("linear", "conv1d", "conv2d")
PASSES = ("relu", "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "mean")
LEAST = 1e-3  # a channel is scaled at most by its inverse: nearly dead channels stay as they are


def equalize(front: FrontGraph, batches: Sequence[Mapping[str, NDArray[Any]]], rule: str) -> FrontGraph:
    """`front` with equalized channels wherever a layer is alone between two ends.

    Args:
        front: batch norms folded.
        batches: calibration data, for ``activations``.
        rule: ``none``, ``weights`` or ``activations``.
    """
    if rule == "none":
        return front
    if front.marks:
        raise ValueError(f"equalize = {rule!r}: the model carries trained scales, which equalization would undo")
    seen = evaluate_in_batches(front, batches) if rule == "activations" else {}
    params, nodes = dict(front.params), {n.out: n for n in front.nodes}
    for first, value, second in neighbours(front):
        scale = factors(nodes[first], nodes[second], params, seen.get(value))
        nodes[first], nodes[second] = _scaled(nodes[first], nodes[second], params, scale)
    read = {i for n in nodes.values() for i in n.ins}
    return replace(front, nodes=list(nodes.values()), params={k: p for k, p in params.items() if k in read})


def neighbours(front: FrontGraph) -> list[tuple[str, str, str]]:
    """(layer, value, layer that alone reads it) by name, in order."""
    pairs = []
    for first in [n.out for n in front.nodes if n.op in LAYERS]:
        value = first
        while value not in front.outputs and len(readers := front.consumers(value)) == 1:
            reader = readers[0]
            if reader.op in PASSES:
                value = reader.out
                continue
            if reader.op in LAYERS and reader.ins[0] == value:
                pairs.append((first, value, reader.out))
            break
    return pairs


def factors(first: FrontNode, second: FrontNode, params: Mapping[str, Floats], seen: Floats | None) -> Reals:
    """s, one a channel."""
    w1 = params[first.ins[1]].astype(np.float64)
    reads = np.abs(by_input(second, params[second.ins[1]].astype(np.float64))).max(1)
    if seen is None:
        makes = np.abs(w1.reshape(len(w1), -1)).max(1)
    else:
        channels = np.moveaxis(seen, -1 if first.op == "linear" else 1, 0)
        makes = np.abs(channels.reshape(len(channels), -1)).max(1).astype(np.float64)
    fit = (makes > LEAST * makes.max(initial=0.0)) & (reads > LEAST * reads.max(initial=0.0))
    return np.where(fit, np.sqrt(np.where(fit, makes, 1) / np.where(fit, reads, 1)), 1.0)


def by_input(node: FrontNode, w: Reals) -> Reals:
    """Weights as (input channels, everything that reads one)."""
    groups = node.attrs.get("groups", 1)
    split = w.reshape(groups, len(w) // groups, *w.shape[1:])
    return np.moveaxis(split, 2, 1).reshape(groups * w.shape[1], -1)


def _scaled(first: FrontNode, second: FrontNode, params: dict[str, Floats], s: Reals) -> tuple[FrontNode, FrontNode]:
    """Both layers with new parameters under their own names."""
    w1 = params[first.ins[1]] / s.reshape(-1, *[1] * (params[first.ins[1]].ndim - 1))
    w2, groups = params[second.ins[1]], second.attrs.get("groups", 1)
    spread = s.reshape(groups, 1, -1, *[1] * (w2.ndim - 2))
    read = (w2.reshape(groups, len(w2) // groups, *w2.shape[1:]) * spread).reshape(w2.shape)
    names = [f"{n.out}.equalized_weight" for n in (first, second)]
    params[names[0]], params[names[1]] = w1.astype(np.float32), read.astype(np.float32)
    ins = [first.ins[0], names[0]]
    if len(first.ins) > 2:
        ins.append(f"{first.out}.equalized_bias")
        params[ins[2]] = (params[first.ins[2]] / s).astype(np.float32)
    return replace(first, ins=tuple(ins)), replace(second, ins=(second.ins[0], names[1], *second.ins[2:]))
