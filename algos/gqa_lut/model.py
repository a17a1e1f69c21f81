"""The tables of a whole model: activations, and what softmax and norms are made of; `hwsim.Recipe` takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from hwsim.blocks.logsoftmax import middle_log
from hwsim.blocks.reciprocal import best_reciprocal
from hwsim.blocks.rsqrt import best_rsqrt
from hwsim.blocks.softmax import Softmax
from hwsim.formats import INT8, UINT8, IntFormat, format_named
from hwsim.recipe import TABLED
from hwsim.tables import Table

from .fitting import stored_by
from .functions import FUNCTIONS, Function
from .task import Task

TRANSFORMER = ("gelu", "exp", "reciprocal", "rsqrt")
MANTISSA = 7  # fractional bits of a normalised mantissa in [1, 2): UINT8, the leading one included


def tables(
    functions: Sequence[str] = TABLED,
    entries: int = 8,
    *,
    fmt: IntFormat = INT8,
    softmax: Softmax | None = None,
    shared: bool = True,
    method: str = "ours",
    seed: int = 0,
) -> dict[str, Table]:
    """Fitted tables by function, for ``Recipe(tables=...)``.

    Args:
        functions: names in `hwsim.recipe.TABLED`.
        entries: segments of each.
        fmt: format of the activations, and of the argument of exp; reciprocal, rsqrt and log read UINT8 mantissas.
        softmax: whose argument exp gets; then its format and step, and no others, are exp's.
        shared: one set of lines for all steps (as published), or the certified optimum of each.
        method: how they are fitted, one of `fitting.METHODS`.
        seed: of the method.

    Raises:
        ValueError: a function that no model has; an unknown method.
    """
    if unknown := [name for name in functions if name not in TABLED]:
        raise ValueError(f"tables: {unknown} are not used by models: use {', '.join(TABLED)}")
    found = {}
    for name in functions:
        settings = {"fmt": UINT8 if name in NORMALISED else fmt}
        if name == "exp" and softmax is not None:
            settings = {"fmt": format_named(softmax.z), "scales": (-round(math.log2(softmax.z_step)),)}
        task = Task.of(normalised(name), entries, shared=shared, **settings)
        found[name] = task.made(stored_by(method, seed, task))
    return found


def normalised(name: str) -> str | Function:
    """The function that hardware needs under a name: of mantissas, the best constants of their steps."""
    if name not in NORMALISED:
        return FUNCTIONS[name].name
    best, top, n = NORMALISED[name]
    step = 2.0**-n
    return Function(name=name, fn=partial(best, step=step), span=(1.0, top - step), scales=(n,))


NORMALISED = {
    "reciprocal": (best_reciprocal, 2.0, MANTISSA),
    "rsqrt": (best_rsqrt, 4.0, MANTISSA - 1),
    "log": (middle_log, 2.0, MANTISSA),
}
