"""A quantized ONNX model -> Graph: codes and reals by the model's names, one node after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import INT2, INT4, INT8, INT16, INT32, UINT2, UINT4, UINT8, UINT16, IntFormat
from hwsim.graph import Graph, Value
from hwsim.lowering.layout import NHWC, PLAIN, to_nhwc, to_plain
from hwsim.qtensor import BATCH, QTensor, QType

from ..onnx_model import Model, Node
from ..unsupported import Unsupported, problem
from .expression import Apply, Expression, Held, Number, Source, Weight

FORMATS: dict[str, IntFormat] = {
    **{"int2": INT2, "uint2": UINT2, "int4": INT4, "uint4": UINT4, "int8": INT8, "uint8": UINT8},
    **{"int16": INT16, "uint16": UINT16, "int32": INT32},
}
LIMITS = tuple[int | None, int | None]


class Refused(ValueError):  # noqa: N818
    """Why a node cannot be read; empty where what it reads was refused already."""


class Reading:
    """State of one reading.

    codes: values that are integers in the model. fixed: codes of constants that the model quantizes itself. reals:
    expressions of its real values. settled: expressions by identity, with what they became. refused: names without any.
    """

    def __init__(self, model: Model) -> None:
        """Start an empty graph."""
        self.model = model
        self.graph = Graph(model.name or "model", recipe={"read": "onnx", "contract": "onnx_float"})
        self.codes: dict[str, Held] = {}
        self.fixed: dict[str, NDArray[np.generic]] = {}
        self.reals: dict[str, Expression] = {}
        self.settled: dict[int, tuple[Expression, Expression]] = {}
        self.refused: set[str] = set()
        self.problems: list[str] = []

    def run(
        self,
        check: Callable[[Node], None],
        convert: Callable[[Reading, Node], None],
        settle: Callable[[Reading, Expression | None], Expression | None],
    ) -> Graph:
        """Every node by `convert`, then the outputs; all refusals at once.

        `check` refuses a node for its own sake, which is told even where what it reads was refused already; `settle`
        carries out what only moves before an output.
        """
        for node in self.model.nodes:
            try:
                check(node)
                if self.refused.intersection(node.ins):
                    raise Refused
                convert(self, node)
            except (ValueError, IndexError, KeyError) as e:
                self.refused.update(node.outs)
                told = str(e) if isinstance(e, ValueError) else f"lacks inputs or attributes: {type(e).__name__} {e}"
                self.problems += [problem(node.where, told)] if told else []
        outputs = [
            self._output(name, settle(self, self.reals.get(name)))
            for name in self.model.outputs
            if name not in self.refused
        ]
        if self.problems:
            raise Unsupported(self.model.source, self.problems)
        self.graph.output(*dict.fromkeys(v for v in outputs if v is not None))
        return self.graph

    def _output(self, name: str, real: Expression | None) -> Value | None:
        held = self.codes.get(name) or real
        if isinstance(held, Held):
            return self.plain(held)
        reason = "is in float; quantize it too (QuantizeLinear, DequantizeLinear before the output)"
        self.problems.append(problem(f"output {name!r}", reason))
        return None

    def kind(self, name: str) -> IntFormat:
        """Format of an integer value or constant; Refused for any other."""
        told = self.model.dtypes.get(name, "of an unknown type")
        if told not in FORMATS:
            raise Refused(f"{name!r} is {told}; one of {', '.join(FORMATS)} is needed")
        return FORMATS[told]

    def numbers(self, name: str) -> NDArray[np.generic]:
        """A constant."""
        if name not in self.model.constants:
            raise Refused(f"{name!r} is computed; it must be a constant" if name else "a constant is absent")
        return self.model.constants[name]

    def quantizer(self, scale: str, zero: str, fmt: IntFormat, shape: tuple[int | str, ...], axis: int) -> QType:
        """A type of constant scales and zero points, one or one a channel of `axis`."""
        scales = self.numbers(scale).astype(np.float32)
        zeros = self.numbers(zero).astype(np.int64) if zero else np.zeros((), np.int64)
        if scales.ndim > 1:
            raise Refused(f"scales of shape {scales.shape}: blocks are not read; take one scale a channel")
        if not (np.isfinite(scales) & (scales > 0)).all():
            raise Refused(f"scale {scales.reshape(-1)[0]!r} must be finite and > 0")
        if scales.size == 1:
            return QType(shape, fmt, float(scales.reshape(-1)[0]), int(zeros.reshape(-1)[0]))
        if not -len(shape) <= axis < len(shape):
            raise Refused(f"{scales.size} scales along axis {axis} of {shape}: there is no such axis")
        many = tuple(np.broadcast_to(zeros, scales.shape).tolist()) if zeros.any() else 0
        return QType(shape, fmt, tuple(scales.astype(np.float64).tolist()), many, axis % len(shape))

    def dequantized(self, name: str, scale: str, zero: str, axis: int = 1) -> Held | Weight:
        """The reals of integer value or constant `name`."""
        if name in self.model.constants or name in self.fixed:
            codes = self.fixed[name] if name in self.fixed else self.numbers(name)
            fmt = self.kind(name)
            t = self.quantizer(scale, zero, fmt, codes.shape, axis if codes.ndim > 1 else 0)
            return Weight(QTensor(t, np.asarray(codes, fmt.dtype)))
        if name in self.model.inputs and name not in self.codes:
            shape = self.model.sample_shape(name)
            t = self.quantizer(scale, zero, self.kind(name), (BATCH, *shape), axis)
            self.codes[name] = Held(self.graph.input(name, t), shape)
        if name not in self.codes:
            raise Refused(f"{name!r} is no integer value")
        held = self.codes[name]
        assert isinstance(held.value.type.fmt, IntFormat)
        t = self.quantizer(scale, zero, self.kind(zero) if zero else held.value.type.fmt, (BATCH,), 0)
        if not same_grid(t, held.value.type):
            raise Refused(
                f"{name!r} was quantized with scale {held.value.type.scale!r}, zero_point "
                f"{held.value.type.zero_point}, and is read with {t.scale!r}, {t.zero_point}"
            )
        return held

    def out(self, scale: str, zero: str, fmt: IntFormat = UINT8) -> QType:
        """Type of a quantized result; its shape is not looked at."""
        t = self.quantizer(scale, zero, self.kind(zero) if zero else fmt, (1,), 0)
        if not isinstance(t.scale, float):
            raise Refused("an activation with a scale a channel; take one scale")
        return t

    def real(self, name: str) -> Expression | None:
        """What a node's real operand is."""
        if not name:
            return None
        if name in self.reals:
            return self.reals[name]
        if name in self.model.constants:
            return Number(self.model.constants[name])
        if name in self.model.inputs:
            return Source(name)
        raise Refused(f"{name!r} is no real value")

    def entry(self, name: str, out: QType) -> Held:
        """The codes of an input in float."""
        shape = self.model.sample_shape(name)
        known = self.graph.known.get(name)
        if known and not same_grid(known.type, out):
            raise Refused(f"input {name!r} is quantized in two ways; once is enough")
        return Held(known or self.graph.input(name, replace(out, shape=(BATCH, *shape))), shape)

    def plain(self, x: Held) -> Value:
        """The codes in ONNX's order of axes."""
        from hwsim.lowering.layout import Lowered

        return to_plain(self.graph, Lowered(x.value, x.layout), x.shape)

    def image(self, x: Held) -> Value:
        """The codes as (N, H, W, C)."""
        return x.value if x.layout == NHWC else to_nhwc(self.graph, x.value)

    def held(self, v: Value, shape: tuple[int, ...], layout: str = PLAIN) -> Held:
        """A new value; which of them lie channels-last is recorded for who compares by name."""
        if layout != PLAIN:
            self.graph.recipe.setdefault("layouts", {})[v.name] = layout
        return Held(v, shape, layout)

    def typed(self, t: QType, x: Held) -> QType:
        """Type `t` in the shape of `x` as the graph has it."""
        return replace(t, shape=x.value.type.shape)


def same_grid(a: QType, b: QType) -> bool:
    """Whether codes of both mean the same."""
    return (a.fmt, a.scale, a.zero_point) == (b.fmt, b.scale, b.zero_point)


def applied(r: Reading, node: Node) -> Apply:
    """The operation of a node on reals."""
    return Apply(node, tuple(r.real(i) for i in node.ins))


def first_operand(e: Apply) -> Held:
    """The codes that an operation of one value reads."""
    if not isinstance(e.args[0], Held):
        raise Refused(f"{e.node.op} of reals that are not quantized; quantize them first")
    return e.args[0]
