"""Bias correction: the mean error that quantization puts on each channel is taken out of its bias.

Source: arXiv:1906.04721, section 4.2, with measured means: layer by layer in order, on the calibration data,
``bias[c] -= mean(accumulator of the integer graph) - mean(float layer)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Reals
from ..front import FrontGraph, FrontNode, evaluate_in_batches
from ..graph import Graph
from ..observers import Range
from ..qtensor import QTensor
from ..recipe import Recipe
from ..simulation import simulate
from . import lower
from .equalization import LAYERS


def correct_biases(
    front: FrontGraph, ranges: Mapping[str, Range], recipe: Recipe, batches: Sequence[Mapping[str, NDArray[Any]]]
) -> FrontGraph:
    """`front` (batch norms folded) with corrected biases; needs one lowering and simulation a layer."""
    floats = evaluate_in_batches(front, batches)
    for name in [n.out for n in front.nodes if n.op in LAYERS]:
        node = next(n for n in front.nodes if n.out == name)
        want = np.moveaxis(floats[name], -1 if node.op == "linear" else 1, -1)
        want_mean = want.reshape(-1, want.shape[-1]).mean(0, dtype=np.float64)
        graph = lower(front, ranges, recipe)
        front = _shifted(front, node, accumulator_mean(graph, front, name, batches) - want_mean)
    return front


def accumulator_mean(
    graph: Graph, front: FrontGraph, name: str, batches: Sequence[Mapping[str, NDArray[Any]]]
) -> Reals:
    """Mean of a layer's accumulator in real numbers, one a channel."""
    reader = [n.out for n in front.consumers(name)]
    acc = next(v for v in graph.values() if v.name in [f"{n}.acc" for n in (name, *reader)])
    total, count = np.zeros(int(acc.type.shape[-1])), 0
    for batch in batches:
        codes = simulate(graph, batch, trace=True)[acc.name]
        real = QTensor(acc.type, codes).dequantize().reshape(-1, len(total))
        total, count = total + real.sum(0), count + len(real)
    return total / count


def _shifted(front: FrontGraph, node: FrontNode, error: Reals) -> FrontGraph:
    bias = front.params[node.ins[2]] if len(node.ins) > 2 else np.zeros(len(error), np.float32)
    name = f"{node.out}.corrected_bias"
    nodes = [replace(n, ins=(*n.ins[:2], name)) if n is node else n for n in front.nodes]
    return replace(front, nodes=nodes, params={**front.params, name: (bias - error).astype(np.float32)})
