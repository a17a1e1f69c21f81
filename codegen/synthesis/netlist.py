"""A mapped netlist: cells of a library, nets by number. Net 0 is the constant 0, net 1 the constant 1."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .cells import Cell, Library

LISTED = 5  # cells or nets that an error names


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One cell in place: `nets` by pin, connected pins alone."""

    name: str
    cell: Cell
    nets: Mapping[str, int]

    def reads(self) -> tuple[int, ...]:
        """Nets at its input pins."""
        return tuple(n for pin, n in self.nets.items() if not self.cell.pins[pin].output)

    def drives(self) -> tuple[tuple[str, int], ...]:
        """Output pins and their nets."""
        return tuple((pin, n) for pin, n in self.nets.items() if self.cell.pins[pin].output)


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """A netlist whose nets all have a driver and that has no loop outside registers.

    Args:
        top: the module.
        clock: its net, None where there is no such port.
        inputs: nets of each input port, the least significant bit first; without the clock.
        outputs: of each output port.
        gates: cells without state, every one behind those that it reads.
        registers: flip-flops.
        nets: how many.
        levels: of each net the number of gates behind it on the longest way from a port or a register.
    """

    top: str
    clock: int | None
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    gates: tuple[Instance, ...]
    registers: tuple[Instance, ...]
    nets: int
    levels: tuple[int, ...]

    @property
    def cells(self) -> tuple[Instance, ...]:
        """Gates and registers."""
        return self.gates + self.registers

    @property
    def depth(self) -> int:
        """Gates on the longest way from a port or register to a port or register."""
        return max(self.levels)


def area_of(cells: Iterable[Instance]) -> float:
    """The sum of areas, rounded once."""
    return math.fsum(i.cell.area for i in cells)


def read_netlist(text: str, top: str, clock: str, library: Library) -> Netlist:
    """The netlist in the JSON of Yosys.

    Raises:
        ValueError: cells that the library does not have or that are not simulated, registers on another clock, nets
            without a driver, loops.
    """
    module = json.loads(text)["modules"][top]
    rows: dict[Any, int] = {"0": 0, "1": 1}
    instances = [
        Instance(
            name=name,
            cell=library.cells[c["type"]],
            nets={pin: _row(rows, bits[0], name) for pin, bits in c["connections"].items() if bits},
        )
        for name, c in _known(module["cells"], top, library).items()
    ]
    ports = {n: (p["direction"], tuple(_row(rows, b, n) for b in p["bits"])) for n, p in module["ports"].items()}
    if both := [n for n, (direction, _) in ports.items() if direction == "inout"]:
        raise ValueError(f"{top}: port {both[0]} is inout; make it an input or an output")
    inputs = {n: nets for n, (direction, nets) in ports.items() if direction == "input"}
    clock_net = inputs.pop(clock)[0] if clock in inputs else None
    registers = tuple(i for i in instances if i.cell.register)
    _one_clock(instances, clock_net, clock, top)
    _one_driver(instances, clock_net, inputs, top)
    gates, levels = _levelised(
        [i for i in instances if not i.cell.register], inputs, registers, clock_net, len(rows), top
    )
    outputs = {n: nets for n, (direction, nets) in ports.items() if direction == "output"}
    if open_ports := [n for n, nets in outputs.items() if any(levels[net] < 0 for net in nets)]:
        raise ValueError(f"{top}: nothing drives output {open_ports[0]}")
    return Netlist(
        top=top,
        clock=clock_net,
        inputs=inputs,
        outputs=outputs,
        gates=gates,
        registers=registers,
        nets=len(rows),
        levels=levels,
    )


def _row(rows: dict[Any, int], bit: Any, name: str) -> int:
    if bit in ("x", "z"):
        raise ValueError(f"{name}: a bit is {bit!r}; give every bit a value")
    return rows.setdefault(bit, len(rows))


