"""Float nodes, initializers and QDQ pairs, as they are collected: every result has a name of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from hwsim.front import FrontGraph, FrontNode
from hwsim.graph import Graph
from hwsim.qtensor import QType

from .qdq_types import EXPONENT, EXPONENT_OPSET, OPSET, Kind, code_tensor, raw_tensor, single, value_kind
from .qdq_weights import Stored

if TYPE_CHECKING:
    import onnx


@dataclass
class Nodes:
    """What is written so far, and where each value of `front` is (`at`); `opset` is the lowest that reads it."""

    graph: Graph
    front: FrontGraph
    opset: int = OPSET
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[onnx.TensorProto] = field(default_factory=list)
    at: dict[str, str] = field(default_factory=dict)
    params: dict[tuple[str, str], str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Names of the float model's values are theirs."""
        self.taken |= {*self.front.inputs, *(n.out for n in self.front.nodes)}
        self.shapes = self.front.shapes()

    def fresh(self, stem: str) -> str:
        """A name that nothing else has."""
        name = stem
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def op(self, kind: str, *ins: str, to: str, attrs: dict[str, Any] | None = None) -> str:
        """One node; its result `to`."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, ins, [to], name=to, **attrs or {}))
        return to

    def array(self, stem: str, values: ArrayLike, dtype: str = "float32") -> str:
        """An initializer of numbers."""
        from onnx import numpy_helper

        name = self.fresh(stem)
        self.tensors.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def param(self, name: str, dtype: str = "float32") -> str:
        """A parameter of the float model in a type, each once; a mask as bool."""
        key = name, dtype
        if key not in self.params:
            p = self.front.params[name]
            self.params[key] = self.array(name, p != 0 if dtype == "bool" else p, dtype)
        return self.params[key]

    def read(self, name: str) -> str:
        """A value or parameter of the float model."""
        return self.at[name] if name in self.at else self.param(name)

    def reads(self, node: FrontNode) -> list[str]:
        """All that a node reads."""
        return [self.read(i) for i in node.ins]

    def codes(self, stem: str, codes: ArrayLike, fmt: Any, kind: Kind) -> str:
        """An initializer of codes."""
        name = self.fresh(stem)
        self.tensors.append(code_tensor(name, np.asarray(codes), fmt, kind))
        self.opset = max(self.opset, kind.opset)
        return name

    def dequantized(self, name: str, s: Stored) -> str:
        """Weights behind their DequantizeLinear."""
        attrs: dict[str, Any] = {"axis": s.axis} if s.scale.ndim else {}
        attrs |= {"block_size": s.block} if s.block else {}
        if s.exponents is None:
            scale = self.array(f"{name}::scale", s.scale)
        else:
            scale, attrs["output_dtype"] = self.exponents(f"{name}::scale", s.exponents), 1  # TensorProto.FLOAT
        ins = [self.codes(name, s.codes, s.fmt, s.kind), scale]
        if s.zeros is not None:
            ins.append(self.codes(f"{name}::zero", s.zeros, s.fmt, s.kind))
        return self.op("DequantizeLinear", *ins, to=self.fresh(f"{name}::dequantized"), attrs=attrs)

    def exponents(self, stem: str, codes: ArrayLike) -> str:
        """An initializer of E8M0 scales."""
        name, raw = self.fresh(stem), np.asarray(codes, np.uint8)
        self.tensors.append(raw_tensor(name, EXPONENT, raw.shape, raw.tobytes()))
        self.opset = max(self.opset, EXPONENT_OPSET)
        return name

    def pair(self, source: str, value: str, t: QType, to: str) -> str:
        """``DequantizeLinear(QuantizeLinear(source))`` with the scale and zero point of `value`; its result `to`."""
        kind = value_kind(t.fmt)
        zero = np.broadcast_to(np.asarray(t.zero_point, t.fmt.dtype), np.shape(t.scale))
        shared = (
            self.array(f"{value}::scale", single(np.asarray(t.scale), value)),
            self.codes(f"{value}::zero", zero, t.fmt, kind),
        )
        attrs = {} if t.axis is None else {"axis": t.axis}
        codes = self.op("QuantizeLinear", source, *shared, to=self.fresh(f"{value}::codes"), attrs=attrs)
        return self.op("DequantizeLinear", codes, *shared, to=to, attrs=attrs)


def begins_and_ends(padding: Sequence[Sequence[int]]) -> list[int]:
    """ONNX's order of paddings."""
    return [p[0] for p in padding] + [p[1] for p in padding]
