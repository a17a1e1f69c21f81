"""Ranges of a front graph's values on real data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .front import FrontGraph, evaluate_in_batches
from .lowering.folding import fold_batch_norms
from .observers import OBSERVERS, Range
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
    seen = evaluate_in_batches(fold_batch_norms(front), batches)
    for name, x in seen.items():
        if not np.isfinite(x).all():
            raise ValueError(f"calibration: value {name!r} becomes NaN or Inf in float")
    return {name: OBSERVERS[recipe.at(name).observer](x.astype(np.float64)) for name, x in seen.items()}
