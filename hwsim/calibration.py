"""Ranges of a front graph's values on real data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import Reals
from .front import FrontGraph, evaluate_in_batches
from .front_ops import UNARY
from .lowering.fusing import layer_names
from .lowering.roles import Roles, find_roles
from .lowering.simplify import simplify
from .observers import OBSERVERS, Range, minmax
from .qtensor import QType
from .recipe import Recipe

POINTS, STILL = 4097, 2.0**-12  # of a function's range; its largest result


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
    front = simplify(front, recipe)
    roles = find_roles(front)
    seen = evaluate_in_batches(front, batches)
    for name, x in seen.items():
        if not np.isfinite(x).all():
            raise ValueError(f"calibration: value {name!r} becomes NaN or Inf in float")
    ranges = {
        name: observe(name, x.astype(np.float64), recipe.at(*layer_names(front, name)), roles)
        for name, x in seen.items()
    }
    return {name: moving(front, name, roles, *seen) for name, seen in ranges.items()}


def observe(name: str, x: Reals, r: Recipe, roles: Roles) -> Range:
    """The range of one value by its own settings; of a residual stream all of it, outliers are why it is wide."""

    def type_of(seen: Range) -> QType:
        return roles.type(name, x.shape[-1:], r, seen)

    observer = minmax if name in roles.wide else OBSERVERS[r.observer]
    return observer(x, type_of)


def moving(front: FrontGraph, name: str, roles: Roles, lo: float, hi: float) -> Range:
    """(lo, hi) without the ends where the functions that alone read a value, with wide results, stay as they are.

    Why: a gelu is 0 far below 0; codes there would make the step of the table's input coarser for nothing.
    """
    readers = front.consumers(name)
    functions = [n for n in readers if n.op in UNARY and n.out in roles.wide]
    if not functions or len(functions) < len(readers) or name in front.outputs:
        return lo, hi
    x = np.linspace(lo, hi, POINTS)
    first, last = POINTS - 1, 0
    for n in functions:
        y = UNARY[n.op](x, **n.attrs)
        far = [np.abs(y - end) > STILL * np.abs(y).max() for end in (y[0], y[-1])]
        if not far[0].any():
            return lo, hi
        first = min(first, max(int(far[0].argmax()) - 1, 0))
        last = max(last, POINTS - 1 - max(int(far[1][::-1].argmax()) - 1, 0))
    return float(x[first]), float(x[last])
