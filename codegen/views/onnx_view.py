"""What an op's ONNX template may see: the body of a model-local function, and the arrays it reads.

Inside a function the node's inputs are ``x0, x1, ..``, arrays ``t0, t1, ..`` and results ``y0, y1, ..``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim.formats import Codes, FloatFormat
from hwsim.graph import Graph, Node
from hwsim.qtensor import QType
from hwsim.ranges import Interval, format_interval, zero_points

from .onnx_types import INT32, UINT8, Kind, carrier, wide


@dataclass
class OnnxView:
    """Collects what one node's template needs."""

    graph: Graph
    node: Node
    arrays: list[NDArray[Any]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    replaces: set[int] = field(default_factory=set)  # inputs whose constant is handed over in another form

    def table(self, values: ArrayLike, kind: Kind) -> str:
        """Hand an array to the function; its name inside."""
        self.arrays.append(np.asarray(values).astype(kind.dtype))
        return f"t{len(self.arrays) - 1}"

    def type(self, i: int) -> QType:
        """Type of input `i`."""
        return self.node.ins[i].type

    def reach(self, i: int) -> Interval:
        """What input `i` can reach, zero point subtracted."""
        r, z = self.graph.reach[self.node.ins[i].name], zero_points(self.type(i))
        return Interval(r.lo - z.hi, r.hi - z.lo)

    def out_reach(self) -> Interval:
        """What the results can reach."""
        return self.graph.reach[self.node.outs[0].name]

    @property
    def out(self) -> Kind:
        """Carrier of the results."""
        return carrier(self.node.outs[0].type.fmt)

    def operand(self, i: int, kind: Kind, *, zero: bool = True, gains: bool = False) -> dict[str, Any]:
        """How to load input `i` as integers of `kind`: grid look-up for float formats, zero point subtracted.

        With `gains` steps that are powers of two apart become multiples of the smallest.
        """
        t = self.type(i)
        grid = self.table(t.fmt.grid, wide(format_interval(t.fmt))) if isinstance(t.fmt, FloatFormat) else None
        offset = self.table(t.along_axis(t.zero_point), kind) if zero and np.any(t.zero_point) else None
        gain = self.table(t.gains, kind) if gains and t.axis is not None else None
        return {"x": f"x{i}", "grid": grid, "zero": offset, "gain": gain, "to": kind.id, "a": f"a{i}"}

    def byte(self, i: int, offset: int, codes: Codes | None = None, *, gains: bool = False) -> dict[str, Any]:
        """Operand `i` as uint8, moved up by `offset`; a constant (or `codes` of it, re-arranged) is moved here.

        `gains` as in `operand`.
        """
        tensor = self.graph.constants.get(self.node.ins[i].name)
        if tensor is not None:
            self.replaces.add(i)
            codes = tensor.codes if codes is None else codes
            gain = tensor.type.gains if gains else 1
            return {"ready": self.table(tensor.type.fmt.to_int(codes) * gain + offset, UINT8), "a": f"a{i}"}
        moved = self.table(offset, INT32) if offset else None
        return {"ready": None, "moved": moved, **self.operand(i, INT32, zero=False, gains=gains)}
