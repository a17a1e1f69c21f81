"""``hwsim verify``: is every engine equal to the definition, bit for bit?"""

from __future__ import annotations

import argparse
from typing import Any

from .data import first_samples, load_npz, random_codes
from .engines import add_against, engines
from .graphs import add_graph, load_graph
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
        help="compare engines bit for bit",
        description="Run a graph on several engines and compare every code with the numpy definition.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_graph(p)
    p.add_argument("inputs", metavar="inputs.npz", nargs="?", help="codes or reals; without it, seeded random codes")
    add_against(p)
    p.add_argument("--samples", type=int, help="samples to compare (default: 64 random ones, or all of inputs.npz)")
    p.add_argument("--seed", type=int, default=0, help="of the random codes (default: 0)")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from codegen import verify
    from codegen.runners.edge import EDGE
    from codegen.runners.edge.image import image

    graph, against = load_graph(args), engines(args)
    if args.inputs:
        inputs, what = first_samples(load_npz(args.inputs), graph, args.samples), args.inputs
    else:
        samples = 64 if args.samples is None else args.samples
        inputs, what = random_codes(graph, samples, args.seed), f"random codes, seed {args.seed}"
    with steps(2 * len(against), quiet=args.quiet) as step:
        report = verify(graph, inputs, against, progress=step)
    print(report)
    for target in (a for a in against if a in EDGE):
        print(f"{target}: {image(graph, target)}")
    print(f"{'equal' if report.ok else 'MISMATCH'}: {report.samples} samples of {what}")
    return 0 if report.ok else 1
