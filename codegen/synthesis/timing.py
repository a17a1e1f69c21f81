"""Static timing of a netlist: its longest path, from the delay tables of its library.

A path goes from an input port, which changes when the clock rises, or from the clock pin of a register, to an output
port, or to a register's input and its setup time. A gate's delay is the table's at the slew of its input and the load
of its output. Each edge of a net keeps its latest arrival and, on its own, its largest slew, as OpenSTA does. There are
no wires; the clock rises at all registers at once and at once; ports have no slew and drive nothing outside.

Paths that no stimulus can take count too, so the true shortest period may be less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import starmap

from .delays import EDGES, FALL, RISE, Arc
from .netlist import LISTED, Instance, Netlist

MODEL = "static, no wires, ideal clock"
NEVER = -math.inf


@dataclass(frozen=True, kw_only=True)
class Step:
    """One pin on a path.

    Args:
        instance, cell, pin: which; of a port the instance and the cell are empty.
        edge: ``rise`` or ``fall``.
        arrival: seconds after the clock edge.
    """

    instance: str
    cell: str
    pin: str
    edge: str
    arrival: float


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The longest path.

    Args:
        critical_path: seconds, with the setup time where it ends in a register; 0 where there is no path.
        path: from port or register on: every output pin, then the port or the register's input where it ends.
    """

    critical_path: float
    path: tuple[Step, ...]

    @property
    def max_frequency(self) -> float | None:
        """Hertz; None where nothing takes time."""
        return 1 / self.critical_path if self.critical_path > 0 else None


@dataclass(kw_only=True)
class _Edge:
    """One edge of a net while arrivals are computed: seconds, and the pin that makes it and the edge that causes it."""

    arrival: float = NEVER
    slew: float = 0.0
    behind: tuple[Instance, str, tuple[int, int] | None] | None = None


CLOCK = (_Edge(arrival=0.0), _Edge())  # of an ideal clock only the rising edge counts


def untimed(netlist: Netlist) -> tuple[str, ...]:
    """Names of cells that pass a signal on, or store it, without delay tables."""
    return tuple(sorted({i.cell.name for i in netlist.cells if any(starmap(_unknown, _timed_pins(i)))}))


def _timed_pins(i: Instance) -> Iterator[tuple[tuple[Arc, ...], str]]:
    """Pins that need arcs, with the kind that they need."""
    if i.cell.register:
        yield from ((i.cell.pins[pin].arcs, "setup_rising") for pin in i.cell.register.next_state.names)
    if i.reads():
        kind = "rising_edge" if i.cell.register else "combinational"
        yield from ((i.cell.pins[pin].arcs, kind) for pin, _ in i.drives())


def _unknown(arcs: tuple[Arc, ...], kind: str) -> bool:
    return not any(a.kind == kind and any(a.delays) for a in arcs)


def static_timing(netlist: Netlist) -> Timing:
    """The longest path of a netlist.

    Raises:
        ValueError: cells without delay tables, all of them named; tables that cannot be read.
    """
    return _longest(netlist, _arrivals(netlist))


