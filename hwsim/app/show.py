"""``hwsim show``: what is in a graph, layer by layer."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..graph import Graph
from ..reports.layers import layer_rows
from ..reports.report import layer_entry, model_entry, totals
from ..reports.text import layer_table, totals_lines
from ..reports.wording import name
from ..store import load
from .errors import explain

EXAMPLES = """examples:
  hwsim show build/model.qg
  hwsim show build/model.qg --json | jq '.layers[].bits_needed'"""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "show",
        help="print a graph layer by layer",
        description="Print op, shape, format, scale, contract, proven bits, MACs and constants of every value.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("model", metavar="model.qg")
    p.add_argument("--json", action="store_true", help="print JSON")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    graph = load(args.model)
    sizes, reason = memory(graph)
    layers, total = [layer_entry(r) for r in layer_rows(graph)], totals(graph, sizes)
    if args.json:
        document = {"model": model_entry(graph, args.model), "recipe": graph.recipe, "totals": total, "layers": layers}
        print(json.dumps(document, indent=1, allow_nan=False))
        return 0
    print(f"{name(graph.name)}: {len(graph.nodes)} nodes\n")
    print(layer_table(layers), end="\n\n")
    print("\n".join([*totals_lines(total), *([f"no C, so no memory: {reason}"] if reason else [])]))
    return 0


def memory(graph: Graph) -> tuple[Any, str]:
    """The footprint of the graph's C, or None and why there is no C of it."""
    try:
        from codegen import footprint

        return footprint(graph), ""
    except (ValueError, ImportError) as e:
        return None, explain(e)
