"""Ranges of a front graph's values on real data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import Reals, format_named
from .front import FrontGraph, evaluate_in_batches
from .lowering.folding import fold_batch_norms
from .lowering.fusing import layer_names
from .observers import OBSERVERS, Range, activation_type
from .qtensor import QType
from .recipe import Recipe


def calibrate(front: FrontGraph, batches: Sequence[Mapping[str, NDArray[Any]]], recipe: Recipe) -> dict[str, Range]:
    """(low, high) of every value, by each value's calibration rule; batch norms are folded first.

    Args:
        front: the float model.
        batches: input name -> reals, first axis samples; at least one.
        recipe: says which observer looks at which value.

    Raises:
        ValueError: no batches, wrong names or shapes, NaN or Inf in the data or in what the model makes of it.
    """
    if not batches:
        raise ValueError("calibration set is empty: give at least one batch of samples")
    front = fold_batch_norms(front)
    seen = evaluate_in_batches(front, batches)
    for name, x in seen.items():
        if not np.isfinite(x).all():
            raise ValueError(f"calibration: value {name!r} becomes NaN or Inf in float")
    return {name: observe(x.astype(np.float64), recipe.at(*layer_names(front, name))) for name, x in seen.items()}


def observe(x: Reals, r: Recipe) -> Range:
    """The range of one value by its own settings."""
    fmt = format_named(r.activations)

    def type_of(seen: Range) -> QType:
        return activation_type((), fmt, seen, symmetric=r.symmetric, power_of_two=r.powers_of_two)

    return OBSERVERS[r.observer](x, type_of)
