"""An outside ONNX model made plain: checked, functions inlined, constants folded, every shape known, dead nodes gone.

The batch is the first axis of every input. Where the file leaves it open, shapes are inferred for a batch of a prime
number that divides no other size of the file, so ``Shape -> Gather -> Concat`` chains fold to numbers and a size that
mixes the batch with something else is seen.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .onnx_file import attribute_of, numbers_of, read_proto, type_name
from .onnx_folding import CONTROL, folded
from .unsupported import Unsupported, problem

Array = NDArray[Any]
PRIMES = (11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)
LARGEST_AXIS = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operation of the file.

    Args:
        op: type, such as ``Conv``; of another domain ``com.microsoft.QLinearAdd``.
        ins, outs: names; "" is an optional one that is not there.
        attrs: attributes as Python numbers, strings, lists and arrays.
        where: position, type and name, for messages.
    """

    op: str
    ins: tuple[str, ...]
    outs: tuple[str, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A plain model.

    Args:
        name: of the graph.
        source: the file, for messages.
        opset: of the standard operators.
        batch: the number that stands for the batch in `shapes`.
        is_open: whether the file left it open.
        inputs, outputs: names in order; inputs depend on no initializer.
        constants: initializers and everything computed of them alone.
        shapes: of every value, with the batch as it was inferred.
        dtypes: ONNX element type of values and constants, such as ``float``, ``int4``, ``uint8``.
        nodes: in order; each is needed for an output.
    """

    name: str
    source: str
    opset: int
    batch: int
    is_open: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: dict[str, Array]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    nodes: tuple[Node, ...]

    def sample_shape(self, value: str) -> tuple[int, ...]:
        """Shape of one sample; ValueError where it is not known or the batch is not the first axis."""
        if value not in self.shapes:
            raise ValueError(f"the shape of {value!r} is not known before the model runs")
        shape = self.shapes[value]
        if not shape or shape[0] != self.batch or (self.is_open and any(n % self.batch == 0 for n in shape[1:] if n)):
            told = ", ".join("N" if n == self.batch and self.is_open else str(n) for n in shape)
            raise ValueError(f"{value!r} has shape ({told}); the batch must stay the first axis, and no other")
        return shape[1:]

    def readers(self) -> dict[str, list[Node]]:
        """Nodes by the values that they read."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.ins):
                found.setdefault(name, []).append(node)
        return found

    def values(self) -> list[str]:
        """Inputs and results."""
        return [*self.inputs, *(o for n in self.nodes for o in n.outs)]

    def makers(self) -> dict[str, Node]:
        """The node of each result."""
        return {name: node for node in self.nodes for name in node.outs if name}


def load_model(
    source: str | os.PathLike[str] | bytes | Any, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Model:
    """The model in a file, in bytes, or a ``ModelProto``.

    Args:
        source: file, bytes or ``onnx.ModelProto``. Weights beside a file are read from its folder alone.
        shapes: sample shapes (without batch) of inputs that the file leaves open.

    Raises:
        ValueError: no ONNX model, not valid, too large, of an opset that is not read, inputs without a shape.
        Unsupported: everything that cannot be made plain.
    """
    where, proto, opset = read_proto(source)
    fixed = settle_inputs(where, proto.graph, dict(shapes or {}))
    for batch in [fixed] if fixed else free_primes(proto.graph):
        made = plain_model(where, proto, opset, batch, is_open=not fixed)
        if fixed or not any(n and n % batch == 0 for v in made.values() for n in made.shapes.get(v, ())[1:]):
            break  # Why: an inner size that is the prime's multiple by chance is not so for the next prime
    return made


def plain_model(where: str, original: Any, opset: int, batch: int, *, is_open: bool) -> Model:
    """The model for one batch."""
    proto = type(original)()
    proto.CopyFrom(original)
    given = {i.name for i in proto.graph.initializer}
    for i in proto.graph.input:
        if i.name not in given:
            i.type.tensor_type.shape.dim[0].dim_value = batch
    known = folded(where, proto)
    graph = proto.graph
    types = {v.name: v.type.tensor_type for v in (*graph.value_info, *graph.input, *graph.output)}
    found = {k: tuple(int(d.dim_value) for d in t.shape.dim) for k, t in types.items() if is_settled(t)}
    dtypes = {k: type_name(t.elem_type) for k, t in types.items() if t.elem_type}
    constants = {name: numbers_of(where, tensor) for name, tensor in known.items()}
    dtypes |= {name: type_name(tensor.data_type) for name, tensor in known.items()}
    nodes = needed(plain_nodes(graph, set(constants)), {o.name for o in graph.output})
    if problems := [problem(n.where, "branches and loops have no hardware graph") for n in nodes if n.op in CONTROL]:
        raise Unsupported(where, problems)
    read = {i for n in nodes for i in n.ins}
    inputs = tuple(i.name for i in graph.input if i.name not in constants)
    return Model(
        name=graph.name or Path(where).stem, source=where, opset=opset, batch=batch, is_open=is_open, inputs=inputs,
        outputs=tuple(o.name for o in graph.output),
        constants={k: c for k, c in constants.items() if k in read or k in {o.name for o in graph.output}},
        shapes=found | {k: tuple(map(int, c.shape)) for k, c in constants.items()}, dtypes=dtypes, nodes=nodes,
    )  # fmt: skip


def is_settled(tensor: Any) -> bool:
    """Whether every size of a tensor type is a number."""
    return tensor.HasField("shape") and all(d.HasField("dim_value") for d in tensor.shape.dim)


def settle_inputs(where: str, graph: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    """Write a number into every size of the inputs but an open batch; the batch, 0 where it is open."""
    given = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in given]
    if unknown := set(shapes) - {i.name for i in inputs}:
        raise ValueError(f"{where}: shapes of {sorted(unknown)}; the inputs are {[i.name for i in inputs]}")
    problems: list[str] = [] if inputs else [problem("the graph", "no inputs, so nothing to calibrate or to run")]
    batches: dict[str, int] = {}
    for i in inputs:
        if not i.type.HasField("tensor_type") or not i.type.tensor_type.HasField("shape"):
            problems.append(problem(f"input {i.name!r}", "no tensor of a known rank", "give it a shape in the file"))
            continue
        problems += settle_input(i, shapes)
        first = i.type.tensor_type.shape.dim[:1]
        if first and first[0].HasField("dim_value"):
            batches[i.name] = int(first[0].dim_value)
    if len(set(batches.values())) > 1 or (batches and len(batches) < len(inputs)):
        problems.append(problem("inputs", f"first axes {batches} do not agree", "the batch is the first axis of each"))
    if problems:
        raise Unsupported(where, problems)
    forget_shapes(graph)
    return next(iter(batches.values()), 0)


def settle_input(i: Any, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Write given sizes into one input; what is wrong with it."""
    dims, want = i.type.tensor_type.shape.dim, shapes.get(i.name)
    if not dims:
        return [problem(f"input {i.name!r}", "a scalar has no batch axis")]
    if want is not None and len(want) != len(dims) - 1:
        return [problem(f"input {i.name!r}", f"{len(dims) - 1} axes behind the batch, shapes gives {tuple(want)}")]
    problems = []
    for axis, d in enumerate(dims):
        if axis and want is not None:
            if d.HasField("dim_value") and d.dim_value != want[axis - 1]:
                problems.append(problem(f"input {i.name!r}", f"axis {axis} is {d.dim_value}, not {want[axis - 1]}"))
            d.dim_value = int(want[axis - 1])
        if axis and not d.HasField("dim_value"):
            told = d.dim_param or "unknown"
            problems.append(problem(f"input {i.name!r}", f"axis {axis} is open ({told})", "give shapes={name: (..)}"))
        elif d.HasField("dim_value") and not 0 < d.dim_value < LARGEST_AXIS:
            problems.append(problem(f"input {i.name!r}", f"axis {axis} has size {d.dim_value}"))
    return problems


def free_primes(graph: Any) -> list[int]:
    """A few primes that divide no size of the file."""
    sizes = {int(n) for i in graph.initializer for n in i.dims}
    tensors = (v.type.tensor_type for v in (*graph.input, *graph.output, *graph.value_info))
    sizes |= {int(d.dim_value) for t in tensors for d in t.shape.dim}
    sizes |= {int(n) for node in graph.node for a in node.attribute for n in (*a.ints, a.i)}
    return [p for p in PRIMES if all(n % p for n in sizes if n)][:4] or [101]


def forget_shapes(graph: Any) -> None:
    """Drop what the file says of inner shapes: they are inferred anew, for one batch."""
    del graph.value_info[:]
    for o in graph.output:
        o.type.tensor_type.ClearField("shape")


def plain_nodes(graph: Any, constants: set[str]) -> list[Node]:
    """Nodes that compute something at run time."""
    nodes = []
    for at, n in enumerate(graph.node):
        if set(n.output) <= constants | {""}:
            continue
        op = n.op_type if n.domain in ("", "ai.onnx") else f"{n.domain}.{n.op_type}"
        where = f"node {at} {op} {(n.name or next(iter(n.output), ''))[-60:]!r}"
        attrs = {a.name: attribute_of(a) for a in n.attribute}
        nodes.append(Node(op=op, ins=tuple(n.input), outs=tuple(n.output), attrs=attrs, where=where))
    return nodes


def needed(nodes: list[Node], wanted: set[str]) -> tuple[Node, ...]:
    """Those whose results reach an output."""
    kept: list[Node] = []
    wanted = set(wanted)
    for node in reversed(nodes):
        if wanted.intersection(node.outs):
            kept.append(node)
            wanted.update(node.ins)
    return tuple(reversed(kept))
