"""``hwsim build``: model -> integer graph -> verified C and ONNX, with a report."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..store import dumps
from .emit import c_files, onnx_bytes
from .engines import add_against, engines
from .folder import C_FOLDER, check_folder, place, write_folder
from .memory import entry as memory_plan
from .models import READABLE, Job, maker
from .output import add_json, tell
from .progress import steps
from .settings import add_settings

FILES = (*C_FOLDER, "model.qg", "model.onnx", "report.json", "report.html")
OWN_STEPS = 5  # besides two builds of every engine
EXAMPLES = """examples:
  hwsim build -o build/                                the shipped example, INT8
  hwsim build resnet8 --weights int4 --ablate -o build4/
  hwsim build --contract tflm_double --against numba,c -o build_tflm/
  hwsim build mymodel:net --calibrate data.npz --labels y.npy -o build/
  hwsim build other.qg -o build/                       checked on seeded random codes

data.npz: keys are input names, first axis samples, float32. Files written: model.qg, C files, model.onnx,
report.json, report.html. The same build gives the same bytes."""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "build",
        description="Quantize a model, verify it bit for bit on every engine, write C, ONNX and a report.",
        epilog=EXAMPLES,
    )
    p.add_argument("model", metavar="MODEL", nargs="?", help=READABLE)
    p.add_argument(
        "-o", "--output", type=place, metavar="DIR", default="build", help="folder to write (default: build/)"
    )
    p.add_argument("--calibrate", metavar="data.npz", help="samples to calibrate and check on")
    p.add_argument("--labels", metavar="y.npy", help="the right class of each sample")
    p.add_argument("--samples", type=int, metavar="N", help="check on the first N samples (default: all, 64 random)")
    p.add_argument("--seed", type=int, default=0, help="of random codes, where there is no data (default: 0)")
    p.add_argument("--ablate", action="store_true", help="also score the model with each layer in INT16, and in float")
    add_json(p, "the report, what report.json holds,")
    add_settings(p)
    add_against(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Everything is computed before anything is written."""
    from ..reports import summary

    folder: Path = args.output
    check_folder(folder, FILES)
    make_job, against = maker(args), engines(args)
    with steps(OWN_STEPS + 2 * len(against), quiet=args.quiet) as step:
        step("quantize")
        files, report = results(make_job(args), against, step)
    write_folder(folder, files)
    tell(args, f"{summary(report)}\n\nwritten to {folder}: {', '.join(files)}", report)
    return 0 if report["ok"] else 1


def check_labels(job: Job) -> None:
    """ValueError for labels that are no class of the first output."""
    classes = int(job.graph.outputs[0].type.shape[-1]) if job.graph.outputs[0].type.shape else 0
    if job.labels is not None and len(job.labels) and (job.labels.min() < 0 or job.labels.max() >= classes):
        seen = f"{job.labels.min()}..{job.labels.max()}"
        raise ValueError(f"labels {seen} are outside the model's classes 0..{classes - 1}")


def results(job: Job, against: tuple[str, ...], step: Callable[[str], None]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Every file by name, and the report."""
    from codegen import footprint, verify

    from ..reports import build_report, compare, dumps_report, render_html

    check_labels(job)
    step("emit C")
    sources, sizes = c_files(job.graph, job.inputs), footprint(job.graph)
    step("emit ONNX")
    model = onnx_bytes(job.graph)
    step("compare with float")
    comparison = compare(job.graph, job.inputs, job.front)
    checked = verify(job.graph, job.inputs, against, progress=step)
    step("report")
    report = build_report(
        job.graph,
        source=job.source,
        data=job.data,
        samples=checked.samples,
        verify=checked.rows,
        footprint=sizes,
        comparison=comparison,
        labels=job.labels,
        ablation=job.ablation,
        memory=memory_plan(job.graph, "generic"),
    )
    page = render_html(report).encode("utf-8", "backslashreplace")
    texts = {"report.json": dumps_report(report).encode(), "report.html": page}
    return {"model.qg": dumps(job.graph), **sources, "model.onnx": model, **texts}, report
