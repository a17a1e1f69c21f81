"""Front graph -> integer Graph, driven by one Recipe: one small file a pattern, `PATTERNS` names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..front import FrontGraph, FrontNode
from ..graph import Graph
from ..observers import Range
from ..recipe import Recipe
from .activation import lower_relu
from .add import lower_add
from .context import Lowering
from .linear import lower_linear
from .movement import lower_reshape

PATTERNS: dict[str, Callable[[Lowering, FrontNode], None]] = {
    "linear": lower_linear,
    "relu": lower_relu,
    "add": lower_add,
    "reshape": lower_reshape,
}


def lower(front: FrontGraph, ranges: Mapping[str, Range], recipe: Recipe | None = None) -> Graph:
    """The integer graph of a calibrated float model.

    Values keep the names of the front graph, so that every layer can be compared with its float twin.

    Args:
        front: the float model.
        ranges: (low, high) of every value, from `hwsim.calibration.calibrate`.
        recipe: what is wanted; the default is INT8 everywhere.

    Raises:
        ValueError: lists everything that cannot be lowered, with place and reason.
    """
    recipe = recipe or Recipe()
    front.check()
    ctx = Lowering(front, ranges, recipe)
    for node in front.nodes:
        if node.out not in ctx.env:
            PATTERNS[node.op](ctx, node)
    ctx.graph.output(*(ctx.env[name] for name in front.outputs))
    return ctx.graph
