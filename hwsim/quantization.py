"""From a float model and data to the integer graph: fold, equalize, calibrate, correct, lower. The one pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from .calibration import calibrate
from .front import FrontGraph
from .graph import Graph
from .lowering import lower
from .lowering.correction import correct_biases
from .lowering.equalization import equalize
from .lowering.folding import fold_batch_norms
from .observers import Range
from .recipe import Recipe

Batches = Sequence[Mapping[str, NDArray[Any]]]


def settle(front: FrontGraph, batches: Batches, recipe: Recipe) -> tuple[FrontGraph, dict[str, Range]]:
    """The float model as it will be lowered, and the ranges of its values.

    Args:
        front: the float model.
        batches: calibration data: input name -> reals, first axis samples.
        recipe: what is wanted.

    Raises:
        ValueError: no batches, wrong names or shapes, NaN or Inf.
    """
    folded = fold_batch_norms(front)
    folded.check()
    ranges = calibrate(folded, batches, recipe)
    if recipe.equalize != "none":
        folded = equalize(folded, batches, recipe.equalize)
        ranges = calibrate(folded, batches, recipe)
    if recipe.bias_correction:
        folded = correct_biases(folded, ranges, recipe, batches)
    return folded, ranges


def quantize_model(front: FrontGraph, batches: Batches, recipe: Recipe | None = None) -> Graph:
    """The integer graph of a float model, calibrated on `batches`; see `settle` and `hwsim.lowering.lower`."""
    recipe = recipe or Recipe()
    settled, ranges = settle(front, batches, recipe)
    return lower(settled, ranges, recipe)
