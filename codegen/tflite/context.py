"""What a converter of one TFLite operator sees: tensors and operators as plain data, and the graph being built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hwsim.formats import INT4, INT8, INT16, INT32, INT64, UINT8, Codes, IntFormat
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QTensor, QType, Shape

FORMATS: dict[str, IntFormat] = {
    **{"INT4": INT4, "INT8": INT8, "UINT8": UINT8, "INT16": INT16, "INT32": INT32, "INT64": INT64},
}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor of a subgraph.

    Args:
        index: its position, by which operators name it.
        name: unique in its subgraph.
        shape: sizes as the file says, samples first; () is a scalar or unknown.
        kind: the schema's TensorType, ``INT8``, ``FLOAT32``, ``RESOURCE`` ...
        scale: float32 scales as Python floats, none, one or one a channel.
        zero_point: as many zero points.
        axis: channel axis where there are several scales.
        codes: of a constant, in the tensor's shape.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    kind: str
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()
    axis: int = 0
    codes: Codes | None = None


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator.

    Args:
        index: its position in the subgraph.
        kind: the schema's BuiltinOperator, ``CONV_2D``.
        ins: indices of tensors, -1 for an absent one.
        outs: indices of tensors.
        options: fields under the schema's names (``stride_w``), enums by their names (``padding``: ``"SAME"``).
    """

    index: int
    kind: str
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def has(self, i: int) -> bool:
        """Whether there is an i-th input."""
        return i < len(self.ins) and self.ins[i] >= 0


@dataclass(frozen=True, kw_only=True)
class Subgraph:
    """Tensors, and operators in order of execution."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(kw_only=True)
class Reading:
    """One subgraph on its way into a graph.

    Args:
        graph: being built.
        contract: ``tfl_single`` or ``tflm_double``: whose bits.
        tensors: of the subgraph.
        others: the file's other subgraphs, which CALL_ONCE names.
        values: of the tensors so far.
    """

    graph: Graph
    contract: str
    tensors: tuple[Tensor, ...]
    others: tuple[Subgraph, ...] = ()
    values: dict[int, Value] = field(default_factory=dict)
    handles: dict[int, str] = field(default_factory=dict)  # of VAR_HANDLE's tensors: the variable's name
    initial: dict[str, Tensor] = field(default_factory=dict)  # codes a variable starts with
    state: dict[str, tuple[Value, Value]] = field(default_factory=dict)  # what it was at first, what it is now

    def tensor(self, i: int) -> Tensor:
        """The tensor of an index; ValueError where there is none."""
        if not 0 <= i < len(self.tensors):
            raise ValueError(f"tensor {i} of {len(self.tensors)} does not exist")
        return self.tensors[i]

    def name(self, i: int) -> str:
        """Name of a tensor, unique."""
        return self.tensor(i).name

    def value(self, i: int) -> Value:
        """The graph's value of a tensor, a constant included; ValueError where nothing has made it."""
        t = self.tensor(i)
        if i not in self.values:
            if t.codes is None:
                raise ValueError(f"tensor {t.name!r} is read before anything writes it")
            self.values[i] = self.graph.constant(t.name, self.constant(i))
        return self.values[i]

    def constant(self, i: int) -> QTensor:
        """Codes and type of a constant tensor."""
        t = self.tensor(i)
        if t.codes is None:
            raise ValueError(f"tensor {t.name!r} must be a constant")
        return QTensor(self.type(i), t.codes)

    def numbers(self, i: int) -> tuple[int, ...]:
        """The integers of a constant tensor: axes, sizes, paddings."""
        return tuple(int(c) for c in self.constant(i).codes.reshape(-1))

    def type(self, i: int) -> QType:
        """Type of a tensor: constants as they are, all others with the batch as first axis."""
        t = self.tensor(i)
        if t.kind not in FORMATS:
            raise ValueError(f"tensor {t.name!r} is {t.kind}; one of {', '.join(FORMATS)} is needed")
        shape: Shape = t.shape if t.codes is not None else (BATCH, *t.shape[1:])
        if len(t.scale) > 1:
            return QType(shape, FORMATS[t.kind], t.scale, t.zero_point, t.axis)
        scale, zero = t.scale[0] if t.scale else 1.0, t.zero_point[0] if t.zero_point else 0
        return QType(shape, FORMATS[t.kind], scale, zero)

    def define(self, i: int, v: Value) -> None:
        """`v` is the value of tensor `i`; ValueError unless its type is what the file says."""
        if v.type != self.type(i):
            raise ValueError(f"tensor {self.name(i)!r} is declared {self.type(i)}, its operator makes {v.type}")
        self.values[i] = v


def whole(what: str, value: Any, lo: int, hi: int) -> int:
    """`value`, an integer of lo..hi, or ValueError."""
    if not isinstance(value, int | np.integer) or not lo <= value <= hi:
        raise ValueError(f"{what} is {value!r}, must be {lo}..{hi}")
    return int(value)
