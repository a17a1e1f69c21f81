"""Front graph -> integer Graph, driven by one Recipe: one small file a pattern, `PATTERNS` names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..front import FrontGraph, FrontNode
from ..front_ops import UNARY
from ..graph import Graph
from ..observers import Range
from ..recipe import Recipe
from .activation import lower_unary
from .attention import lower_log_softmax, lower_matmul, lower_softmax
from .context import Lowering
from .conv import lower_conv
from .layout import to_plain
from .linear import lower_linear
from .masks import lower_mask, lower_masked, lower_not
from .movement import lower_concat, lower_embedding, lower_expand, lower_reshape, lower_slice, lower_transpose
from .norms import lower_identity, lower_layer_norm, lower_rms_norm
from .pool import lower_div, lower_mean, lower_pool, lower_sum
from .rotation import lower_plus, lower_product
from .simplify import simplify

PATTERNS: dict[str, Callable[[Lowering, FrontNode], None]] = {
    **{"linear": lower_linear, "conv2d": lower_conv, "conv1d": lower_conv, "add": lower_plus, "mul": lower_product},
    **dict.fromkeys(UNARY, lower_unary),
    **dict.fromkeys(("max_pool2d", "avg_pool2d", "max_pool1d", "avg_pool1d"), lower_pool),
    **{"mean": lower_mean, "concat": lower_concat, "reshape": lower_reshape, "transpose": lower_transpose},
    **{"matmul": lower_matmul, "softmax": lower_softmax, "log_softmax": lower_log_softmax, "identity": lower_identity},
    **{"layer_norm": lower_layer_norm, "rms_norm": lower_rms_norm},
    **{"sum": lower_sum, "div": lower_div, "mask": lower_mask, "not": lower_not, "masked": lower_masked},
    **{"slice": lower_slice, "expand": lower_expand, "embedding": lower_embedding},
}


def lower(front: FrontGraph, ranges: Mapping[str, Range], recipe: Recipe | None = None) -> Graph:
    """The integer graph of a calibrated float model.

    Values keep the names of the front graph, so that every layer can be compared with its float twin; which of them
    lie channels-last is in ``graph.recipe["layouts"]``.

    Args:
        front: the float model; it is simplified here if it has not been.
        ranges: (low, high) of every value, from `hwsim.calibration.calibrate`.
        recipe: what is wanted; the default is INT8 everywhere.

    Raises:
        ValueError: lists everything that cannot be lowered, with place and reason.
    """
    front.check()
    recipe = recipe or Recipe()
    front = simplify(front, recipe)
    ctx = Lowering(front, ranges, recipe)
    for node in front.nodes:
        if node.out not in ctx.env:
            lower_node(ctx, node)
    ctx.graph.output(*(to_plain(ctx.graph, ctx.env[name], ctx.shapes[name]) for name in front.outputs))
    return ctx.graph


def lower_node(ctx: Lowering, node: FrontNode) -> None:
    """One node by its pattern; a refusal names the node and the user's line."""
    try:
        PATTERNS[node.op](ctx, node)
    except ValueError as e:
        place = f" at {node.where}" if node.where else ""
        told = repr(node.out) in str(e)
        raise ValueError(str(e) if told else f"{node.op} {node.out!r}{place}: {e}") from None
