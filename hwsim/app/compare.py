"""``hwsim compare``: what formats cost, on tensors, or as the weights of a whole model."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..comparison import COMPARED, compare
from ..reports import wording
from ..reports.bar_plot import Panel, check_panels, plot_bars
from ..reports.choices import Choice, ModelError, Trial, compare_models
from ..reports.table_plot import check_matplotlib
from ..reports.text import text_table
from ..reports.wording import NONE
from .data import load_npz
from .folder import check_file, place, write_folder
from .models import READABLE, maker
from .output import add_json, tell
from .progress import steps
from .settings import add_settings

EXAMPLES = """examples:
  hwsim compare tensors.npz                        every array of the file, rows along the last axis
  hwsim compare tensors.npz --axis 0 --formats int8,int4_g32,mxfp4
  hwsim compare mlp --plot mlp.png                 each format as the weights of a whole model
  hwsim compare mlp --formats int4,int2 --accumulators proven,int16:saturate,int16:wrap
  hwsim compare mymodel:net --calibrate data.npz --labels y.npy --formats int8,nvfp4 --tables 8

Tensors: signal to quantization noise, errors in the tensor's own units, bits an element with its share of the scales.
Models: calibrated with these weights, through hwsim.simulate; outputs against the float model. Accumulators are those
of linear and convolution layers: proven, or int<bits> that refuses, saturates or wraps after every product."""
TENSOR = ("format", "bits", "SQNR dB", "mse", "largest error")
MODEL = ("weights", "accumulator", "right", "same as float", "SQNR dB of the outputs")


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "compare",
        description="Compare number formats on tensors, or as the weights of a whole model.",
        epilog=EXAMPLES,
    )
    p.add_argument("model", metavar="MODEL | tensors.npz", help=READABLE)
    p.add_argument("--formats", type=names, default=COMPARED, metavar="A,B,..", help=f"(default: {','.join(COMPARED)})")
    text = "of models: with each of these accumulators, such as proven,int16:saturate,int16:wrap,int12:saturate"
    p.add_argument("--accumulators", type=names, default=("",), metavar="A,B,..", help=text)
    p.add_argument("--plot", type=place, metavar="FILE.png", help="draw the figures as bars")
    add_json(p, "the tables")
    p.add_argument("--axis", type=int, default=-1, help="of tensors: along which dot products are taken (default: -1)")
    p.add_argument("--calibrate", metavar="data.npz", help="samples to calibrate and check on")
    p.add_argument("--labels", metavar="y.npy", help="the right class of each sample")
    p.add_argument("--samples", type=int, metavar="N", help="check on the first N samples (default: all)")
    add_settings(p)
    p.set_defaults(run=run, ablate=False, seed=0)


def names(text: str) -> tuple[str, ...]:
    """``int8,mxfp4`` as names."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def run(args: argparse.Namespace) -> int:
    """Do it."""
    tensors = args.model.lower().endswith(".npz")
    if not args.formats or not args.accumulators:
        raise ValueError("--formats or --accumulators is empty: give names such as int8,mxfp4 or proven,int16:wrap")
    if tensors and args.accumulators != ("",):
        raise ValueError(f"{args.model}: --accumulators are for models; tensors have formats alone")
    if not tensors and (args.model.lower().endswith(".qg") or args.weights):
        what = "--weights" if args.weights else args.model
        raise ValueError(f"{what}: compare chooses the weights itself, by --formats; give a float model or a .npz")
    if args.accumulators != ("",) and (args.accumulator or args.overflow):
        raise ValueError("--accumulator or --overflow beside --accumulators: give them all to the latter")
    if args.plot is not None:
        check_file(args.plot)
        check_matplotlib()
    if tensors:
        of_tensors(args)
    else:
        of_model(args)
    return 0