def pin_delays(netlist: Netlist) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Seconds from an input or clock pin to the rising and the falling edge of an output.

    At the slews of the longest paths; of several arcs the longest. Keys are instance, input and output; pins that never
    change are left out.

    Raises:
        ValueError: as `static_timing`; a pin whose delay is known to one edge alone.
    """
    nets, loads = _arrivals(netlist), _loads(netlist)
    found: dict[tuple[str, str, str], tuple[float, float]] = {}
    for i, pin, net, arc in _used_arcs(netlist):
        before = CLOCK if i.cell.register else nets[i.nets[arc.related]]
        known = list(found.get((i.name, arc.related, pin), (NEVER, NEVER)))
        for edge in (RISE, FALL):
            if (delay := arc.delays[edge]) is not None:
                slews = [before[c].slew for c in arc.causes(edge) if before[c].arrival != NEVER]
                known[edge] = max([known[edge], *(delay.at(s, loads[net][edge]) for s in slews)])
        if max(known) != NEVER:
            found[i.name, arc.related, pin] = (known[RISE], known[FALL])
    if half := [key for key, both in found.items() if min(both) == NEVER]:
        name, related, pin = half[0]
        raise ValueError(f"{netlist.top}: cell {name} has no delay of one edge of {pin} from {related}")
    return found


def _used_arcs(netlist: Netlist) -> Iterator[tuple[Instance, str, int, Arc]]:
    """Instance, output pin, its net and an arc to it; registers first, then gates behind those that they read."""
    for i in (*netlist.registers, *netlist.gates):
        kind = "rising_edge" if i.cell.register else "combinational"
        for pin, net in i.drives():
            yield from ((i, pin, net, a) for a in i.cell.pins[pin].arcs if a.kind == kind and a.related in i.nets)


def _arrivals(netlist: Netlist) -> list[tuple[_Edge, _Edge]]:
    """Both edges of every net."""
    if missing := untimed(netlist):
        text = ", ".join(missing[:LISTED])
        raise ValueError(f"{netlist.top}: the library gives no delays of {len(missing)} cells: {text}")
    loads = _loads(netlist)
    nets = [(_Edge(), _Edge()) for _ in range(netlist.nets)]
    for net in (n for port in netlist.inputs.values() for n in port):
        nets[net][RISE].arrival = nets[net][FALL].arrival = 0.0
    for i, pin, net, arc in _used_arcs(netlist):
        related = None if i.cell.register else i.nets[arc.related]
        _pass(arc, i, pin, related, CLOCK if related is None else nets[related], nets[net], loads[net])
    return nets


def _loads(netlist: Netlist) -> list[tuple[float, float]]:
    """Farad at each net for its rising and its falling edge."""
    loads = [[0.0, 0.0] for _ in range(netlist.nets)]
    for i in netlist.cells:
        for name, net in i.nets.items():
            if not (pin := i.cell.pins[name]).output:
                for edge in (RISE, FALL):
                    loads[net][edge] += pin.edge_capacitances[edge]
    return [(rise, fall) for rise, fall in loads]


def _pass(
    arc: Arc,
    i: Instance,
    pin: str,
    net: int | None,
    before: tuple[_Edge, _Edge],
    after: tuple[_Edge, _Edge],
    loads: tuple[float, float],
) -> None:
    """Let an arc move the arrivals of its output."""
    for edge in (RISE, FALL):
        delay, slew = arc.delays[edge], arc.slews[edge]
        if delay is None:
            continue
        for cause in arc.causes(edge):
            start, end = before[cause], after[edge]
            if start.arrival == NEVER:
                continue
            arrival = start.arrival + delay.at(start.slew, loads[edge])
            if arrival > end.arrival:
                end.arrival, end.behind = arrival, (i, pin, None if net is None else (net, cause))
            if slew is not None:
                end.slew = max(end.slew, slew.at(start.slew, loads[edge]))


def _longest(netlist: Netlist, nets: list[tuple[_Edge, _Edge]]) -> Timing:
    ends = list(_ends(netlist, nets))
    if not ends:
        return Timing(critical_path=0.0, path=())
    total, net, edge, last = max(ends, key=lambda e: e[0])
    path = [last]
    at: tuple[int, int] | None = (net, edge)
    while at is not None and (behind := nets[at[0]][at[1]].behind):
        i, pin, cause = behind
        name = EDGES[at[1]]
        path.append(Step(instance=i.name, cell=i.cell.name, pin=pin, edge=name, arrival=nets[at[0]][at[1]].arrival))
        at = cause
    if at is not None:
        port = next(p for p, bits in netlist.inputs.items() if at[0] in bits)
        path.append(Step(instance="", cell="", pin=port, edge=EDGES[at[1]], arrival=0.0))
    return Timing(critical_path=max(total, 0.0), path=tuple(reversed(path)))


def _ends(netlist: Netlist, nets: list[tuple[_Edge, _Edge]]) -> Iterator[tuple[float, int, int, Step]]:
    """Period that each end of a path needs, its net and edge, and the last step."""
    for port, bits in netlist.outputs.items():
        for net in bits:
            for edge in (RISE, FALL):
                if (arrival := nets[net][edge].arrival) != NEVER:
                    yield arrival, net, edge, Step(instance="", cell="", pin=port, edge=EDGES[edge], arrival=arrival)
    for i in netlist.registers:
        for pin, net in i.nets.items():
            for arc in (a for a in i.cell.pins[pin].arcs if a.kind == "setup_rising"):
                for edge in (RISE, FALL):
                    e, setup = nets[net][edge], arc.delays[edge]
                    if setup is not None and e.arrival != NEVER:
                        step = Step(instance=i.name, cell=i.cell.name, pin=pin, edge=EDGES[edge], arrival=e.arrival)
                        yield e.arrival + setup.at(e.slew, 0.0), net, edge, step
