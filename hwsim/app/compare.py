"""``hwsim compare``: what formats cost, on tensors, or as the weights of a whole model."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ..comparison import COMPARED, compare
from ..reports.text import text_table
from ..reports.wording import NONE
from .data import load_npz
from .models import READABLE, Job, maker
from .progress import steps
from .settings import add_settings

EXAMPLES = """examples:
  hwsim compare tensors.npz                        every array of the file, rows along the last axis
  hwsim compare tensors.npz --axis 0 --formats int8,int4_g32,mxfp4
  hwsim compare mlp                                each format as the weights of a whole model
  hwsim compare mymodel:net --calibrate data.npz --labels y.npy --formats int8,nvfp4 --tables 8

Tensors: signal to quantization noise, errors in the tensor's own units, bits an element with its share of the scales.
Models: calibrated with these weights, through hwsim.simulate; outputs against the float model."""
TENSOR = ("format", "bits", "SQNR dB", "mse", "largest error")
MODEL = ("weights", "right", "same as float", "SQNR dB of the outputs")


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "compare",
        help="what number formats cost, on tensors or as a model's weights",
        description="Compare number formats on tensors, or as the weights of a whole model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("model", metavar="MODEL | tensors.npz", help=READABLE)
    p.add_argument("--formats", type=names, default=COMPARED, metavar="A,B,..", help=f"(default: {','.join(COMPARED)})")
    p.add_argument("--axis", type=int, default=-1, help="of tensors: along which dot products are taken (default: -1)")
    p.add_argument("--calibrate", metavar="data.npz", help="samples to calibrate and check on")
    p.add_argument("--labels", metavar="y.npy", help="the right class of each sample")
    p.add_argument("--samples", type=int, metavar="N", help="check on the first N samples (default: all)")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    add_settings(p)
    p.set_defaults(run=run, ablate=False, seed=0)


def names(text: str) -> tuple[str, ...]:
    """``int8,mxfp4`` as names."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if not args.formats:
        raise ValueError("--formats is empty: give names such as int8,mxfp4")
    if args.model.lower().endswith(".npz"):
        of_tensors(args)
    elif args.model.lower().endswith(".qg") or args.weights:
        what = "--weights" if args.weights else args.model
        raise ValueError(f"{what}: compare chooses the weights itself, by --formats; give a float model or a .npz")
    else:
        of_model(args)
    return 0


def of_tensors(args: argparse.Namespace) -> None:
    """One table an array."""
    for name, x in load_npz(args.model).items():
        if x.dtype.kind not in "fiu":
            raise ValueError(f"{args.model}: {name[:60]!r} is {x.dtype}; give real numbers")
        rows = [
            [r.format, f"{r.bits:.2f}", decibels(r.sqnr_db), f"{r.mse:.3g}", f"{r.max_error:.3g}"]
            for r in compare(x, args.formats, axis=args.axis)
        ]
        print(f"{name[:60]}, {' x '.join(map(str, x.shape))}\n{text_table(TENSOR, rows, right=TENSOR[1:])}\n")


def of_model(args: argparse.Namespace) -> None:
    """One row a format; what cannot be lowered is told below the table."""
    rows, refused = [], []
    with steps(len(args.formats), quiet=args.quiet) as step:
        for name in args.formats:
            step(name)
            args.weights = name
            try:
                rows.append([name, *scores(maker(args)(args))])
            except ValueError as e:
                refused.append(f"{name}: {e}")
    if rows:
        print(text_table(MODEL, rows, right=MODEL[1:]))
    if refused:
        raise ValueError("; ".join(refused))


def scores(job: Job) -> list[str]:
    """Right answers, the float model's answers, SQNR of the first output."""
    from ..reports import compare as against_float

    found = against_float(job.graph, job.inputs, job.front)
    answers, floats = found.integer_answers, found.float_answers
    right = same = NONE
    if answers is not None and job.labels is not None:
        right = f"{100 * float(np.mean(answers == job.labels)):.2f} %"
    if answers is not None and floats is not None:
        same = f"{100 * float(np.mean(answers == floats)):.2f} %"
    fidelity = found.fidelity.get(job.graph.outputs[0].name)
    return [right, same, decibels(fidelity.sqnr_db if fidelity else None)]


def decibels(x: float | None) -> str:
    """One digit; an exact tensor has none."""
    return "exact" if x is None else f"{x:.1f}"
