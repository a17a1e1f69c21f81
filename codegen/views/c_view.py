"""What an op's C template may see: loads, stores, loops and literals as ready C text.

Inside a node's function the inputs are ``x0, x1, ..`` and the results ``y0, y1, ..``; constants are global tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hwsim.formats import Codes, FloatFormat, Format, IntFormat
from hwsim.graph import Graph, Node
from hwsim.qtensor import QType
from hwsim.ranges import Interval, zero_points

from ..pack import pack, share, width
from ..targets import Target

INT32 = Interval(-(1 << 31), (1 << 31) - 1)
NEAR = Interval(-(1 << 24), 1 << 24)  # codes that ``hw_round_near`` makes, zero point included


def ctype(fmt: Format) -> str:
    """The C type of one code."""
    return f"{fmt.dtype.name}_t"


def wide_type(*reach: Interval) -> str:
    """int32_t where every interval fits, else int64_t."""
    return "int32_t" if all(r.inside(INT32) for r in reach) else "int64_t"


def literal(v: int) -> str:
    """An integer constant; INT64_MIN has no literal of its own."""
    if v == -(1 << 63):
        return "(-9223372036854775807LL - 1)"
    return str(v) if INT32.lo < v <= INT32.hi else f"{v}LL" if v != INT32.lo else "(-2147483647 - 1)"


def narrowest(values: Codes) -> str:
    """The smallest C type that holds all of `values`."""
    lo, hi = int(values.min()), int(values.max())
    for bits in (8, 16, 32):
        if lo >= 0 and hi < 1 << bits:
            return f"uint{bits}_t"
        if -(1 << (bits - 1)) <= lo and hi < 1 << (bits - 1):
            return f"int{bits}_t"
    return "int64_t"


def strides(shape: Sequence[int]) -> list[int]:
    """Row-major strides."""
    return [int(np.prod(shape[i + 1 :], dtype=np.int64)) for i in range(len(shape))]


def index(variables: Sequence[str], steps: Sequence[int], offset: int = 0) -> str:
    """``i0 * 12 + i1 + 3`` as text."""
    terms = [v if s == 1 else f"{v} * {s}" for v, s in zip(variables, steps, strict=True) if s]
    return " + ".join(terms + ([str(offset)] if offset or not terms else []))


@dataclass
class Table:
    """One constant array of the generated code: name, element type, values, how it is kept."""

    name: str
    ctype: str
    values: Codes
    note: str

    @property
    def bytes(self) -> int:
        """Flash that it takes."""
        return int(self.values.nbytes)


@dataclass(frozen=True)
class Scratch:
    """A buffer that a step needs while it runs, ``s0, s1, ..`` in its template: C element type, number of elements."""

    element: str
    size: int


@dataclass
class CView:
    """Collects what one node's template needs. `prefix` starts every global name; `chain` are nodes fused behind it."""

    graph: Graph
    node: Node
    number: int
    prefix: str
    target: Target
    chain: list[tuple[int, Node]] = field(default_factory=list)
    tables: dict[tuple[str, bytes], Table] = field(default_factory=dict)
    scratch: list[Scratch] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)

    def type(self, i: int) -> QType:
        """Type of input `i`."""
        return self.node.ins[i].type

    @property
    def out(self) -> QType:
        """Type of the (first) result."""
        return self.node.outs[0].type

    def reach(self, i: int) -> Interval:
        """What input `i` can reach, zero point subtracted."""
        r, z = self.graph.reach[self.node.ins[i].name], zero_points(self.type(i))
        return Interval(r.lo - z.hi, r.hi - z.lo)

    def out_reach(self) -> Interval:
        """What the results can reach."""
        return self.graph.reach[self.node.outs[0].name]

    def variable(self, i: int) -> bool:
        """Whether input `i` is computed, not constant."""
        return self.node.ins[i].name not in self.graph.constants

    def table(self, values: ArrayLike, note: str, element: str = "") -> str:
        """Keep an array in flash, in the narrowest type unless `element` names one; the expression that points to it.

        Equal arrays are kept once.
        """
        a = np.asarray(values).reshape(-1)
        element = element or narrowest(a)
        a = a.astype(element.removesuffix("_t") if element != "float" else np.float32)
        name = self.tables.setdefault(
            (element, a.tobytes()), Table(f"{self.prefix}_t{len(self.tables)}", element, a, note)
        ).name
        return f"((const {element} *){name})" if a.itemsize == 1 else name

    def load(self, i: int, codes: Codes | None = None) -> Load:
        """How to read input `i`; `codes` re-arranges a constant."""
        v, t, grid = self.node.ins[i], self.type(i), None
        if isinstance(t.fmt, FloatFormat):
            grid = self.table(t.fmt.grid, f"grid of {t.fmt.name}")
        if self.variable(i):
            return Load(f"x{i}", t, grid)
        codes = self.graph.constants[v.name].codes if codes is None else codes
        if bits := width(t.fmt):
            count, size = share(bits)
            note = f"{t.fmt.name} constant {t.shape}, {count} codes {'a byte' if size == 1 else f'in {size} bytes'}"
            return Load(self.table(pack(codes, bits), note, "uint8_t"), t, grid, bits)
        return Load(self.table(codes, f"{t.fmt.name} constant {t.shape}", ctype(t.fmt)), t, grid)

    def wide(self, *extra: Interval) -> str:
        """The C type in which inputs and results can be computed."""
        return wide_type(self.out_reach(), *(self.reach(i) for i in range(len(self.node.ins))), *extra)

    def store(self, value: str, channel: str) -> str:
        """`value` passed through the fused nodes, ready for the result buffer."""
        for number, node in self.chain:
            value = f"{self.prefix}_n{number}({value}{', ' + channel if takes_channel(node) else ''})"
        return value

    def loops(self, shape: Sequence[int] | None = None, letter: str = "i") -> list[tuple[str, int]]:
        """(variable, size) of each axis; the result's by default."""
        sizes = self.out.sample_shape if shape is None else shape
        return [(f"{letter}{k}", int(d)) for k, d in enumerate(sizes)]

    def broadcast_index(self, i: int) -> str:
        """Index into input `i` inside `loops` over the result."""
        rank, shape = len(self.out.sample_shape), self.type(i).sample_shape
        steps = [0 if d == 1 else s for d, s in zip(shape, strides(shape), strict=True)][-rank or len(shape) :]
        names = [name for name, _ in self.loops()]
        return index(names[rank - len(steps) :], steps) if rank else "0"

    def out_index(self) -> str:
        """Index into the result inside `loops`."""
        names = [name for name, _ in self.loops()]
        return index(names, strides(self.out.sample_shape))

    def channel(self) -> str:
        """Index of the last axis inside `loops`."""
        return self.loops()[-1][0] if self.loops() else "0"


