"""Tables as JSON, in the form GQA-LUT's authors publish theirs; and where the two published readings of one disagree.

The form is `hwsim.tables`'; files written here say in ``certificate`` how good the table is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hwsim.formats import IntFormat, Reals
from hwsim.rounding import Ints
from hwsim.tables import CERTIFICATE, Table

from .certificate import Fit
from .functions import FUNCTIONS
from .task import Task


def to_json(fit: Fit) -> dict[str, Any]:
    """The document of a table."""
    rows = [{"scale": r.scale, "mse": r.mse, "max_error": r.max_error, "bound": r.bound} for r in fit.rows]
    t = fit.task
    document = fit.made.to_json()
    document[CERTIFICATE] |= {
        **{"method": fit.method, "seed": fit.seed, "span": list(t.span), "mse": fit.mse, "max_error": fit.max_error},
        **{"bound": fit.bound, "common": fit.common, "scales": rows},
    }
    if t.out is not None:
        out = {"format": t.out.fmt.name, "scale": t.out.scale, "zero_point": t.out.zero_point}
        document[CERTIFICATE] |= {"output": out}
    return document


def from_json(
    document: Mapping[str, Any],
    *,
    fn: Callable[[Reals], Reals] | None = None,
    fmt: IntFormat | None = None,
    fraction: int | None = None,
    bits: int | None = None,
    span: tuple[float, float] | None = None,
) -> Fit:
    """The table of a document, ready to be certified.

    Args:
        document: the parsed JSON; its first key that is not ``certificate`` names the function.
        fn: the function, where its name is none of ours.
        fmt: format of the input codes; by default what the document says, as the next two.
        fraction: fractional bits of slopes and intercepts; where it does not say, the function's own, as bits.
        bits: their width.
        span: reals that the error is taken over.

    Raises:
        ValueError: not such a document, or numbers that the format does not hold.
    """
    name = next((key for key in document if key != CERTIFICATE), "") if isinstance(document, Mapping) else ""
    if name and fn is None and name not in FUNCTIONS:
        raise ValueError(f"table: function {name!r} is unknown; give fn and span")
    if (known := FUNCTIONS.get(name)) and CERTIFICATE not in document:
        fraction, bits = known.fraction if fraction is None else fraction, known.bits if bits is None else bits
    table = Table.from_json(document, fmt=fmt, fraction=fraction, bits=bits)
    entries = len(next(iter(table.scales.values())).slopes)
    settings = {"fmt": table.fmt, "fraction": table.fraction, "bits": table.bits, "span": span}
    task = Task.of(fn or name, entries, scales=tuple(table.scales), **settings)
    return Fit(task=task, method="imported", seed=None, stored=table.scales)


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
