"""Graph -> plain C99: no malloc, no libm, static arenas, constants in flash, one sample a call.

Two builds: *release* fuses element-by-element nodes into the loop that makes their input; *trace* keeps every value and
hands it to a callback. Both read the same templates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hwsim import __version__
from hwsim.formats import FloatFormat
from hwsim.graph import Graph, Value

from .cmsis import cmsis_call
from .float_nodes import check_floats
from .fusion import MAPS, Chain, chains
from .layout import Layout, arrange
from .pack import words
from .program import Program, Step, ports_of
from .render import render
from .sharing import overwritable
from .targets import target_named
from .tiles import headers
from .views import VIEWS
from .views.c_view import CView, Table, ctype, literal, takes_channel


@dataclass(frozen=True)
class Footprint:
    """Bytes of the generated C: constants in flash, static arenas, the caller's input and output buffers."""

    flash: int
    arena: int
    io: int


def emit_c(graph: Graph, *, target: str = "generic", trace: bool = False, reentrant: bool = False) -> dict[str, str]:
    """C99 sources of `graph`: file name -> text. Files and symbols are named after the graph.

    Args:
        graph: the integer graph.
        target: see `codegen.targets`.
        trace: the build that shows every value to a callback instead of fusing.
        reentrant: arenas in a context that the caller owns, so that calls with different contexts may overlap.

    Raises:
        ValueError: unknown target; Unsupported where it has no FPU and nodes compute in float.
    """
    return files(Program.of(graph, target_named(target), trace=trace, reentrant=reentrant))


def files(program: Program) -> dict[str, str]:
    """Every file of an emission: name -> text."""
    check_floats(program.graph, program.target)
    functions, layout, calls = write(program)
    name, prefix = program.prefix, program.prefix
    model = {
        "version": __version__,
        "prefix": prefix,
        "trace": program.trace,
        "cmsis": program.cmsis,
        **interface(program.graph),
        "parameters": _takes(program),
    }
    model |= {"context": layout.arenas if program.reentrant else None}
    model["kernels"] = headers(program.target)
    data = [_data(t) for t in program.tables.values()]
    body = {"functions": functions, "calls": calls, "arenas": layout.arenas, "idle": _idle(program, calls)}
    return {
        f"{name}.h": render("c", "header", **model),
        f"{name}.c": render("c", "model", **model, **body),
        f"{name}_data.h": render("c", "data_header", **model, data=data),
        f"{name}_data.c": render("c", "data", **model, data=data),
        "hw_qmath.h": render("c", "qmath", **model),
        **{f"hw_{k}.h": render("c", k, **model) for k in model["kernels"]},
    }


def footprint(graph: Graph, target: str = "generic") -> Footprint:
    """Memory of the release build, from the same plan and tables as its text."""
    program = Program.of(graph, target_named(target), trace=False)
    _, layout, _ = write(program)
    io = sum(v.type.elements * v.type.fmt.dtype.itemsize for _, v in program.ports)
    return Footprint(sum(t.bytes for t in program.tables.values()), layout.plan.total, io)


def write(p: Program) -> tuple[list[dict[str, Any]], Layout, list[dict[str, Any]]]:
    """All functions; then, since they say what they need while they run, where every value lives; then the calls.

    Tables that no text names are dropped: a view may keep a constant in a form that its template does not choose.
    """
    functions = _functions(p)
    layout = arrange(p)
    called = {step.function for step in layout.steps}
    functions = [f for f in functions if f["inline"] or f["name"] in called]
    calls = _calls(p, layout)
    texts = [f["body"] for f in functions] + [c["source"] for c in calls if "source" in c]
    named = set(re.findall(rf"\b{p.prefix}_t\d+\b", "\n".join(texts)))
    for key in [k for k, t in p.tables.items() if t.name not in named]:
        del p.tables[key]
    return functions, layout, calls


