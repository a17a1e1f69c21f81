"""Tables as JSON, in the form GQA-LUT's authors publish theirs; and where the two published readings of one disagree.

``{"gelu": {"0": {"breakpoints": [...], "slopes": [...], "intercepts": [...]}, "1": ...}}``: one object a
scale ``2**-n``, in reals. Files written here have a second key, ``certificate``, that other readers do not look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hwsim.formats import INT8, IntFormat, Reals
from hwsim.rounding import Ints

from .certificate import Fit, Stored
from .functions import FUNCTIONS
from .task import Task

FIELDS = ("breakpoints", "slopes", "intercepts")


def to_json(fit: Fit) -> dict[str, Any]:
    """The document of a table."""
    one = fit.task.one
    tables = {
        str(n): {
            "breakpoints": [p * 2.0**-n for p in stored.breakpoints],
            "slopes": [k / one for k in stored.slopes],
            "intercepts": [b / one for b in stored.intercepts],
        }
        for n, stored in fit.stored.items()
    }
    rows = [{"scale": r.scale, "mse": r.mse, "max_error": r.max_error, "bound": r.bound} for r in fit.rows]
    t = fit.task
    certificate = {
        **{"method": fit.method, "seed": fit.seed, "format": t.fmt.name, "fraction": t.fraction, "bits": t.bits},
        **{
            "span": list(t.span),
            "mse": fit.mse,
            "max_error": fit.max_error,
            "bound": fit.bound,
            "common": fit.common,
            "scales": rows,
        },
    }
    return {t.function.name: tables, "certificate": certificate}


def from_json(
    document: Mapping[str, Any],
    *,
    fn: Callable[[Reals], Reals] | None = None,
    fmt: IntFormat = INT8,
    fraction: int | None = None,
    bits: int | None = None,
    span: tuple[float, float] | None = None,
) -> Fit:
    """The table of a document, ready to be certified.

    Args:
        document: the parsed JSON; its first key that is not ``certificate`` names the function.
        fn: the function, where its name is none of ours.
        fmt: format of the input codes.
        fraction: fractional bits of slopes and intercepts; by default the function's own, as the next two.
        bits: their width.
        span: reals that the error is taken over.

    Raises:
        ValueError: not such a document, or numbers that the format does not hold.
    """
    names = [key for key in document if key != "certificate"] if isinstance(document, Mapping) else []
    if len(names) != 1 or not isinstance(document[names[0]], Mapping) or not document[names[0]]:
        raise ValueError("table: must be one object {function: {scale: {breakpoints, slopes, intercepts}}}")
    tables = document[names[0]]
    if fn is None and names[0] not in FUNCTIONS:
        raise ValueError(f"table: function {names[0]!r} is unknown; give fn and span")
    scales = [int(n) if str(n).isdecimal() else -1 for n in tables]
    entries = {len(t["slopes"]) if isinstance(t, Mapping) and "slopes" in t else 0 for t in tables.values()}
    task = Task.of(fn or names[0], max(entries), scales=tuple(scales), fmt=fmt, fraction=fraction, bits=bits, span=span)
    stored = {n: _stored(task, n, t) for n, t in zip(scales, tables.values(), strict=True)}
    return Fit(task=task, method="imported", seed=None, stored=stored)


def _stored(task: Task, n: int, table: Any) -> Stored:
    columns = []
    for name, unit in zip(FIELDS, (2.0**n, task.one, task.one), strict=True):
        wanted = task.entries - (name == "breakpoints")
        values = table.get(name) if isinstance(table, Mapping) else None
        if not isinstance(values, list) or len(values) != wanted or not all(type(v) in (int, float) for v in values):
            raise ValueError(f"table: scale {n} needs {wanted} {name}, all numbers")
        units = np.asarray(values, np.float64) * unit
        off = units != np.rint(units)
        if name != "breakpoints":
            off |= (units < -task.reach) | (units >= task.reach)
        if not np.isfinite(units).all() or off.any():
            bad = values[int(np.argmax(off))]
            raise ValueError(
                f"table: scale {n}, {name}: {bad} is no number of {task.bits} bits, {task.fraction} of them fractional"
                if name != "breakpoints"
                else f"table: scale {n}, breakpoints: {bad} is no multiple of 2**-{n}"
            )
        columns.append(tuple(units.astype(int).tolist()))
    return Stored(*columns)


def disagreements(fit: Fit) -> dict[int, Ints]:
    """Input codes, per scale, whose result changes if a code that equals a breakpoint goes left instead of right.

    The published search sends it right, the published torch op left.
    """
    found = {}
    for n, (breakpoints, slopes, intercepts) in fit.stored.items():
        q = np.arange(fit.task.fmt.min_int, fit.task.fmt.max_int + 1)
        k, b = np.array(slopes), np.array(intercepts) << n
        sides = (np.searchsorted(breakpoints, q, side=side) for side in ("left", "right"))
        left, right = (k[i] * q + b[i] for i in sides)
        found[n] = q[left != right]
    return found
