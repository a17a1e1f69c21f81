"""Ranges of a front graph's values on real data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import Reals
from .front import FrontGraph, evaluate_in_batches
from .lowering.fusing import layer_names
from .lowering.roles import Roles, find_roles
from .lowering.simplify import simplify
from .observers import OBSERVERS, Range, minmax
from .qtensor import QType
from .recipe import Recipe


def calibrate(front: FrontGraph, batches: Sequence[Mapping[str, NDArray[Any]]], recipe: Recipe) -> dict[str, Range]:
    """(low, high) of every value, by each value's calibration rule; the model is simplified first.

    Args:
        front: the float model.
        batches: input name -> reals, first axis samples; at least one.
        recipe: says which observer looks at which value.

    Raises:
        ValueError: no batches, wrong names or shapes, NaN or Inf in the data or in what the model makes of it.
    """
    if not batches:
        raise ValueError("calibration set is empty: give at least one batch of samples")
    front = simplify(front)
    roles = find_roles(front)
    seen = evaluate_in_batches(front, batches)
    for name, x in seen.items():
        if not np.isfinite(x).all():
            raise ValueError(f"calibration: value {name!r} becomes NaN or Inf in float")
    return {
        name: observe(name, x.astype(np.float64), recipe.at(*layer_names(front, name)), roles)
        for name, x in seen.items()
    }


def observe(name: str, x: Reals, r: Recipe, roles: Roles) -> Range:
    """The range of one value by its own settings; of a residual stream all of it, outliers are why it is wide."""

    def type_of(seen: Range) -> QType:
        return roles.type(name, x.shape[-1:], r, seen)

    observer = minmax if name in roles.wide else OBSERVERS[r.observer]
    return observer(x, type_of)
