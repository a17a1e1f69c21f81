"""``hwsim memory``: flash and RAM of a model on a target before anything is flashed, and what is where at each step."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path
from typing import Any

from ..graph import Graph
from ..reports.memory import arena_table, code_lines, memory_entry, memory_text, target_table
from ..reports.memory_plot import plot_memory
from ..reports.wording import name
from ..store import write_atomically
from .errors import explained
from .folder import check_file, place
from .graphs import QUANTIZED, add_contract, load_graph
from .output import add_json, tell

ALL = "all"
EXAMPLES = """examples:
  hwsim memory build/model.qg                                   what is where, step by step
  hwsim memory build/model.qg --target cortex-m4 --svg memory.svg
  hwsim memory build/model.qg --target all                      flash, RAM and stack of each target
  hwsim memory kws.tflite ad01.tflite --against tflm            beside TFLM's arenas for the same files"""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "memory",
        description="Print flash and RAM of a graph's C on a target, and every buffer: where it is, and when.",
        epilog=EXAMPLES,
    )
    p.add_argument("models", metavar="MODEL", nargs="+", help=QUANTIZED)
    add_contract(p)
    p.add_argument(
        "--target", default="generic", help="profile, such as cortex-m4, or all for a table (default: generic)"
    )
    p.add_argument("--svg", type=place, metavar="out.svg", help="write the picture: steps across, bytes down")
    add_json(p, "the plan, or the table,")
    p.add_argument("--no-code", action="store_true", help="do not compile, so leave out the size of code")
    p.add_argument("--against", choices=("tflm",), help="a table beside the arenas of TFLM, for .tflite files")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.svg and (args.against or args.target == ALL):
        raise ValueError("memory: --against and --target all make tables, not a picture; leave out --svg")
    if args.against and args.target == ALL:
        raise ValueError("memory: --against compares one target; name it")
    if args.against:
        rows = beside_tflm(args)
        tell(args, arena_table(rows), rows)
        return 0
    if len(args.models) > 1:
        raise ValueError(f"memory: {len(args.models)} models; give one, or compare them --against tflm")
    if args.svg:
        check_file(args.svg)
    graph = load_graph(Namespace(model=args.models[0], contract=args.contract))
    if args.target == ALL:
        made = every_target(graph, args)
        tell(args, target_table(made), [{**m, "code": code} for m, code, _ in made])
        return 0
    memory = entry(graph, args.target)
    code, reason = (None, "not compiled") if args.no_code else compiled(graph, args.target)
    if args.svg:
        write_atomically(args.svg, plot_memory(f"{name(graph.name)} on {args.target}", memory).encode())
    lines = [f"{name(graph.name)} on {args.target}", *code_lines(code, reason), memory_text(memory)]
    tell(args, "\n".join(lines), {**memory, "code": code})
    return 0


def every_target(graph: Graph, args: Namespace) -> list[tuple[dict[str, Any], dict[str, Any] | None, str]]:
    """Of each target its plan, and the sizes of the compiled code or why there are none."""
    from codegen.targets import TARGETS

    rows = []
    for target in TARGETS:
        code, reason = (None, "not compiled") if args.no_code else compiled(graph, target.name)
        rows.append((entry(graph, target.name), code, reason))
    return rows


def entry(graph: Graph, target: str) -> dict[str, Any]:
    """The plan as plain data."""
    from codegen.memory_map import memory_map

    return memory_entry(memory_map(graph, target))


def compiled(graph: Graph, target: str) -> tuple[dict[str, Any] | None, str]:
    """Sizes of the compiled code, or None and why there are none."""
    from dataclasses import asdict

    from codegen.code_size import code_size

    try:
        return asdict(code_size(graph, target)), ""
    except (ValueError, RuntimeError) as e:
        return None, explained(e)


def beside_tflm(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a file: our arenas and ports, TFLM's tensors and the rest of its arena."""
    from codegen import footprint
    from codegen.runners.timed_outside import tflm_arena

    rows = []
    for model in args.models:
        if Path(model).suffix.lower() != ".tflite":
            raise ValueError(f"{model}: TFLM runs .tflite files alone")
        ours = footprint(load_graph(Namespace(model=model, contract=args.contract)), args.target)
        theirs = tflm_arena(Path(model).read_bytes())
        rows.append({"name": Path(model).name, "arena": ours.arena, "io": ours.io, **theirs})
    return rows