def of_tensors(args: argparse.Namespace) -> None:
    """One table an array."""
    arrays, panels, texts, document = load_npz(args.model), [], [], {}
    if args.plot is not None:
        check_panels(len(arrays), "arrays")
    for name, x in arrays.items():
        if x.dtype.kind not in "fiu":
            raise ValueError(f"{args.model}: {name[:60]!r} is {x.dtype}; give real numbers")
        if not x.size or not np.isfinite(x).all():
            what = f"{int((~np.isfinite(x)).sum())} elements are NaN or Inf" if x.size else "no elements"
            raise ValueError(f"{args.model}: {name[:60]!r} of shape {x.shape}: {what}")
        found = compare(x, args.formats, axis=args.axis)
        rows = [[r.format, f"{r.bits:.2f}", decibels(r.sqnr_db), f"{r.mse:.3g}", f"{r.max_error:.3g}"] for r in found]
        title = f"{wording.name(name, 60)}, {' x '.join(map(str, x.shape))}"
        texts.append(f"{title}\n{text_table(TENSOR, rows, right=TENSOR[1:])}\n")
        document[name] = {"shape": x.shape, "formats": [asdict(r) for r in found]}
        labels = [f"{r.format}, {r.bits:.2f} bits" for r in found]
        bars = {"": ["exact" if r.sqnr_db is None else r.sqnr_db for r in found]}
        panels.append(Panel(title=title, unit="SQNR dB", labels=labels, series=bars))
    tell(args, "\n".join([*texts, *draw(args, panels)]), document)


def of_model(args: argparse.Namespace) -> None:
    """One row a format and accumulator; what cannot be lowered is told below the table."""
    make = maker(args)

    def trial(choice: Choice) -> Trial:
        job = make(argparse.Namespace(**{**vars(args), "choice": choice}))
        return Trial(job.graph, job.front, job.inputs, job.labels)

    with steps(len(args.formats) * len(args.accumulators), quiet=args.quiet) as step:
        found = compare_models(trial, args.formats, args.accumulators, step)
    rows = [[r.weights, r.accumulator, share(r.right), share(r.same), figure(r)] for r in found if not r.refused]
    columns = [c for c in MODEL if c != "accumulator" or args.accumulators != ("",)]
    kept = [[cell for title, cell in zip(MODEL, row, strict=True) if title in columns] for row in rows]
    if rows:
        lines = [text_table(columns, kept, right=columns[-3:]), *draw(args, panels_of(found, args))]
        tell(args, "\n".join(lines), [asdict(r) for r in found])
    if len(reasons := dict.fromkeys(r.refused for r in found)) == 1 and all(reasons):
        raise ValueError(*reasons)  # the fault of the model or of its data, not of a choice
    if refused := [f"{r.weights} {r.accumulator}".strip() + f": {r.refused}" for r in found if r.refused]:
        raise ValueError("; ".join(refused))


def panels_of(found: Sequence[ModelError], args: argparse.Namespace) -> list[Panel]:
    """Right answers, or without classes the float model's, beside the SQNR of the outputs."""
    known = any(r.right is not None for r in found)
    shares = "right answers" if known else "same answers as float"

    def panel(title: str, unit: str, bar: Callable[[ModelError], float | str]) -> Panel:
        series = {a: [bar(r) for r in found if r.accumulator == a] for a in args.accumulators}
        return Panel(title=title, unit=unit, labels=args.formats, series=series)

    def percent(r: ModelError) -> float | str:
        value = r.right if known else r.same
        return "refused" if r.refused else NONE if value is None else 100 * value

    def sqnr(r: ModelError) -> float | str:
        return "refused" if r.refused else figure(r) if r.sqnr_db is None else r.sqnr_db

    return [panel(shares, "%", percent), panel("outputs against float", "SQNR dB", sqnr)]


def draw(args: argparse.Namespace, panels: Sequence[Panel]) -> list[str]:
    """The plot, where it is asked for, and lines that say so."""
    if args.plot is None or not panels:
        return []
    what = "formats and accumulators" if args.accumulators != ("",) else "formats"
    title = f"{wording.name(Path(args.model).name)}: {what}"
    write_folder(args.plot.parent, {args.plot.name: plot_bars(title, panels)})
    return ["", f"plot: {args.plot}"]


def share(x: float | None) -> str:
    """Percent, where there is any."""
    return NONE if x is None else f"{100 * x:.2f} %"


def figure(r: ModelError) -> str:
    """SQNR, ``exact``, or nothing to compare."""
    return wording.sqnr({"sqnr_db": r.sqnr_db, "max_error": r.max_error})


def decibels(x: float | None) -> str:
    """One digit; an exact tensor has none."""
    return "exact" if x is None else f"{x:.1f}"
