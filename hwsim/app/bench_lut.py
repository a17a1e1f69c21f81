"""``hwsim bench lut``: our tables beside the published ones, the paper's search, NN-LUT and the certified optimum."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from statistics import fmean
from typing import Any

from ..reports.text import text_table
from .pool import pool
from .progress import steps

COLUMNS = (
    *("function", "entries", "bits", "published", "paper mean", "worst", "NN-LUT", "ours", "worst/best"),
    *("a scale", "bound", "above", "ms paper", "ms ours", "ms bound"),
)
NOTES = """mean square errors over all INT8 codes inside the span, mean over the scales, results not rounded; bits:
width.fraction of slopes and intercepts; paper: the published search, {seeds} seeds; ours: as many seeds, their mean; a
scale: ours with lines of its own for each scale; bound: no table is better, even with lines of its own for each scale,
of those that do as ours: the function's own lines outside the span and exp(0) = 1; ms: one search of the paper's, one
fit of ours with its certificate, the optimum of one scale"""


def run(args: argparse.Namespace) -> tuple[str, Any]:
    """The table, and its figures."""
    from algos.gqa_lut import comparison

    results, cells = [], comparison.CELLS
    with steps(len(cells), quiet=args.quiet) as step, pool(args.jobs) as executor:
        found = comparison.measure_all(cells, seeds=args.seeds, executor=executor)
        for cell in cells:
            step(f"{cell.function}, {cell.entries} entries")
            results.append(next(found))
    targets = comparison.targets(results)
    table = text_table(COLUMNS, [cells_of(r) for r in results], right=COLUMNS[1:])
    kept = "; ".join(f"{t.what}: {t.kept} of {t.of}" for t in targets)
    text = f"{table}\n\n{NOTES.format(seeds=args.seeds)}\n\ntargets: {kept}"
    figures = [asdict(r.cell) | {k: v for k, v in asdict(r).items() if k != "cell"} for r in results]
    return text, {"seeds": args.seeds, "cells": figures, "targets": [asdict(t) for t in targets]}


def cells_of(r: Any) -> list[str]:
    """A row."""
    errors = (r.nn_lut, fmean(r.ours))
    return [
        *(r.cell.function, str(r.cell.entries), f"{r.cell.bits}.{r.cell.fraction}"),
        *("" if r.cell.published is None else figure(r.cell.published), figure(fmean(r.paper)), figure(max(r.paper))),
        *(*map(figure, errors), f"{max(r.ours) / min(r.ours):.3f}", figure(r.alone), figure(r.bound)),
        *(f"{100 * r.above:.0f} %",),
        *(f"{1e3 * s:.0f}" for s in (r.paper_seconds, r.seconds, r.certificate_seconds)),
    ]


def figure(x: float) -> str:
    """Three digits."""
    return f"{x:.2e}"