def _known(cells: dict[str, Any], top: str, library: Library) -> dict[str, Any]:
    counts = Counter(c["type"] for c in cells.values())
    wrong = {t: "not in the library" for t in counts if t not in library.cells}
    wrong |= {t: library.cells[t].obstacle for t in counts if t not in wrong and library.cells[t].obstacle}
    if wrong:
        listed = ", ".join(f"{counts[t]} {t} ({why})" for t, why in sorted(wrong.items())[:LISTED])
        raise ValueError(f"{top}: cells that {library.name} cannot stand for: {listed}")
    return cells


def _one_clock(instances: list[Instance], clock: int | None, name: str, top: str) -> None:
    for i in instances:
        pins = i.cell.register.clock.names if i.cell.register else ()
        if clock in [net for pin, net in i.nets.items() if pin not in pins and not i.cell.pins[pin].output]:
            raise ValueError(f"{top}: cell {i.name} ({i.cell.name}) reads the clock {name} as data; use an enable")
    for i in (i for i in instances if i.cell.register):
        register = i.cell.register
        assert register is not None
        pin = register.clock.postfix[0]
        if len(register.clock.postfix) != 1 or clock is None or i.nets.get(pin) != clock:
            raise ValueError(f"{top}: register {i.name} ({i.cell.name}) is not clocked by the rising edge of {name}")
        for f in register.asynchronous:
            tied = [i.nets.get(p, -1) for p in f.names]
            if any(n not in (0, 1) for n in tied) or f({p: -n for p, n in zip(f.names, tied, strict=True)}) & 1:
                text = f"register {i.name} ({i.cell.name}) has an asynchronous reset; use synchronous ones"
                raise ValueError(f"{top}: {text}")


def _one_driver(instances: list[Instance], clock: int | None, inputs: Mapping[str, tuple[int, ...]], top: str) -> None:
    counts = Counter([0, 1, *([] if clock is None else [clock]), *(n for nets in inputs.values() for n in nets)])
    counts.update(n for i in instances for _, n in i.drives())
    for i in instances:
        if twice := [n for _, n in i.drives() if counts[n] > 1]:
            raise ValueError(
                f"{top}: {counts[twice[0]]} drivers of one net, of cell {i.name} ({i.cell.name}) and others"
            )


def _levelised(
    gates: list[Instance],
    inputs: Mapping[str, tuple[int, ...]],
    registers: tuple[Instance, ...],
    clock: int | None,
    nets: int,
    top: str,
) -> tuple[tuple[Instance, ...], tuple[int, ...]]:
    """Gates in the order of evaluation, and levels of nets; -1 where nothing drives a net."""
    levels = [-1] * nets
    for n in (0, 1, *((clock,) if clock is not None else ()), *(n for port in inputs.values() for n in port)):
        levels[n] = 0
    for i in registers:
        for _, n in i.drives():
            levels[n] = 0
    readers: dict[int, list[int]] = {}
    waits = []
    for at, i in enumerate(gates):
        missing = {n for n in i.reads() if levels[n] < 0}
        waits.append(len(missing))
        for n in missing:
            readers.setdefault(n, []).append(at)
    ready, order = [at for at, w in enumerate(waits) if not w], []
    for at in ready:  # Why no queue: the list grows while it is read
        order.append(gates[at])
        level = 1 + max((levels[n] for n in gates[at].reads()), default=-1)
        for _, n in gates[at].drives():
            levels[n] = level
            for reader in readers.get(n, ()):
                waits[reader] -= 1
                if not waits[reader]:
                    ready.append(reader)
    if stuck := [gates[at].name for at, w in enumerate(waits) if w]:
        text = ", ".join(stuck[:LISTED])
        raise ValueError(f"{top}: a loop without a register, or a net without a driver, at cells {text}")
    if floating := [i.name for i in registers if any(levels[n] < 0 for n in i.reads())]:
        raise ValueError(f"{top}: nothing drives an input of register {floating[0]}")
    return tuple(order), tuple(levels)
