"""Graph -> ONNX: text by Jinja, parsed by `onnx.parser`, one model-local function (domain ``hwsim``) a kind of node.

Why functions: the graph reads like the integer graph in any viewer, and any runtime executes it exactly. Names and
arrays are attached after parsing, so nothing from a model ever enters the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim import __version__
from hwsim.formats import FloatFormat
from hwsim.graph import Graph
from hwsim.qtensor import QType

from .render import render
from .views import VIEWS
from .views.onnx_types import INT64, Kind, carrier
from .views.onnx_view import OnnxView

if TYPE_CHECKING:
    import onnx

OPSET = 18


@dataclass
class _Text:
    """What the model template sees, and what is attached after parsing."""

    ids: dict[str, str] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    functions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    def id(self, name: str) -> str:
        """The identifier that stands for a value in the text."""
        return self.ids.setdefault(name, f"v{len(self.ids)}")

    def array(self, a: NDArray[Any], owner: str) -> str:
        """Attach an array that the maker of value `owner` reads; its identifier."""
        name = f"t{len(self.arrays)}"
        self.arrays[name] = a
        self.owners[name] = next(n for n, i in self.ids.items() if i == owner)
        return name

    def node(
        self, kind: str, body: str, ins: Sequence[str], arrays: Sequence[NDArray[Any]], outs: Sequence[str]
    ) -> None:
        """One call of the function with this body; equal bodies share one function."""
        f = self.functions.get((kind, body))
        if f is None:
            same = sum(k == kind for k, _ in self.functions)
            formal = [f"x{i}" for i, n in enumerate(ins) if n] + [f"t{i}" for i in range(len(arrays))]
            f = {"name": kind if not same else f"{kind}_{same + 1}", "ins": formal, "body": body}
            f["outs"] = [f"y{i}" for i in range(len(outs))]
            self.functions[kind, body] = f
        actual = [n for n in ins if n] + [self.array(a, outs[0]) for a in arrays]
        self.nodes.append({"function": f["name"], "ins": actual, "outs": list(outs)})


def emit_onnx(graph: Graph, *, io: str = "codes", trace: bool = False) -> onnx.ModelProto:
    """An ONNX model of `graph` that any conforming runtime executes with the same bits.

    Args:
        graph: the integer graph.
        io: ``codes``: inputs and outputs are codes (formats of 9 to 32 bits ride in int32, wider ones in int64);
            ``float``: the model quantizes its float32 inputs, which must be finite (what ONNX makes of NaN is
            undefined), and dequantizes its outputs to float32.
        trace: every computed value is an output too.

    Raises:
        ValueError: unknown `io`, or a graph whose output is no computed value.
    """
    if io not in ("codes", "float"):
        raise ValueError(f"io {io!r} is unknown: use 'codes' or 'float'")
    import onnx  # Why here: everything but this function works without onnx

    text = _Text()
    quantized = {v.name: v.name for v in graph.inputs}
    if io == "float":
        for v in graph.inputs:
            quantized[v.name] = f"{v.name}\0codes"
            _edge(text, "quantize", *_quantize(v.type), text.id(v.name), text.id(quantized[v.name]))
    for node in graph.nodes:
        view = OnnxView(graph, node)
        VIEWS[node.op.name].onnx(view)
        body = render("onnx", node.op.name, **view.fields | {"to": view.out.id})
        ins = ["" if i in view.replaces else text.id(quantized.get(v.name, v.name)) for i, v in enumerate(node.ins)]
        text.node(node.op.name, body, ins, view.arrays, [text.id(v.name) for v in node.outs])
    outputs = _outputs(graph, text, io, trace)
    model = _parse(graph, text, io, outputs)
    onnx.checker.check_model(model, full_check=True)
    return model


def _outputs(graph: Graph, text: _Text, io: str, trace: bool) -> list[tuple[str, str, QType]]:
    """(identifier, name, type) of every output. An output that is an input or a constant is copied."""
    result, used = [], {v.name for v in graph.inputs} | graph.constants.keys()
    for v in graph.results(trace=trace):
        if io == "float":
            name = f"{v.name}\0real"
            _edge(text, "dequantize", *_dequantize(v.type), text.id(v.name), text.id(name))
            result.append((text.id(name), f"{v.name}::real" if v.name in used else v.name, v.type))
        elif v.name in used:
            text.node("copy", "    y0 = Identity (x0)\n", [text.id(v.name)], [], [text.id(f"{v.name}\0copy")])
            result.append((text.id(f"{v.name}\0copy"), f"{v.name}::copy", v.type))
        else:
            result.append((text.id(v.name), v.name, v.type))
    return result


def _edge(text: _Text, kind: str, fields: dict[str, Any], arrays: list[NDArray[Any]], source: str, target: str) -> None:
    text.node(kind, render("onnx", kind, **fields), [source], arrays, [target])


def _quantize(t: QType) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """`hwsim.quantize` in doubles: round half to even, zero point, saturate."""
    scale, fields = np.asarray(t.along_axis(t.scale), np.float64), {"scale": "t0", "to": carrier(t.fmt).id}
    if not isinstance(t.fmt, FloatFormat):
        ends = {"lo": t.fmt.min_int, "hi": t.fmt.max_int}
        return fields | {"grid": False, "zero": "t1", **ends}, [
            scale,
            np.asarray(t.along_axis(t.zero_point), np.float64),
        ]
    grid = np.ldexp(t.fmt.grid[: (1 << (t.fmt.bits - 1)) - t.fmt.reserved].astype(np.float64), t.fmt.lsb_exp)
    odd = np.arange(1, grid.size) % 2 == 0  # the upper neighbour is even: a tie goes up
    fields |= {"grid": True, "midpoints": "t1", "odd": "t2", "bit": 1 << (t.fmt.bits - 1)}
    return fields, [scale, (grid[1:] + grid[:-1]) / 2, odd]


def _dequantize(t: QType) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """(grid integer - zero point) * lsb, in doubles."""
    arrays: list[NDArray[Any]] = [np.asarray(t.along_axis(t.lsb), np.float64)]
    x: dict[str, Any] = {"x": "x0", "a": "a0", "to": INT64.id, "grid": None, "zero": None, "gain": None}
    if isinstance(t.fmt, FloatFormat):
        arrays.append(t.fmt.grid)
        x["grid"] = "t1"
    elif np.any(t.zero_point):
        arrays.append(np.asarray(t.along_axis(t.zero_point), np.int64))
        x["zero"] = "t1"
    return {"x": x, "lsb": "t0"}, arrays


def _parse(graph: Graph, text: _Text, io: str, outputs: list[tuple[str, str, QType]]) -> onnx.ModelProto:
    """Parse the text, then put the real names and the arrays in."""
    from onnx import numpy_helper, parser

    kinds = {name: _kind(graph, io, t) for _, name, t in outputs} | {
        v.name: _kind(graph, io, v.type) for v in graph.inputs
    }
    inputs = [f"{kinds[v.name].name}[{_sizes(v.type)}] {text.id(v.name)}" for v in graph.inputs]
    outs = [f"{kinds[name].name}[{_sizes(t)}] {i}" for i, name, t in outputs]
    source = render(
        "onnx", "model", opset=OPSET, inputs=inputs, outputs=outs, nodes=text.nodes, functions=text.functions.values()
    )
    model: onnx.ModelProto = parser.parse_model(source)
    used = {n for call in text.nodes for n in call["ins"]}
    constants = {text.ids[n]: t.codes for n, t in graph.constants.items() if text.ids.get(n) in used}
    for name, a in [*text.arrays.items(), *constants.items()]:
        codes = a if name in text.arrays else a.astype(_constant_kind(graph, text, name).dtype)
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(codes, order="C"), name))
    _rename(model, graph, text, {i: name for i, name, _ in outputs})
    model.producer_name, model.producer_version = "hwsim", __version__
    return model


def _constant_kind(graph: Graph, text: _Text, identifier: str) -> Kind:
    name = next(n for n, i in text.ids.items() if i == identifier)
    return carrier(graph.constants[name].type.fmt)


def _kind(graph: Graph, io: str, t: QType) -> Kind:
    return Kind("float") if io == "float" else carrier(t.fmt)


def _sizes(t: QType) -> str:
    return ", ".join(str(d) for d in t.shape)


def _rename(model: onnx.ModelProto, graph: Graph, text: _Text, outputs: dict[str, str]) -> None:
    """Identifiers -> the graph's own names, which may be any strings; what has none of its own gets a free one."""
    final = {text.ids[v.name]: v.name for v in graph.inputs} | outputs
    taken = set(final.values())
    tables = [(i, f"{owner}::{i}") for i, owner in text.owners.items()]
    for i, name in [*((i, n) for n, i in text.ids.items()), *tables]:
        name = name.replace("\0", "::")
        while i not in final and name in taken:
            name += "_"
        final.setdefault(i, name)
        taken.add(final[i])
    for tensor in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        tensor.name = final[tensor.name]
    for node in model.graph.node:
        node.input[:] = [final[i] for i in node.input]
        node.output[:] = [final[i] for i in node.output]
        node.name = node.output[0]
    model.graph.name = graph.name
