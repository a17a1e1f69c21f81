"""``hwsim bench``: a part of the project measured beside what is published of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import bench_area, bench_edge, bench_formats, bench_host, bench_lut, bench_magika, bench_qdq, bench_simulate
from .bench_models import add_models
from .output import add_json, tell
from .pool import add_jobs

MOST_SEEDS = 1000


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Something that can be measured.

    Args:
        name: as the user calls it.
        what: one line about it.
        run: the command's arguments to a printable text and plain JSON data.
    """

    name: str
    what: str
    run: Callable[[argparse.Namespace], tuple[str, Any]]


BENCHES = (
    Bench(name="lut", what="piecewise-linear tables: ours, GQA-LUT's, NN-LUT's, the optimum", run=bench_lut.run),
    Bench(name="formats", what="number formats and datapaths, multiply-accumulates a second", run=bench_formats.run),
    Bench(
        name="qdq",
        what="the QDQ export in ONNX Runtime against the integer graph, by session option",
        run=bench_qdq.run,
    ),
    Bench(name="host", what="our C beside LiteRT, TFLM and ONNX Runtime on one core", run=bench_host.run),
    Bench(name="edge", what="instructions of our C on emulated Cortex-M and RISC-V", run=bench_edge.run),
    Bench(
        name="area", what="recorded units beside GQA-LUT's and LLM-FP4's areas; the laws' errors", run=bench_area.run
    ),
    Bench(
        name="simulate",
        what="networks beside ONNX Runtime, numpy, qonnx and TFLM; start-up, memory",
        run=bench_simulate.run,
    ),
    Bench(name="magika", what="how often Magika in integers answers as in float", run=bench_magika.run),
)
EXAMPLES = f"""what there is to measure:
{chr(10).join(f"  {b.name:8} {b.what}" for b in BENCHES)}

examples:
  hwsim bench lut
  hwsim bench lut --seeds 5 --jobs 2 --json lut.json
  hwsim bench formats --sizes 512 1024 1024 --json formats.json
  hwsim bench host --only kws resnet8
  hwsim bench edge --only pointwise dense --targets cortex-m4 riscv32imc
  hwsim bench edge --only kws --targets cortex-m4                             by function too
  hwsim bench simulate --only vit-tiny resnet8 --rounds 9
  hwsim bench magika --json magika.json"""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "bench",
        description="Measure a part of the project beside what is published of it; seconds are this machine's.",
        epilog=EXAMPLES,
    )
    p.add_argument("what", metavar="WHAT", help=", ".join(b.name for b in BENCHES))
    p.add_argument("--seeds", type=int, default=5, metavar="K", help="lut: seeds of every search (default: 5)")
    add_jobs(p)
    sizes = " ".join(map(str, bench_formats.SIZES))
    text = f"formats: rows, terms of a sum, columns (default: {sizes})"
    p.add_argument("--sizes", type=int, nargs=3, default=bench_formats.SIZES, metavar=("M", "K", "N"), help=text)
    p.add_argument("--runs", type=int, default=9, metavar="R", help="formats: interleaved runs of each (default: 9)")
    p.add_argument("--rounds", type=int, default=15, metavar="R", help="host, simulate: rounds of turns (default: 15)")
    add_models(p)
    text = "edge: targets, such as cortex-m4 riscv32imc (default: all that can be built and run here)"
    p.add_argument("--targets", nargs="+", metavar="TARGET", default=[], help=text)
    add_json(p, "the figures")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    bench = next((b for b in BENCHES if b.name == args.what), None)
    if bench is None:
        raise ValueError(f"bench: {args.what!r} is unknown: use one of {', '.join(b.name for b in BENCHES)}")
    if not 1 <= args.seeds <= MOST_SEEDS:
        raise ValueError(f"bench: --seeds {args.seeds} is outside 1..{MOST_SEEDS}")
    text, figures = bench.run(args)
    tell(args, text, {bench.name: figures})
    return 0
