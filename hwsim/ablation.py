"""Which layer costs the accuracy: the model again with one layer at a time in INT16, and in float.

*INT16* is the real integer graph with that layer's weights and result in INT16. *Float* is an emulation in float64:
every value and weight is rounded to its codes, except those of that layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blockformats import BlockFormat, quantize_blocks, weight_format_named
from .front import FrontGraph
from .front_ops import evaluate_op
from .graph import Graph
from .lowering import lower
from .lowering.equalization import LAYERS
from .lowering.fusing import layer_names
from .qtensor import QTensor, QType, encode, quantize
from .quantization import Batches, settle
from .recipe import Recipe
from .simulation import simulate


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """One row: what the whole model scores with `layer` widened.

    Args:
        layer: its name; empty for the model as the recipe wants it.
        int16, floating: fraction of right answers (of answers equal to float's, without labels).
    """

    layer: str
    int16: float
    floating: float


class Ablations(list[Ablation]):
    """Rows of `ablate`; a list that shows itself as a table."""

    def __str__(self) -> str:
        """The terminal's table."""
        from .reports.comparison_html import ablation_sheet

        return str(ablation_sheet(self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from .reports.comparison_html import ablation_html

        return ablation_html(self)


def ablate(
    front: FrontGraph,
    batches: Batches,
    recipe: Recipe,
    inputs: Mapping[str, NDArray[Any]],
    labels: NDArray[Any] | None = None,
) -> Ablations:
    """A row for the model itself, then one a layer with weights.

    Args:
        front: the float model, one output of scores.
        batches: calibration data.
        recipe: what is wanted.
        inputs: reals to score on.
        labels: the right classes; without them the float model's answers count as right.
    """
    settled = settle(front, batches, recipe)
    truth = settled.twin.evaluate(inputs)[front.outputs[0]].argmax(-1) if labels is None else np.asarray(labels)
    graph = lower(settled.front, settled.ranges, recipe)

    def row(layer: str) -> Ablation:
        wide = lower(settled.front, settled.ranges, widened(settled.front, recipe, layer)) if layer else graph
        scores = simulate(wide, inputs)[wide.outputs[0].name]
        floats = emulate(settled.front, graph, recipe, inputs, layer_names(settled.front, layer))
        return Ablation(
            layer=layer,
            int16=float((scores.argmax(-1) == truth).mean()),
            floating=float((floats.argmax(-1) == truth).mean()),
        )

    return Ablations(row(name) for name in ["", *(n.out for n in settled.front.nodes if n.op in LAYERS)])


def widened(front: FrontGraph, recipe: Recipe, layer: str) -> Recipe:
    """The recipe with one layer in INT16; glob characters of its name are taken literally."""
    wide = {"weights": "int16", "activations": "int16"}
    names = ["".join(f"[{c}]" if c in "*?[" else c for c in name) for name in layer_names(front, layer)]
    return replace(recipe, overrides=(*recipe.overrides, *((name, wide) for name in names[:1])))


def emulate(
    front: FrontGraph, graph: Graph, recipe: Recipe, inputs: Mapping[str, NDArray[Any]], free: Sequence[str]
) -> NDArray[np.float32]:
    """The first output of the float model with values rounded to the codes of `graph`, except those in `free`."""
    types = {v.name: v.type for v in graph.values()}
    env = {name: rounded(np.asarray(inputs[name], np.float32), types[name]) for name in front.inputs}
    for n in front.nodes:
        params = {i: front.params[i] for i in n.ins if i in front.params}
        if n.op in LAYERS and n.out not in free:
            r = recipe.at(*layer_names(front, n.out))
            fmt, weight = weight_format_named(r.weights), params[n.ins[1]]
            if isinstance(fmt, BlockFormat):
                made = quantize_blocks(weight, fmt, axis=1).dequantize()
            else:
                made = quantize(weight, fmt, axis=0 if r.per_channel else None).dequantize()
            params[n.ins[1]] = made.astype(np.float32)
        y = evaluate_op(n.op, n.attrs, *(params[i] if i in params else env[i] for i in n.ins))
        env[n.out] = rounded(y, types[n.out]) if n.out in types and n.out not in free else y
        operand = weight_format_named(n.attrs["operand"]) if "operand" in n.attrs else None
        if isinstance(operand, BlockFormat):
            env[n.out] = quantize_blocks(env[n.out], operand).dequantize().astype(np.float32)
    return env[front.outputs[0]]


def rounded(x: NDArray[np.float32], t: QType) -> NDArray[np.float32]:
    """`x` on the grid of a per-tensor type."""
    flat = t.reshaped(x.shape)
    return QTensor(flat, encode(x.astype(np.float64), flat)).dequantize().astype(np.float32)
