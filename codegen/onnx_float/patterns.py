"""Compositions that mean one operation of the front graph, recognised by what they compute: one small file each."""

from __future__ import annotations

from collections.abc import Callable

from ..onnx_model import Model, Node, needed
from .formula import Regions
from .functions import function_of_one
from .norms import norm
from .onehot import one_hot_product
from .softmaxes import softmax

Pattern = Callable[[Model, str, list[Node]], Node | None]
FORMULAS: tuple[Pattern, ...] = (function_of_one, norm, softmax)


def recognise(model: Model) -> tuple[Node, ...]:
    """The model's nodes with each pattern as one node ``hwsim.<front operation>``, the longest of each end."""
    regions = Regions(model)
    made: dict[tuple[str, ...], Node] = {}
    done: set[tuple[str, ...]] = set()
    for end in reversed(model.nodes):
        if end.outs in done or len(end.outs) != 1:
            continue
        found, inside = (one_hot_product(model, regions.makers, end), [end]), [end]
        best = found[0]
        for x, inner in regions.of(end):
            for pattern in FORMULAS:
                if (node := pattern(model, x, inner)) is not None:
                    best, inside = node, inner
        if best is not None:
            made[end.outs] = best
            done.update(n.outs for n in inside)
    return needed([made.get(n.outs, n) for n in model.nodes], set(model.outputs))
