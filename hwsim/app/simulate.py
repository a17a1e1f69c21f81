"""``hwsim simulate``: inputs.npz through a graph to outputs.npz."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..simulation import ENGINES
from ..simulation import simulate as run_graph
from ..store import write_atomically
from .data import dump_npz, load_codes
from .folder import check_file, place
from .graphs import add_graph, load_graph
from .output import add_json, tell

EXAMPLES = """examples:
  hwsim simulate build/model.qg inputs.npz -o outputs.npz
  hwsim simulate build/model.qg inputs.npz -o trace.npz --trace --engine numpy

The keys of inputs.npz are the names of the inputs, first axes are samples. Integer arrays are codes, float arrays are
reals and are quantized with the input's type. The results are codes."""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "simulate",
        description="Run a graph on inputs and write the codes of its outputs.",
        epilog=EXAMPLES,
    )
    add_graph(p)
    p.add_argument("inputs", metavar="inputs.npz", help="codes or reals of every input")
    p.add_argument("-o", "--output", type=place, metavar="outputs.npz", required=True, help="file to write")
    p.add_argument("--engine", default="numba", help=f"{' or '.join(ENGINES)}, the same bits (default: numba)")
    p.add_argument("--threads", type=int, default=1, metavar="N", help="of the numba engine, same bits (default: 1)")
    p.add_argument("--trace", action="store_true", help="write every value, not the outputs alone")
    add_json(p, "names, shapes and types of what was written")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    path: Path = args.output
    check_file(path)
    graph = load_graph(args)
    inputs = load_codes(args.inputs, graph, None)
    codes = run_graph(graph, inputs, engine=args.engine, trace=args.trace, threads=args.threads)
    write_atomically(path, dump_npz(codes))
    n = len(codes)
    values = {name: {"shape": x.shape, "dtype": x.dtype.name} for name, x in codes.items()}
    tell(args, f"{n} value{'s' * (n != 1)} written to {path}", {"file": str(path), "values": values})
    return 0
