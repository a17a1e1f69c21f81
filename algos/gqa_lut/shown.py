"""What people see of a fitted table: its curve beside the function, its certificate as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.reports.function_html import curves_html
from hwsim.reports.function_plot import plot_curves
from hwsim.reports.sheet import Sheet
from hwsim.reports.table_plot import Curve

from .certificate import excess

if TYPE_CHECKING:
    from .certificate import Fit, Row

SCALES = ("step", "codes", "mse", "bound", "above bound", "largest error")
LINES = ("segment", "slope", "intercept")


def curve(fit: Fit, n: int, label: str = "") -> Curve:
    """What the table gives at step ``2**-n`` beside the function; `label` instead of the step."""
    task = fit.task
    x, wanted = task.reals(n), task.targets(n)
    places = np.ldexp(np.array(fit.stored[n].breakpoints, np.float64), -n)
    inside = places[(places >= x[0]) & (places <= x[-1])]
    got = wanted + task.errors(n, fit.table(n))
    return Curve(label=label or f"step 2**-{n}", x=x, wanted=wanted, got=got, breakpoints=inside)


def plot(fit: Fit, scales: Sequence[int] = ()) -> Any:
    """Function, table and error at some scales, side by side; default three of them."""
    every = fit.task.scales
    chosen = scales or (every if len(every) <= 3 else (every[0], every[len(every) // 2], every[-1]))
    return plot_curves([curve(fit, n) for n in chosen], title=str(fit))


def certificate(fit: Fit) -> Sheet:
    """One row a scale, then all."""
    rows = [
        [f"2**-{r.scale}", f"{r.codes:,}", *(f"{v:.3g}" for v in (r.mse, r.bound)), above(r), f"{r.max_error:.3g}"]
        for r in fit.rows
    ]
    if len(rows) > 1:
        every = ["mean", "", f"{fit.mse:.3g}", f"{fit.bound:.3g}", above(fit), f"{fit.max_error:.3g}"]
        rows.append(every)
    return Sheet(columns=SCALES, rows=rows, right=SCALES[1:])


def above(row: Row | Fit) -> str:
    """How far an error is above its bound."""
    share = excess(row.mse, row.bound)
    return "optimal" if share == 0 else f"{100 * share:+.0f} %"


def fit_html(fit: Fit) -> str:
    """The card of a fit."""
    task, kinds = fit.task, {s[1:] for s in fit.stored.values()}
    sheets = [certificate(fit)]
    if len(kinds) == 1:
        ((slopes, intercepts),) = kinds
        rows = [[str(i), str(k), str(b)] for i, (k, b) in enumerate(zip(slopes, intercepts, strict=True))]
        title = f"slopes and intercepts in units of 2**-{task.fraction}, {task.bits} bits"
        sheets.append(Sheet(columns=LINES, rows=rows, right=LINES, title=title, folded=True))
    seed = "" if fit.seed is None else f", seed {fit.seed}"
    title = f"{task.function.name}, {task.entries} segments"
    gap = "certified optimal" if fit.gap == 0 else f"{1 + fit.gap:.3g} times the bound"
    curves = [curve(fit, n) for n in task.scales]
    return curves_html(title, f"{fit.method}{seed}; mean square error {fit.mse:.3g}, {gap}", curves, sheets)
