"""``hwsim show``: what is in a graph, layer by layer."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..graph import Graph
from ..narrowest import narrowest_accumulator
from ..reports.layers import layer_rows
from ..reports.report import layer_entry, model_entry, totals
from ..reports.text import layer_table, totals_lines
from ..reports.wording import name
from .errors import explained
from .graphs import add_graph, load_graph

EXAMPLES = """examples:
  hwsim show build/model.qg
  hwsim show build/model.qg --json | jq '.layers[].bits_needed'
  hwsim show build/model.qg --witness fc1.acc"""

SHOWN = 48  # codes of a witness on the terminal; --json has all


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "show",
        help="print a graph layer by layer",
        description="Print op, shape, format, scale, contract, proven bits, MACs and constants of every value.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_graph(p)
    p.add_argument("--json", action="store_true", help="print JSON")
    p.add_argument(
        "--witness",
        metavar="VALUE",
        help="print the fewest bits of one accumulator, and an input that needs them all",
    )
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    graph = load_graph(args)
    if args.witness is not None:
        print(witness_text(graph, args.witness, as_json=args.json))
        return 0
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


def witness_text(graph: Graph, value: str, *, as_json: bool) -> str:
    """How narrow the accumulator that makes `value` may be, and why not narrower."""
    found = narrowest_accumulator(graph, value)
    codes = [int(c) for c in found.witness.ravel()]
    if as_json:
        kept = ("value", "bits", "declared", "per_channel", "channel", "sum", "at")
        document = {k: getattr(found, k) for k in kept} | {"witness": codes, "shape": found.witness.shape}
        return json.dumps(document, indent=1)
    rest = f" ... ({len(codes)} codes, all with --json)" if len(codes) > SHOWN else ""
    return "\n".join(
        [
            f"{name(value)}: {found.bits} of {found.declared} bits, {min(found.per_channel)} in its easiest channel",
            f"channel {found.channel} reaches {found.sum} at {list(found.at)}; {found.bits - 1} bits overflow there",
            f"with this input, shape {list(found.witness.shape)}:",
            " ".join(map(str, codes[:SHOWN])) + rest,
        ]
    )


def memory(graph: Graph) -> tuple[Any, str]:
    """The footprint of the graph's C, or None and why there is no C of it."""
    try:
        from codegen import footprint

        return footprint(graph), ""
    except (ValueError, ImportError) as e:
        return None, explained(e)
