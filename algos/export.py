"""nn.Module -> front graph, through undecomposed ``torch.export``.

A new operation is one entry in `algos.torch_ops.OPS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.front import FrontGraph, FrontNode

from .frameworks import nn, torch
from .torch_attention import Keep
from .torch_calls import Call, Refused, is_bookkeeping, op_of, operands, result_of, shape_of
from .torch_constants import EVERY_SAMPLE, fold, is_random
from .torch_division import Divisor, passed
from .torch_masks import Two, carried, is_mask, real, take_input
from .torch_multihead import Projection
from .torch_ops import HINTS, OPS, SUPPORTED
from .tracing import trace, where

CONSTANTS = "add it to, or multiply it with, a value"
LAYERS = ("torch.nn.", f"{Projection.__module__}.{Projection.__name__}")
COMPOSED = ("torch.nn.modules.transformer.", "torch.nn.modules.activation.MultiheadAttention")
Kind = torch.export.graph_signature.InputKind
OutputKind = torch.export.graph_signature.OutputKind
STORED = (Kind.PARAMETER, Kind.BUFFER, Kind.CONSTANT_TENSOR)


def export(model: nn.Module, example: Any) -> FrontGraph:
    """The front graph of `model` in eval mode.

    Values are named by module path (``block.0.fc1``; ``block.0.add`` for a function called in a module's forward;
    ``.1``, ``.2`` make them unique), parameters by their state_dict name (computed ones by what reads them), inputs by
    ``forward``'s arguments.

    Args:
        model: float module made of what `OPS` lists; dropout, identity, contiguous, clone and detach vanish.
        example: what `algos.tracing.trace` takes: inputs of one or more samples, batch first.

    Raises:
        ValueError: one line for each node, input or output that is not supported (all of them), with module and
            source line; or what `trace` and `FrontGraph.check` refuse.
    """
    return Export(model, trace(model, example)).run()


class Export:
    """State of one export, by node of the program.

    env: names of values. numbers: what depends on no input. repeated: the same for every sample, batch axis of 1.
    names: of constants that have one. masked: values on their way to softmax, with what to keep. moved: values whose
    batch is not axis 0 until one of that axis is taken, with the order of their axes. two: made of inputs of 0 and 1.
    counts: integers that are values. divisors: what a quotient may read. made: front nodes that several may share.
    """

    def __init__(self, model: nn.Module, program: torch.export.ExportedProgram) -> None:
        """Start a front graph without nodes."""
        self.program, self.signature = program, program.graph_signature
        self.front = FrontGraph(type(model).__name__.lower())
        self.env: dict[Call, str] = {}
        self.numbers: dict[Call, Any] = {}
        self.repeated: dict[Call, torch.Tensor] = {}
        self.names: dict[Call, str] = {}
        self.masked: dict[Call, tuple[str, Keep]] = {}
        self.two: dict[Call, Two] = {}
        self.counts: set[Call] = set()
        self.divisors: dict[Call, Divisor] = {}
        self.made: dict[tuple[Any, ...], str] = {}
        self.masks: dict[bytes, str] = {}
        self.moved: dict[Call, tuple[Call, list[int]]] = {}
        self.refused: set[Call] = set()
        self.problems: list[str] = []
        self.batch = ""
        first: dict[int, str] = {}  # a shared parameter goes by the first of its names
        named = model.state_dict(keep_vars=True)
        self.first_name = {name: first.setdefault(id(tensor), name) for name, tensor in named.items()}
        self.taken = set(named)

    def run(self) -> FrontGraph:
        """Every node in order; see `export`."""
        for spec, node in zip(self.signature.input_specs, self.nodes("placeholder"), strict=True):
            if spec.kind in STORED:
                self.store(node, str(spec.target))
            elif isinstance(node.meta["val"], torch.Tensor):
                self.collect(self.input, node, f"input {node.name!r}")
        for node in self.nodes("call_function"):
            self.collect(self.call, node, describe(node))
        (results,) = operands(self.nodes("output")[0])
        for i, (spec, result) in enumerate(zip(self.signature.output_specs, results, strict=True)):
            self.collect(self.output, (spec, result), f"output {i}")
        if self.problems:
            raise ValueError("\n".join(self.problems))
        self.front.check()
        return self.front

    def store(self, node: Call, target: str) -> None:
        """A parameter or buffer of the model."""
        self.numbers[node] = self.program.state_dict.get(target, self.program.constants.get(target))
        self.names[node] = self.first_name.get(target, target)
        self.taken.add(target)

    def nodes(self, kind: str) -> list[Call]:
        """Nodes of the program of one kind, in order."""
        return [n for n in self.program.graph.nodes if n.op == kind]

    def collect(self, step: Callable[[Any], None], what: Any, name: str) -> None:
        """Do one step; keep the reason if it is refused."""
        try:
            step(what)
        except Refused as e:
            self.problems += [f"{name}: {e}"] if str(e) else []
            if isinstance(what, Call):
                self.refused.add(what)

    def input(self, node: Call) -> None:
        """One argument of forward."""
        tensor = node.meta["val"]
        self.batch = self.batch or str(tensor.shape[0])
        self.env[node] = self.unique(node.name)
        if tensor.is_complex():
            raise Refused(f"dtype {tensor.dtype}; give floats, integers for an embedding, or 0 and 1 for a mask")
        self.front.inputs[self.env[node]] = self.sample_shape(node)
        if is_mask(node):
            take_input(self, node, self.env.pop(node))

    def call(self, node: Call) -> None:
        """One operation. What has the size of the batch but reads no tensor is told where something reads it."""
        if fold(self, node) or carried(self, node) or passed(self, node):
            return
        if node.target in OPS:
            OPS[node.target](self, node)
            if not self.counts.isdisjoint(node.all_input_nodes):
                self.counts.add(node)
            return
        follows = not self.refused.isdisjoint(node.all_input_nodes)
        if is_bookkeeping(node) or (follows and op_of(node) in EVERY_SAMPLE):
            if follows:
                raise Refused
        elif is_random(node) or not all(map(is_bookkeeping, node.all_input_nodes)):
            raise Refused(HINTS.get(name_of(node), f"not supported; {SUPPORTED}"))

    def output(self, spec_and_result: tuple[Any, Any]) -> None:
        """One result of forward; results that only tell of an input changed in place are none."""
        spec, result = spec_and_result
        if spec.kind == OutputKind.BUFFER_MUTATION:
            place = f" at {line}" if (line := where(result.meta.get("stack_trace"))) else ""
            raise Refused(f"forward changes buffer {spec.target!r}{place}; a model must keep no state in eval mode")
        if spec.kind == OutputKind.USER_OUTPUT:
            if not isinstance(result, Call) or not isinstance(result.meta["val"], torch.Tensor):
                raise Refused(f"{result!r} is no tensor; return tensors only")
            self.front.outputs.append(self.value(result))

    def emit(self, node: Call, op: str, *ins: str, called: str = "", **attrs: Any) -> str:
        """Append a front node for `node`, one of several perhaps; its name, after `called` or the operation."""
        self.sample_shape(node)
        name = self.env[node] = self.unique(value_name(node, called or op))
        self.front.nodes.append(FrontNode(op, ins, name, attrs, where(node.meta.get("stack_trace"))))
        return name

    def constant(self, node: Call, what: str, numbers: Any, *, of: str = "constant") -> str:
        """A new parameter that the model has not: a number in the user's code, or what a layer leaves out."""
        name = self.unique(f"{value_name(node, of)}.{what}")
        self.front.params[name] = floats(numbers)
        return name

    def same(self, node: Call, source: Call) -> None:
        """`node` is `source` under another name."""
        for known in (self.env, self.numbers, self.repeated, self.names, self.masked, self.moved, self.two):
            if source in known:
                known[node] = known[source]
        if source in self.counts:
            self.counts.add(node)
        if source in self.refused:
            self.refused.add(node)

    def value(self, x: Any, *, integers: bool = False) -> str:
        """Name of a value that depends on the inputs, a real one unless `integers`."""
        if x in self.masked:
            raise Refused(f"{x.name!r} is masked with minus infinity; only a softmax may read it")
        if x in self.two:
            return real(self, x, integers=integers)
        if x in self.divisors:
            raise Refused(f"{x.name!r} is made to divide by; only a quotient may read it")
        if x in self.refused or x in self.env:
            self.check_real(x, integers=integers)
            return self.env.get(x, "")
        if x in self.moved:
            self.sample_shape(x)
        if x in self.repeated:
            raise Refused(f"{x.name!r} is a parameter for every sample, which only cat, + - and * may read")
        if x in self.numbers:
            raise Refused(f"{self.names.get(x, x.name)!r} is a parameter where a value is expected; {CONSTANTS}")
        if isinstance(x, Call):
            raise Refused(f"{x.name!r} depends on the number of samples; a sample must not see how many there are")
        raise Refused(f"{x!r} is a constant where a value is expected; {CONSTANTS}")

    def check_real(self, x: Call, *, integers: bool) -> None:
        """Refused for integers that no embedding reads."""
        known = integers or x in self.refused or x in self.counts
        if not known and not result_of(x).is_floating_point():
            raise Refused(f"{x.name!r} is {result_of(x).dtype}; only an embedding takes integers, give floats")

    def is_constant(self, x: Any) -> bool:
        """Whether `x` is no value: a parameter, what is computed of parameters, or a number."""
        return not isinstance(x, Call) or x in self.numbers or x in self.repeated

    def param(self, node: Call, what: str, x: Any) -> str:
        """Name of a layer's parameter, now one of the front graph; a computed one is named after the layer."""
        if x in self.refused:
            return ""
        name = self.names.get(x, f"{value_name(node, op_of(node))}.{what}")
        numbers = self.stored(x)
        if x not in self.names:
            self.names[x] = name = self.unique(name)
        self.front.params[name] = floats(numbers)
        return name

    def operand(self, node: Call, x: Any) -> str:
        """Name of a value, a parameter, or a number that becomes a parameter, to add, multiply or join.

        A computed parameter has the name of its operation.
        """
        if not isinstance(x, Call):
            return self.constant(node, "number", np.asarray(x))
        if not self.is_constant(x):
            return self.value(x, integers=x in self.two)  # torch makes reals of a mask beside reals
        if x not in self.names:
            repeats = op_of(x) in ("expand", "repeat") and x.args[0] in self.names
            name = f"{self.names[x.args[0]]}.{op_of(x)}" if repeats else value_name(x, op_of(x))
            self.names[x] = self.unique(name)
        self.front.params[self.names[x]] = floats(self.repeated[x][0] if x in self.repeated else self.numbers[x])
        return self.names[x]

    def stored(self, x: Any) -> torch.Tensor:
        """Numbers of a parameter or buffer, or of what is computed of those, real."""
        if x not in self.numbers:
            raise Refused("its weight or bias depends on the model's inputs; it must be a parameter or a buffer")
        tensor = self.numbers[x]
        if not tensor.is_floating_point():
            raise Refused(f"parameter {self.names.get(x, x.name)!r} is {tensor.dtype}; weights must be real")
        return tensor

    def sample_shape(self, node: Call) -> tuple[int, ...]:
        """Shape of one sample; Refused where the batch is not the first axis, and no other."""
        if not self.refused.isdisjoint(node.all_input_nodes):
            raise Refused
        shape = shape_of(node)
        if not self.is_sample(shape):
            raise Refused(f"result has shape ({', '.join(shape)}); the batch, {self.batch}, must stay axis 0")
        return tuple(map(int, shape[1:]))

    def is_sample(self, shape: tuple[str, ...]) -> bool:
        """Whether the batch is axis 0, and no other."""
        return shape[:1] == (self.batch,) and all(size.isdigit() for size in shape[1:])

    def unique(self, name: str) -> str:
        """`name`, with the first free of ``.1``, ``.2`` ... where something has it."""
        names = (name if not i else f"{name}.{i}" for i in range(len(self.taken) + 1))
        free = next(n for n in names if n not in self.taken)
        self.taken.add(free)
        return free