@dataclass(frozen=True)
class Load:
    """One operand: `at` an index gives the C expression of its grid integer, `code` of its code."""

    name: str
    type: QType
    grid: str | None
    packed: int | None = None  # bits of one code where several share a byte

    def code(self, at: str) -> str:
        """The code at an index."""
        if not self.packed:
            return f"{self.name}[{at}]"
        signed = isinstance(self.type.fmt, IntFormat) and self.type.fmt.signed
        return f"hw_packed_{'s' if signed else 'u'}({self.name}, {at}, {self.packed})"

    def at(self, at: str, cast: str = "int32_t") -> str:
        """The grid integer at an index in type `cast`, zero point not subtracted."""
        return self.integer(self.code(at), cast)

    def integer(self, code: str, cast: str) -> str:
        """The grid integer of a code."""
        return f"({cast}){self.grid}[{code}]" if self.grid else f"({cast}){code}"

    def centred(self, at: str, cast: str = "int32_t") -> str:
        """The grid integer at an index less the per-tensor zero point."""
        zero = self.type.zero_point
        return f"({self.at(at, cast)} - ({zero}))" if zero else self.at(at, cast)


def takes_channel(node: Node) -> bool:
    """Whether an element-by-element node needs the channel: per-channel constants or input zero points."""
    contract = getattr(node.op, "contract", None)
    many = contract is not None and contract.channels > 1
    return many or isinstance(node.ins[0].type.zero_point, tuple)
