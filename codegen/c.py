"""Graph -> plain C99: no malloc, no libm, static arenas, constants in flash, one sample a call.

Two builds: *release* fuses element-by-element nodes into the loop that makes their input; *trace* keeps every value and
hands it to a callback. Both read the same templates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hwsim import __version__
from hwsim.formats import FloatFormat
from hwsim.graph import Graph, Value

from .fusion import MAPS, Chain, chains
from .memory import Buffer, plan
from .pack import words
from .render import render
from .targets import check_target
from .views import VIEWS
from .views.c_view import CView, Table, ctype, literal, takes_channel
from .views.names import identifier, identifiers


@dataclass(frozen=True)
class Footprint:
    """Bytes of the generated C: constants in flash, static arenas, the caller's input and output buffers."""

    flash: int
    arena: int
    io: int


@dataclass
class Program:
    """One emission of a graph: its steps, where every value lives, and the constants met so far.

    Args:
        ports: (identifier, value) of inputs, then of outputs: the caller's buffers.
        places: C expression of the buffer of each input and computed value.
        arenas: element type -> number of elements.
    """

    graph: Graph
    prefix: str
    steps: list[Chain]
    ports: list[tuple[str, Value]]
    places: dict[str, str]
    arenas: dict[str, int]
    tables: dict[tuple[str, bytes], Table] = field(default_factory=dict)

    @property
    def inputs(self) -> list[tuple[str, Value]]:
        """Ports of the inputs."""
        return self.ports[: len(self.graph.inputs)]

    @property
    def outputs(self) -> list[tuple[str, Value]]:
        """Ports of the outputs, each once."""
        return self.ports[len(self.graph.inputs) :]


def emit_c(graph: Graph, *, target: str = "generic", trace: bool = False) -> dict[str, str]:
    """C99 sources of `graph`: file name -> text. Files and symbols are named after the graph.

    Args:
        graph: the integer graph.
        target: see `codegen.targets`.
        trace: the build that shows every value to a callback instead of fusing.

    Raises:
        ValueError: unknown target.
    """
    check_target(target)
    program = arrange(graph, trace=trace)
    name, prefix = program.prefix, program.prefix
    model = {"version": __version__, "prefix": prefix, "trace": trace, **interface(program)}
    functions, calls = _functions(program, trace)
    data = [_data(t) for t in program.tables.values()]
    return {
        f"{name}.h": render("c", "header", **model),
        f"{name}.c": render(
            "c", "model", **model, functions=functions, calls=calls, arenas=program.arenas, idle=_idle(program, calls)
        ),
        f"{name}_data.h": render("c", "data_header", **model, data=data),
        f"{name}_data.c": render("c", "data", **model, data=data),
        "hw_qmath.h": render("c", "qmath", **model),
    }


def footprint(graph: Graph) -> Footprint:
    """Memory of the release build, from the same plan and tables as its text."""
    program = arrange(graph, trace=False)
    _functions(program, trace=False)
    arena = sum(n * np.dtype(element.removesuffix("_t")).itemsize for element, n in program.arenas.items())
    io = sum(v.type.elements * v.type.fmt.dtype.itemsize for _, v in program.ports)
    return Footprint(sum(t.bytes for t in program.tables.values()), arena, io)


def arrange(graph: Graph, *, trace: bool) -> Program:
    """Fuse, name the ports, plan the arenas."""
    steps, prefix = chains(graph, fuse=not trace), identifier(graph.name)
    values = [*graph.inputs, *dict.fromkeys(graph.outputs)]
    ports = list(zip(identifiers((v.name for v in values), taken=[prefix]), values, strict=True))
    made = {v.name for chain in steps for v in chain[-1][1].outs}
    places = {v.name: p for p, v in ports[len(graph.inputs) :] if v.name in made}
    places |= {v.name: p for p, v in ports[: len(graph.inputs)]}
    lives: dict[str, list[Buffer]] = {}
    for v, first, last in _lifetimes(steps):
        if v.name not in places:
            lives.setdefault(ctype(v.type.fmt), []).append(Buffer(v.name, v.type.elements, first, last))
    arenas = {}
    for element, buffers in lives.items():
        offsets, arenas[element] = plan(buffers)
        places |= {name: f"{prefix}_arena_{element} + {o}" for name, o in offsets.items()}
    return Program(graph, prefix, steps, ports, places, arenas)


