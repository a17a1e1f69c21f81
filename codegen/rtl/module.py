"""One Verilog module as data: ports, signals, registers. Every signal is signed and wide enough for what it can reach.

Why signed everywhere: one unsigned operand (a concatenation, a part select) makes a whole Verilog expression unsigned,
so that negative numbers are extended by zeros. Netlists of that kind look plausible and are smaller. Here every number
is a signed wire of its own with two's-complement bits for its proven interval, one operation a wire; constants are
signed literals of stated width, and unsigned bits become numbers only through ``$signed({1'b0, ...})``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

from hwsim.ranges import Interval

from ..views.names import VERILOG, identifiers

BENCH = "hw_bench"


@dataclass(frozen=True)
class Port:
    """One port; `bits` is None for a single wire."""

    name: str
    bits: int | None
    output: bool = False


@dataclass(frozen=True)
class Signal:
    """A signed number: the text that names it and what it can reach."""

    name: str
    reach: Interval

    @property
    def bits(self) -> int:
        """Two's-complement width."""
        return self.reach.bits

    @property
    def fixed(self) -> bool:
        """Whether it is a literal."""
        return "'" in self.name


@dataclass(frozen=True)
class Line:
    """One declaration: a ``wire`` with its expression, a ``net``, a ``reg``, a ``memory`` of words, or a ``rom``.

    Args:
        kind: one of these.
        name: of the signal.
        bits: its width.
        text: a wire's expression, a memory's range, a ROM's index; an instance drives a net.
        signed: whether it is a number.
        cases: a ROM's (index, entry) pairs, as literals.
    """

    kind: str
    name: str
    bits: int
    text: str = ""
    signed: bool = True
    cases: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Clocked:
    """``if (when) name <= text`` at the rising edge."""

    name: str
    text: str
    when: str = ""


@dataclass(frozen=True)
class Instance:
    """A module in another one: its ports, each with the text that it is connected to; "" leaves an output open."""

    module: str
    name: str
    connections: tuple[tuple[str, str], ...]


def module_name(name: str) -> str:
    """A safe identifier for a unit called `name`."""
    return identifiers([name], (BENCH,), words=VERILOG)[0]


def literal(value: int, bits: int) -> str:
    """``8'sh80``: a signed literal by its bits. Why hexadecimal: ``-8'sd128`` is +128 in a wider sum."""
    return f"{bits}'sh{value & ((1 << bits) - 1):x}"


def constant(value: int) -> Signal:
    """A number that does not change."""
    reach = Interval(value, value)
    return Signal(literal(value, reach.bits), reach)


@dataclass
class Module:
    """What a template prints, in this order: declarations as they were made, instances, then one clocked block.

    `scope` begins the names of what is declared next, so that a unit's wires can stand in another module.
    `parts` are the modules of its instances.
    """

    name: str
    note: str
    ports: list[Port] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    clocked: list[Clocked] = field(default_factory=list)
    outputs: list[tuple[str, str]] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    parts: list[Module] = field(default_factory=list)
    scope: str = ""

    def port(self, name: str, bits: int | None, *, output: bool = False) -> str:
        """A port; its name."""
        self.ports.append(Port(name, bits, output))
        return name

    def clock(self) -> None:
        """The clock port, where anything is clocked."""
        self.port("clk", None)

    def field(self, name: str, bits: int, text: str) -> str:
        """Bits that are no number yet."""
        name = self.scope + name
        self.lines.append(Line("wire", name, bits, text, signed=False))
        return name

    def wire(self, name: str, reach: Interval, text: str) -> Signal:
        """A number by its expression, all of whose operands are signed."""
        signal = Signal(self.scope + name, reach)
        self.lines.append(Line("wire", signal.name, signal.bits, text))
        return signal

    def register(self, name: str, reach: Interval) -> Signal:
        """A number kept from one edge to the next; `clocked` says what it becomes."""
        signal = Signal(self.scope + name, reach)
        self.lines.append(Line("reg", signal.name, signal.bits))
        return signal

    def net(self, name: str, bits: int) -> str:
        """Bits that an instance drives."""
        self.lines.append(Line("net", self.scope + name, bits, signed=False))
        return self.scope + name

    def kept(self, name: str, source: str, bits: int) -> str:
        """Bits one edge later."""
        name = self.scope + name
        self.lines.append(Line("reg", name, bits, signed=False))
        self.clocked.append(Clocked(name, source))
        return name

    def delayed(self, name: str, source: Signal) -> Signal:
        """`source` one edge later."""
        made = self.register(name, source.reach)
        self.clocked.append(Clocked(made.name, source.name))
        return made

    def rom(self, name: str, index: str, values: dict[int, int], index_bits: int) -> Signal:
        """``values[index]``; what the index never takes is left to the synthesizer.

        Args:
            name: of the result.
            index: bits.
            values: number by bit pattern of the index.
            index_bits: width of `index`.
        """
        reach = Interval(min(values.values()), max(values.values()))
        if reach.lo == reach.hi:
            return constant(reach.lo)
        cases = tuple((f"{index_bits}'h{i:x}", literal(v, reach.bits)) for i, v in values.items())
        self.lines.append(Line("rom", self.scope + name, reach.bits, index, cases=cases))
        return Signal(self.scope + name, reach)

    def sum(self, name: str, *terms: Signal) -> Signal:
        """Exact sum."""
        reach = reduce(lambda a, b: Interval(a.lo + b.lo, a.hi + b.hi), (t.reach for t in terms))
        return self.wire(name, reach, " + ".join(t.name for t in terms))

    def product(self, name: str, a: Signal, b: Signal) -> Signal:
        """Exact product; a factor that is always 1 costs nothing."""
        one = Interval(1, 1)
        if one in (a.reach, b.reach):
            return b if a.reach == one else a
        return self.wire(name, a.reach.times(b.reach), f"{a.name} * {b.name}")

    def left(self, name: str, x: Signal, bits: int) -> Signal:
        """``x * 2**bits``."""
        if not bits:
            return x
        return self.wire(name, Interval(x.reach.lo << bits, x.reach.hi << bits), f"{x.name} <<< {bits}")

    def result(self, port: str, bits: int, x: Signal) -> None:
        """Drive an output port with the low bits of a number that its format holds."""
        self.port(port, bits, output=True)
        self.outputs.append((port, f"{x.name}[{bits - 1}:0]" if x.bits > bits and not x.fixed else x.name))
