"""``hwsim estimate``: area, energy, cycles of a graph on hardware, per layer, with the derivation of every figure."""

from __future__ import annotations

import argparse
from typing import Any

from ..costs.estimation import estimate
from ..costs.hardware_file import hardware_named, shipped_hardware
from ..costs.narrowing import narrowed
from ..costs.technology import shipped, technology_named
from ..reports.estimate import compare_table, estimate_text, explain_text
from ..reports.estimate_data import estimate_data
from ..store import write_atomically
from .data import load_codes, random_codes
from .folder import check_file, place
from .graphs import add_graph, load_graph
from .output import add_json, tell

EXAMPLES = """examples:
  hwsim estimate build/model.qg                                  area and cycles on edge-int8
  hwsim estimate build/model.qg inputs.npz --hw edge-int8        with energy: toggle rates of these samples
  hwsim estimate build/model.qg inputs.npz --samples 8 --json estimate.json --html estimate.html
  hwsim estimate build/model.qg inputs.npz --explain head        how a node's figures come about
  hwsim estimate build/model.qg inputs.npz --compare edge-int8 edge-fp32
  hwsim estimate build/model.qg inputs.npz --compare edge-int8 --narrow        what narrower accumulators save
  hwsim estimate build/model.qg --random 4                       random codes, where there are no samples"""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "estimate",
        description="Cost a graph on hardware: recorded synthesis, fitted laws and named literature, each marked.",
        epilog=EXAMPLES,
    )
    add_graph(p)
    p.add_argument("inputs", metavar="inputs.npz", nargs="?", help="samples; without them area and cycles only")
    text = f"{', '.join(shipped_hardware())}, or a .toml file"
    p.add_argument("--hw", metavar="NAME", default="edge-int8", help=f"{text} (default: edge-int8)")
    text = f"{', '.join(shipped())}, or a .json table"
    p.add_argument("--technology", metavar="NAME", help=f"{text} (default: what the hardware names)")
    p.add_argument("--narrow", action="store_true", help="accumulators as wide as this model's sums can provably get")
    p.add_argument("--samples", metavar="N", type=int, help="use the first N samples (default: all)")
    p.add_argument("--random", metavar="N", type=int, help="instead of samples, N of uniform random codes, seed 0")
    p.add_argument("--explain", metavar="NODE", help="print the derivation of one node, by value name or index")
    p.add_argument("--compare", metavar="HW", nargs="+", help="one column each, instead of --hw")
    add_json(p, "everything, with provenance,")
    p.add_argument("--html", type=place, metavar="FILE.html", help="write a page: tables, bars, roofline")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.inputs and args.random is not None:
        raise ValueError("estimate: give inputs.npz or --random, not both")
    if args.samples is not None and not args.inputs:
        raise ValueError("estimate: --samples without inputs.npz; give it, or --random N")
    if args.compare and (args.explain or args.html):
        raise ValueError("estimate: --compare prints a table; leave out --explain and --html")
    if args.html:
        check_file(args.html)
    graph = load_graph(args)
    inputs = None
    if args.inputs:
        inputs = load_codes(args.inputs, graph, args.samples)
    elif args.random is not None:
        inputs = random_codes(graph, args.random, seed=0)
    technology = technology_named(args.technology) if args.technology else None
    hardware = [hardware_named(name) for name in args.compare or [args.hw]]
    if args.narrow:
        narrow = [narrowed(graph, h) for h in hardware]
        hardware = [h for pair in zip(hardware, narrow, strict=True) for h in pair] if args.compare else narrow
    if args.explain and inputs is not None:
        estimate(graph, hardware[0], technology=technology).node(args.explain)  # a wrong name is told before the work
    made = [estimate(graph, h, inputs, technology=technology) for h in hardware]
    if args.explain:
        text = explain_text(made[0], args.explain)
    else:
        text = compare_table(made) if args.compare else estimate_text(made[0])
    if args.html:
        from ..reports.estimate_html import render_estimate

        write_atomically(args.html, render_estimate(made[0]).encode())
    data = [estimate_data(e) for e in made]
    tell(args, text, data if args.compare else data[0])
    return 0
