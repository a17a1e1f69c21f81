"""``hwsim show``: what is in a graph: what goes in and out, contract, recipe, layers, memory."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..graph import Graph
from ..narrowest import narrowest_accumulator
from ..recipe import Recipe
from ..reports import wording as w
from ..reports.layers import layer_rows
from ..reports.memory import memory_entry, memory_lines
from ..reports.report import layer_entry, model_entry, totals
from ..reports.text import layer_table, totals_lines
from .errors import explained
from .graphs import add_graph, load_graph
from .output import add_json, tell

EXAMPLES = """examples:
  hwsim show build/model.qg
  hwsim show build/model.qg --json | jq '.layers[].bits_needed'
  hwsim show build/model.qg --witness head.acc
  hwsim show kws.tflite --contract tflm_double"""

SHOWN = 48  # codes of a witness on the terminal; --json has all
TITLE = 12  # characters


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "show",
        description="Print a graph: what goes in and out, contract, recipe, every value, and the memory of its C.",
        epilog=EXAMPLES,
    )
    add_graph(p)
    add_json(p, "everything")
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
        tell(args, *witness(graph, args.witness))
        return 0
    plan, reason = memory(graph)
    layers, total = [layer_entry(r) for r in layer_rows(graph)], totals(graph, plan)
    contracts, placed = contracts_of(layers), memory_entry(plan) if plan else None
    document = {
        "model": model_entry(graph, args.model), "recipe": graph.recipe, "contracts": contracts, "totals": total,
        "memory": placed, "layers": layers,
    }  # fmt: skip
    lines = [
        *overview(graph, contracts), "", layer_table(layers), "", *totals_lines(total),
        *([title("arenas", dict(memory_lines(placed))["arenas"])] if placed else []),
        *([f"no C, so no memory: {reason}"] if reason else []),
    ]  # fmt: skip
    tell(args, "\n".join(lines), document)
    return 0


def title(what: str, text: str) -> str:
    """A line of the terminal."""
    return f"{what:<{TITLE}}{text}"


def overview(graph: Graph, contracts: Mapping[str, int]) -> list[str]:
    """Size, inputs and outputs, contract, and where the recipe is not the default one."""
    ends = [title(what, ends_of(values)) for what, values in (("inputs", graph.inputs), ("outputs", graph.outputs))]
    kept = [title("states", ", ".join(w.name(n) for n in graph.states))] if graph.states else []
    counted = "; ".join(f"{n} x {c} ({w.CONTRACT_NOTES[c]})" for c, n in contracts.items())
    return [
        f"{w.name(graph.name)}: {len(graph.nodes)} nodes", "", *ends, *kept,
        title("contract", counted or "none: nothing is requantized"), title("recipe", recipe_line(graph.recipe)),
    ]  # fmt: skip


def ends_of(values: Sequence[Any]) -> str:
    """Name, shape, format and step of inputs or outputs."""
    return "; ".join(
        f"{w.name(v.name)} {w.shape(v.type.shape)} {v.type.fmt.name}, step {w.per_channel(v.type.scale)}"
        for v in values
    )


def contracts_of(layers: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many values each contract makes."""
    return dict(Counter(layer["contract"] for layer in layers if layer["contract"]))


def recipe_line(recipe: Mapping[str, Any] | None) -> str:
    """Weights and activations, and every other setting that is not the default."""
    if not recipe:
        return "none: the model was quantized by another tool"
    plain = Recipe().to_dict()
    named = {
        key: value for key, value in recipe.items() if key in ("weights", "activations") or value != plain.get(key)
    }
    return w.name(", ".join(f"{key} {setting(key, value)}" for key, value in named.items()), 400)


def setting(key: str, value: Any) -> str:
    """A setting in few words."""
    if isinstance(value, dict):
        return "of " + ", ".join(value) if key in ("tables", "overrides", "layouts") else str(value)
    return str(value)


def witness(graph: Graph, value: str) -> tuple[str, dict[str, Any]]:
    """How narrow the accumulator that makes `value` may be, and why not narrower: in words, and as data."""
    found = narrowest_accumulator(graph, value)
    codes = [int(c) for c in found.witness.ravel()]
    kept = ("value", "bits", "declared", "per_channel", "channel", "sum", "at")
    document = {k: getattr(found, k) for k in kept} | {"witness": codes, "shape": found.witness.shape}
    rest = f" ... ({len(codes)} codes, all with --json)" if len(codes) > SHOWN else ""
    lines = [
        f"{w.name(value)}: {found.bits} of {found.declared} bits, {min(found.per_channel)} in its easiest channel",
        f"channel {found.channel} reaches {found.sum} at {list(found.at)}; {found.bits - 1} bits overflow there",
        f"with this input, shape {list(found.witness.shape)}:",
        " ".join(map(str, codes[:SHOWN])) + rest,
    ]
    return "\n".join(lines), document


def memory(graph: Graph) -> tuple[Any, str]:
    """The memory map of the graph's C, or None and why there is no C of it."""
    try:
        from codegen.memory_map import memory_map

        return memory_map(graph, "generic"), ""
    except (ValueError, ImportError) as e:
        return None, explained(e)
