"""From a float model and data to the integer graph: simplify, equalize, calibrate, correct, lower. The one pipeline."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from .calibration import calibrate
from .front import FrontGraph
from .graph import Graph
from .lowering import lower
from .lowering.correction import correct_biases
from .lowering.equalization import equalize
from .lowering.operands import READERS
from .lowering.simplify import simplify
from .observers import Range
from .recipe import Recipe

Batches = Sequence[Mapping[str, NDArray[Any]]]


class Settled(NamedTuple):
    """A float model ready to be lowered.

    Args:
        front: simplified, equalized, with corrected biases.
        ranges: (low, high) of its values.
        twin: the float model that the integer graph is compared with: `front` before the biases were corrected.
    """

    front: FrontGraph
    ranges: dict[str, Range]
    twin: FrontGraph


class Quantized(NamedTuple):
    """An integer graph and the float model whose values carry the same names."""

    graph: Graph
    twin: FrontGraph


def settle(front: FrontGraph, batches: Batches, recipe: Recipe) -> Settled:
    """The float model as it will be lowered, and the ranges of its values.

    Args:
        front: the float model.
        batches: calibration data: input name -> reals, first axis samples.
        recipe: what is wanted.

    Raises:
        ValueError: no batches, wrong names or shapes, NaN or Inf.
    """
    front.check()
    simplified = simplify(front, recipe)
    check_overrides(simplified, recipe)
    twin = equalize(simplified, batches, recipe.equalize)
    ranges = calibrate(twin, batches, recipe)
    ready = correct_biases(twin, ranges, recipe, batches) if recipe.bias_correction else twin
    return Settled(ready, ranges, twin)


def check_overrides(front: FrontGraph, recipe: Recipe) -> None:
    """ValueError for overrides that match no layer: a misspelt name must not pass in silence."""
    names = [*front.inputs, *(n.out for n in front.nodes)]
    idle = [pattern for pattern, _ in recipe.overrides if not fnmatch.filter(names, pattern)]
    readers = [n.out for n in front.nodes if n.op in READERS]
    idle += [p for p, settings in recipe.overrides if "operands" in settings and not fnmatch.filter(readers, p)]
    if idle:
        raise ValueError(f"recipe: overrides {idle} match no layer; layers are {', '.join(names)[:400]}")


def quantize_model(front: FrontGraph, batches: Batches, recipe: Recipe | None = None) -> Quantized:
    """The integer graph of a float model, calibrated on `batches`; see `settle` and `hwsim.lowering.lower`."""
    recipe = recipe or Recipe()
    s = settle(front, batches, recipe)
    return Quantized(lower(s.front, s.ranges, recipe), s.twin)
