"""What a notebook shows of a graph: figures, a drawing, and a table of its values with what each provably reaches."""

from __future__ import annotations

from ..graph import Graph, Value
from . import wording as w
from .graph_drawing import draw_graph
from .layers import Layer, layer_rows, total_macs
from .notebook import Card, card_html
from .sheet import Sheet, shares

COLUMNS = ("value", "op", "format", "shape", "scale", "proven range", "bits", "contract", "MACs", "constants")
OPEN = 12  # rows of a table that is not folded


def graph_html(graph: Graph) -> str:
    """The card of a graph."""
    rows = layer_rows(graph)
    lines = [(kind, _port(v)) for kind, values in _ports(graph) for v in values[:4]]
    lines += [(kind, f"and {len(values) - 4} more") for kind, values in _ports(graph) if len(values) > 4]
    if kept := _recipe(graph):
        lines.append(("recipe", kept))
    return card_html(
        Card(
            title=f"Graph {graph.name}",
            note=figures(graph, rows),
            lines=lines,
            pictures=[draw_graph(graph)] if graph.nodes else [],
            sheets=[graph_sheet(rows)] if rows else [],
        )
    )


def figures(graph: Graph, rows: tuple[Layer, ...] | None = None) -> str:
    """Nodes, work and constants in one line."""
    rows = layer_rows(graph) if rows is None else rows
    constants, n = sum(r.constant_bytes for r in rows), len(graph.nodes)
    return f"{n} node{'s' * (n != 1)}, {w.large(total_macs(graph))} MACs a sample, {w.size(constants)} of constants"


def graph_sheet(rows: tuple[Layer, ...]) -> Sheet:
    """A row a value."""
    many = len(rows) > OPEN
    work = [float(r.macs) for r in rows]
    return Sheet(
        columns=COLUMNS,
        rows=[_cells(r) for r in rows],
        right=("MACs", "constants", "bits"),
        title=f"{len(rows)} values" if many else "",
        folded=many,
        bars=("MACs", shares(work)),
    )


def _cells(r: Layer) -> list[str]:
    entry = {"contract": r.contract, "rounding": r.rounding, "datapath": r.datapath}
    return [
        w.name(r.value, 48), r.op, r.format, w.shape(r.shape), w.per_channel(r.scale),
        f"{r.reach[0]:,} \N{HORIZONTAL ELLIPSIS} {r.reach[1]:,}", f"{r.bits_needed} of {r.bits_declared}",
        w.contract(entry), w.count(r.macs) if r.macs else "", w.size(r.constant_bytes) if r.constant_bytes else "",
    ]  # fmt: skip


def _ports(graph: Graph) -> list[tuple[str, list[Value]]]:
    states = {s.output for s in graph.states.values()}
    return [
        ("input", [v for v in graph.inputs if v.name not in graph.states]),
        ("output", [v for v in graph.outputs if v.name not in states]),
        ("state", [v for v in graph.inputs if v.name in graph.states]),
    ]


def _port(v: Value) -> str:
    t = v.type
    zero = f", zero point {w.per_channel(t.zero_point, 'd')}" if t.zero_point else ""
    return f"{w.name(v.name, 60)}: {t.fmt.name} {w.shape(t.shape)}, scale {w.per_channel(t.scale)}{zero}"


def _recipe(graph: Graph) -> str:
    """What the recipe says in a word each."""
    plain = {k: v for k, v in graph.recipe.items() if isinstance(v, str | int) and not isinstance(v, bool) and v != ""}
    return ", ".join(f"{k} {v}" for k, v in list(plain.items())[:8])