def _functions(p: Program) -> list[dict[str, Any]]:
    """One C function a step, one inline function a map; steps of equal text share one function.

    Why: layers repeat, and flash is short.
    """
    maps: list[dict[str, Any]] = []
    loops: dict[str, dict[str, Any]] = {}
    for chain in chains(p.graph, fuse=not p.trace):
        head_number, head = chain[0]
        view = p.view(head, head_number, chain[1:])
        made = cmsis_call(view, chain) if p.cmsis else None
        function = (
            {"name": f"{view.prefix}_step{view.number}", "nodes": [], "note": _note(view), **made}
            if made
            else _loop(view, chain)
        )
        called = set(re.findall(r"\w+", function["body"]))  # vector kernels have no need of some maps
        maps += [_map(p.view(node, n)) for n, node in chain if node.op.name in MAPS and f"{p.prefix}_n{n}" in called]
        same = f"{function['parameters']}{function['body']}"
        loops.setdefault(same, function)["nodes"].append(head_number)
        sources = [v for i, v in enumerate(head.ins) if view.variable(i)]
        p.steps.append(Step(chain, loops[same]["name"], sources, list(chain[-1][1].outs), view.scratch, made))
    for function in loops.values():
        function["note"] = f"{numbered(function['nodes'])}: {function['note']}"
    return maps + list(loops.values())


def _calls(p: Program, layout: Layout) -> list[dict[str, Any]]:
    """The steps in order with their buffers, then what copies outputs that nothing computes."""
    ids = {v.name: i for i, v in enumerate(p.graph.results(trace=True))}
    calls: list[dict[str, Any]] = []
    for step in layout.steps:
        arguments = [layout.places[v.name] for v in [*step.sources, *step.results]] + layout.scratch[step.number]
        shown = [(ids[v.name], layout.places[v.name], v.type.elements) for v in step.results] if p.trace else []
        cmsis = step.cmsis or {}
        arguments = ["scratch"] * bool(cmsis.get("size")) + arguments
        calls.append({"name": step.function, "arguments": arguments, "shown": shown, "cmsis": bool(cmsis)})
    return calls + _copies(p, layout)


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
    alone = "" if overwritable(view.node) else "restrict "  # Why: compilers vectorise what nothing else can change
    outs = [f"{ctype(v.type.fmt)} *{alone}y{i}" for i, v in enumerate(results)]
    outs += [f"{s.element} *{alone}s{i}" for i, s in enumerate(view.scratch)]
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


def _copies(p: Program, layout: Layout) -> list[dict[str, Any]]:
    """Outputs that are inputs or constants are copied into the caller's buffer."""
    copies = []
    for port, v in p.outputs:
        if layout.places.get(v.name) == port:
            continue
        source = layout.places.get(v.name)
        if source is None:
            codes = p.graph.constants[v.name].codes
            source = p.view(p.graph.nodes[0], 0).table(codes, f"output {v.type.fmt.name}", ctype(v.type.fmt))
        copies.append(
            {"name": "", "target": port, "source": source, "size": v.type.elements, "shown": [], "cmsis": False}
        )
    return copies


def _takes(p: Program) -> list[str]:
    """Parameters of the function that runs a sample."""
    context = [f"{p.prefix}_context *context"] if p.reentrant else []
    context += ["const cmsis_nn_context *scratch"] if p.cmsis else []
    return context + interface(p.graph)["parameters"] + ([f"{p.prefix}_trace trace"] if p.trace else [])


def _idle(p: Program, calls: list[dict[str, Any]]) -> list[str]:
    """Parameters that nothing reads; C wants them named."""
    read = {a for c in calls for a in [*c.get("arguments", ()), c.get("source")]}
    context = ["context"] if p.reentrant and not any("context->" in str(a) for a in read) else []
    context += ["scratch"] if p.cmsis and "scratch" not in read else []
    return context + [port for port, _ in p.inputs if port not in read]


def interface(graph: Graph) -> dict[str, Any]:
    """Ports with their types, sizes, scales and how reals become codes."""
    ports = [_port(name, v) for name, v in ports_of(graph)]
    n = len(graph.inputs)
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
