"""``hwsim verify``: is every engine equal to the definition, bit for bit?"""

from __future__ import annotations

import argparse
from typing import Any

from ..reports.report import verify_entry
from .data import load_codes, random_codes
from .engines import add_against, engines
from .graphs import add_graph, load_graph
from .output import add_json, tell
from .progress import steps

EXAMPLES = """examples:
  hwsim verify build/model.qg                                   64 samples of random codes, all engines
  hwsim verify build/model.qg inputs.npz --against c,ort
  hwsim verify build/model.qg --samples 1000 --seed 7
  hwsim verify build/model.qg --samples 4 --against cortex-m4,riscv32    bare metal, emulated, instructions counted"""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "verify",
        description="Run a graph on several engines and compare every code with the numpy definition.",
        epilog=EXAMPLES,
    )
    add_graph(p)
    p.add_argument("inputs", metavar="inputs.npz", nargs="?", help="codes or reals; without it, seeded random codes")
    add_against(p)
    p.add_argument("--samples", type=int, help="samples to compare (default: 64 random ones, or all of inputs.npz)")
    p.add_argument("--seed", type=int, default=0, help="of the random codes (default: 0)")
    add_json(p, "the table")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from codegen import verify
    from codegen.runners.edge import EDGE
    from codegen.runners.edge.image import image

    graph, against = load_graph(args), engines(args)
    if args.inputs:
        inputs, what = load_codes(args.inputs, graph, args.samples), args.inputs
    else:
        samples = 64 if args.samples is None else args.samples
        inputs, what = random_codes(graph, samples, args.seed), f"random codes, seed {args.seed}"
    with steps(2 * len(against), quiet=args.quiet) as step:
        report = verify(graph, inputs, against, progress=step)
    images = {target: image(graph, target) for target in against if target in EDGE}
    verdict = f"{'equal' if report.ok else 'MISMATCH'}: {report.samples} samples of {what}"
    document = {
        "ok": report.ok,
        "samples": report.samples,
        "data": what,
        "verify": [verify_entry(r) for r in report.rows],
        "images": {t: {"tool": i.tool, "flash": i.flash, "ram": i.ram, "stack": i.stack} for t, i in images.items()},
    }
    tell(args, "\n".join([str(report), *(f"{t}: {i}" for t, i in images.items()), verdict]), document)
    return 0 if report.ok else 1
