"""The wires of a `RowUnit`: the signal of each value in each pass that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.formats import FloatFormat
from hwsim.graph import Node, Value
from hwsim.ops import Reduce
from hwsim.qtensor import BATCH, QTensor

from .arithmetic import number
from .elementwise import wires
from .module import Clocked, Line, Module, Signal, constant, module_name
from .reduce import ReduceUnit

if TYPE_CHECKING:
    from .row import RowUnit


class Wiring:
    """One module under construction."""

    def __init__(self, unit: RowUnit) -> None:
        self.unit, self.graph = unit, unit.graph
        self.signals: dict[tuple[str, int], Signal] = {}
        self.module = m = Module(module_name(unit.name or unit.graph.name), f"rows of {unit.row}, {unit.passes} passes")
        m.clock()
        first, self.bits = m.port("first", None), (unit.row - 1).bit_length()
        inputs = [(v, m.port(unit.ports[f"in {v.name}"], v.type.fmt.bits)) for v in self.graph.inputs]
        self._count(first)
        for i, (v, port) in enumerate(inputs):
            m.scope = f"hw_in{i}_"
            reach = None if isinstance(v.type.fmt, FloatFormat) else self.graph.reach[v.name]
            self.signals[v.name, 0] = number(m, "int", port, v.type.fmt, reach)
        for i, (name, tensor) in enumerate(self.graph.constants.items()):
            m.scope = f"hw_c{i}_"
            self.signals[name, 0] = self._constant(tensor)
        for i, node in enumerate(self.graph.nodes):
            self._node(node, f"hw_n{i}_")
        for i, v in enumerate(unit.outputs):
            y = self._at(v, unit.passes)
            m.scope = f"hw_out{i}_"
            m.result(unit.ports[f"out {v.name}"], v.type.fmt.bits, m.delayed("kept", y) if unit.stages else y)

    def _count(self, first: str) -> None:
        """The element's place in its row, the same in all passes."""
        m, bits, end = self.module, self.bits, self.unit.row - 1
        m.lines.append(Line("reg", "hw_counter", bits, signed=False))
        self.at = m.field("hw_at", bits, f"{first} ? {bits}'d0 : hw_counter")
        self.last = m.field("hw_last", 1, f"{self.at} == {bits}'d{end}")
        self.start = m.field("hw_start", 1, f"{self.at} == {bits}'d0")
        m.clocked.append(Clocked("hw_counter", f"{self.last} ? {bits}'d0 : {self.at} + {bits}'d1"))

    def _constant(self, tensor: QTensor) -> Signal:
        """A number, or a table of one a column."""
        numbers = tensor.type.fmt.to_int(tensor.codes).reshape(-1).tolist()
        if len(numbers) == 1:
            return constant(numbers[0])
        return self.module.rom("column", self.at, dict(enumerate(numbers)), self.bits)

    def _node(self, node: Node, scope: str) -> None:
        """Its wires; a reduction's register, and one that keeps what a whole row gave."""
        m, at = self.module, self.unit.schedule[node.outs[0].name]
        if not isinstance(node.op, Reduce):
            ins = [self._at(v, at) for v in node.ins]
            m.scope = scope
            outs = wires(m, node, ins)
            self.signals |= {(v.name, at): y for v, y in zip(node.outs, outs, strict=True)}
            return
        (v,), (out,) = node.ins, node.outs
        x = self._at(v, at - 1)
        m.scope = scope
        reach = None if isinstance(v.type.fmt, FloatFormat) else self.graph.reach[v.name]
        unit = ReduceUnit(op=node.op, x=v.type, count=self.unit.row, reach=reach)
        _, total = unit.accumulator(m, self.start, x, self.graph.reach[out.name])
        self.signals[out.name, at] = self._kept(total)

    def _kept(self, x: Signal) -> Signal:
        """What the last element leaves, until the next row's does."""
        kept = self.module.register("kept", x.reach)
        self.module.clocked.append(Clocked(kept.name, x.name, self.last))
        return kept

    def _at(self, v: Value, wanted: int) -> Signal:
        """A value in a pass; each pass later than its own takes a buffer, or a register of the whole row's."""
        if v.name in self.graph.constants:
            return self.signals[v.name, 0]
        if (v.name, wanted) not in self.signals:
            before = self._at(v, wanted - 1)
            if before.fixed:
                return before
            self.module.scope = f"{before.name}_in_{wanted}_"
            whole = v.type.shape == (BATCH, 1)
            self.signals[v.name, wanted] = self._kept(before) if whole else self._buffered(before)
        return self.signals[v.name, wanted]

    def _buffered(self, x: Signal) -> Signal:
        """`x` a row's length later: the place that is read is written at the same edge."""
        m, signed = self.module, x.reach.lo < 0
        bits = max(1, x.bits - (not signed))
        m.lines.append(Line("memory", f"{m.scope}row", bits, f"0:{self.unit.row - 1}", signed=False))
        m.clocked.append(Clocked(f"{m.scope}row[{self.at}]", f"{x.name}[{bits - 1}:0]"))
        read = m.field("read", bits, f"{m.scope}row[{self.at}]")
        return m.wire("late", x.reach, f"$signed({read})" if signed else f"$signed({{1'b0, {read}}})")