def _lifetimes(steps: list[Chain]) -> list[tuple[Value, int, int]]:
    """(value, step that makes it, last step that reads it) of everything that gets a buffer."""
    last = {v.name: i for i, chain in enumerate(steps) for v in chain[0][1].ins}
    return [(v, i, max(i, last.get(v.name, i))) for i, chain in enumerate(steps) for v in chain[-1][1].outs]


def _functions(p: Program, trace: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One C function a step, one inline function a map, and the calls in order; steps of equal text share one function.

    Why: layers repeat, and flash is short.
    """
    maps, calls = [], []
    loops: dict[str, dict[str, Any]] = {}
    ids = {v.name: i for i, v in enumerate(p.graph.results(trace=True))}
    for chain in p.steps:
        head_number, head = chain[0]
        for number, node in chain:
            if node.op.name in MAPS:
                view = CView(p.graph, node, number, p.prefix, tables=p.tables)
                maps.append(_map(view))
        view = CView(p.graph, head, head_number, p.prefix, chain[1:], p.tables)
        function = _loop(view, chain)
        same = f"{function['parameters']}{function['body']}"
        loops.setdefault(same, function)["nodes"].append(head_number)
        sources = [p.places[v.name] for i, v in enumerate(head.ins) if view.variable(i)]
        targets = [p.places[v.name] for v in chain[-1][1].outs]
        shown = [(ids[v.name], p.places[v.name], v.type.elements) for v in chain[-1][1].outs] if trace else []
        calls.append({"name": loops[same]["name"], "arguments": [*sources, *targets], "shown": shown})
    for function in loops.values():
        function["note"] = f"{numbered(function['nodes'])}: {function['note']}"
    return maps + list(loops.values()), calls + _copies(p)


def _map(view: CView) -> dict[str, Any]:
    """An element-by-element node as an inline function."""
    op, out, x = view.node.op.name, ctype(view.out.fmt), view.type(0).fmt
    VIEWS[op].c(view)
    body = render("c", op, **view.fields | {"out": out})
    channel = ["int32_t c"] if takes_channel(view.node) else []
    name = f"{view.prefix}_n{view.number}"
    note = f"{numbered([view.number])}: {_note(view)}"
    return {"name": name, "inline": True, "returns": out, "parameters": [f"{ctype(x)} x", *channel], "body": body,
            "note": note}  # fmt: skip


def _loop(view: CView, chain: Chain) -> dict[str, Any]:
    """A node that fills its result, with the maps fused behind it."""
    op, results = view.node.op.name, chain[-1][1].outs
    fields: dict[str, Any] = {"out": ctype(view.out.fmt), "store": view.store, "loops": view.loops()}
    fields |= {"at": view.out_index(), "channel": view.channel()}
    if op in MAPS:
        op, last = "map", view.out.sample_shape[-1:] or (1,)
        name = f"{view.prefix}_n{view.number}"
        inner = f"{name}({view.load(0).code('i')}{f', i % {last[0]}' if takes_channel(view.node) else ''})"
        fields |= {"size": view.out.elements, "value": view.store(inner, f"i % {last[0]}")}
    else:
        VIEWS[op].c(view)
    body = render("c", op, **fields | view.fields)
    ins = [f"const {ctype(v.type.fmt)} *x{i}" for i, v in enumerate(view.node.ins) if view.variable(i)]
    outs = [f"{ctype(v.type.fmt)} *y{i}" for i, v in enumerate(results)]
    name = f"{view.prefix}_step{view.number}"
    return {
        "name": name,
        "inline": False,
        "returns": "void",
        "parameters": ins + outs,
        "body": body,
        "nodes": [],
        "note": _note(view),
    }


def _note(view: CView) -> str:
    """What the node is, in words that no model can choose."""
    contract = getattr(view.node.op, "contract", None)
    how = f" {contract.name} {getattr(contract, 'rounding', '')}".rstrip() if contract else ""
    outs = ", ".join(f"{v.type.fmt.name} {list(v.type.sample_shape)}" for v in view.node.outs)
    return f"{view.node.op.name}{how} -> {outs}"


def numbered(nodes: list[int]) -> str:
    """``node 3`` or ``nodes 3, 8``."""
    return f"node{'s' * (len(nodes) > 1)} {', '.join(map(str, nodes))}"


def _copies(p: Program) -> list[dict[str, Any]]:
    """Outputs that are inputs or constants are copied into the caller's buffer."""
    copies = []
    for port, v in p.outputs:
        if v.name in p.places and p.places[v.name] == port:
            continue
        source = p.places.get(v.name)
        if source is None:
            codes = p.graph.constants[v.name].codes
            view = CView(p.graph, p.graph.nodes[0], 0, p.prefix, tables=p.tables)
            source = view.table(codes, f"output {v.type.fmt.name}", ctype(v.type.fmt))
        copies.append({"name": "", "target": port, "source": source, "size": v.type.elements, "shown": []})
    return copies


def _idle(p: Program, calls: list[dict[str, Any]]) -> list[str]:
    """Inputs that nothing reads; C wants them named."""
    read = {a for c in calls for a in [*c.get("arguments", ()), c.get("source")]}
    return [port for port, _ in p.inputs if port not in read]


def interface(p: Program) -> dict[str, Any]:
    """Ports with their types, sizes, scales and how reals become codes."""
    ports = [_port(name, v) for name, v in p.ports]
    n = len(p.graph.inputs)
    parameters = [f"const {q['ctype']} *{q['name']}" for q in ports[:n]] + [
        f"{q['ctype']} *{q['name']}" for q in ports[n:]
    ]
    return {"inputs": ports[:n], "outputs": ports[n:], "parameters": parameters}


def _port(name: str, v: Value) -> dict[str, Any]:
    t = v.type
    is_float, plain = isinstance(t.fmt, FloatFormat), isinstance(t.scale, float) and isinstance(t.zero_point, int)
    grid = t.fmt.grid[: (1 << (t.fmt.bits - 1)) - t.fmt.reserved].tolist() if isinstance(t.fmt, FloatFormat) else []
    return {
        "name": name,
        "macro": name.upper(),
        "ctype": ctype(t.fmt),
        "size": t.elements,
        "note": f"{t.fmt.name}, shape {list(t.sample_shape)}",
        "convertible": plain and t.fmt.bits <= 32,
        "scale": repr(t.scale),
        "scale_note": repr(t.scale) if plain else "one a channel",
        "zero": t.zero_point if plain else 0,
        "lo": literal(t.fmt.min_int),
        "hi": literal(t.fmt.max_int),
        "grid": grid,
        "lsb": repr(float(t.lsb)) if plain else "",
        "unit": repr(2.0**-t.fmt.lsb_exp) if is_float else "",
        "sign": 1 << (t.fmt.bits - 1),
    }


def _data(t: Table) -> dict[str, Any]:
    """One constant array: bytes as words, floats in hexadecimal, everything else as decimal literals."""
    small = t.values.itemsize == 1
    values = words(t.values) if small else t.values
    texts = [float(v).hex() + "f" for v in values] if t.ctype == "float" else [_literal(int(v), small) for v in values]
    lines = [", ".join(texts[i : i + 12]) for i in range(0, len(texts), 12)]
    return {
        "name": t.name,
        "ctype": "uint32_t" if small else t.ctype,
        "size": len(texts),
        "lines": lines,
        "note": t.note,
    }


def _literal(v: int, small: bool) -> str:
    return f"HW_LE({v:#010x}u)" if small else literal(v)