def floats(numbers: Any) -> NDArray[np.float32]:
    """A tensor or array as float32, in an array of its own."""
    if isinstance(numbers, torch.Tensor):
        numbers = numbers.detach().cpu().float().numpy()
    return np.array(numbers, np.float32, order="C")


def name_of(node: Call) -> str:
    """The operation's name, such as ``aten.sigmoid.default``."""
    return (
        str(node.target)
        if isinstance(node.target, torch._ops.OpOverload)
        else str(getattr(node.target, "__name__", "?"))
    )


def module_of(node: Call) -> tuple[str, bool]:
    """Path of the innermost module that calls `node` ("" for the model itself), and whether it is one of torch's."""
    path, kind = [("", ""), *(node.meta.get("nn_module_stack") or {}).values()][-1]
    return path, str(kind).startswith(LAYERS) and not str(kind).startswith(COMPOSED)


def value_name(node: Call, op: str) -> str:
    """A torch layer's path, or the path and the operation for a function called in a module of the user's."""
    path, layer = module_of(node)
    return path if path and layer else f"{path}.{op}".lstrip(".")


def describe(node: Call) -> str:
    """Operation, module path and source line, for messages."""
    path, line = module_of(node)[0], where(node.meta.get("stack_trace"))
    return f"{name_of(node)} in {repr(path) if path else 'the model'}{' at ' + line if line else ''}"
