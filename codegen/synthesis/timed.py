"""Simulation of a mapped netlist with delays, so that glitches count: events in order of time, one lane after another.

Inputs change when the clock rises, registers a clock-to-output delay later; then gates settle before the next edge, so
the clock is as slow as the unit needs. A gate answers a change of an input after that pin's delay, at the load and the
slew of static timing; a pulse that ends before its answer is due does not pass (inertial delay, as in Verilog).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.jit import jit

from .delays import FALL, RISE
from .functions import Function
from .gates import SEED, Simulated, checked_stimulus, function_of, read_nets
from .netlist import Instance, Netlist
from .timing import pin_delays

Delays = dict[tuple[str, str, str], tuple[float, float]]


class _Functions(NamedTuple):
    """Truth tables side by side.

    Function g reads `nets[start[g]:start[g+1]]`, the first of them the highest bit of a row of its table, which begins
    at `row[g]`; `delays` are seconds from each of these nets to a falling and a rising result.
    """

    start: NDArray[np.int64]
    nets: NDArray[np.int64]
    row: NDArray[np.int64]
    table: NDArray[np.uint8]
    delays: NDArray[np.float64]


class _Wiring(NamedTuple):
    """Each driver's net, gates first and then sources; net n goes to places `place[start[n]:start[n+1]]` of `gate`."""

    drives: NDArray[np.int64]
    start: NDArray[np.int64]
    gate: NDArray[np.int64]
    place: NDArray[np.int64]


class _Timed:
    """A netlist as arrays, and one lane of it: the value of every net."""

    def __init__(self, netlist: Netlist) -> None:
        delays = pin_delays(netlist)
        gates = [(i, pin, function_of(i, pin)) for i in netlist.gates for pin, _ in i.drives()]
        states = [(i, "", i.cell.register.next_state) for i in netlist.registers if i.cell.register]
        self.gates, self.states = _functions(gates, delays), _functions(states, {})
        self.ports = [net for nets in netlist.inputs.values() for net in nets]
        shown = [(at, i, pin) for at, i in enumerate(netlist.registers) for pin, _ in i.drives()]
        self.register = np.array([at for at, _, _ in shown], np.int64)
        self.inverted = np.array([_is_inverted(i, pin) for _, i, pin in shown], np.uint8)
        self.sources = np.array(self.ports + [i.nets[pin] for _, i, pin in shown], np.int64)
        clocked = [delays[i.name, i.cell.register.clock.names[0], pin] for _, i, pin in shown if i.cell.register]
        self.late = np.array([(0.0, 0.0)] * len(self.ports) + [(d[FALL], d[RISE]) for d in clocked])
        outputs = [i.nets[pin] for i, pin, _ in gates]
        order = np.argsort(self.gates.nets, kind="stable")
        reader = np.repeat(np.arange(len(gates)), np.diff(self.gates.start))
        start = np.searchsorted(self.gates.nets[order], np.arange(netlist.nets + 1))
        self.wiring = _Wiring(np.array([*outputs, *self.sources], np.int64), start, reader[order], order)
        self.values = np.zeros(netlist.nets, np.uint8)

    def sourced(self, ports: NDArray[np.uint8], states: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bits of ports and of registers' outputs."""
        return np.concatenate([ports, states[self.register] ^ self.inverted])

    def start(self, sources: NDArray[np.uint8]) -> None:
        """Settle without delays; what was before does not matter."""
        self.values[:] = 0
        self.values[1] = 1
        self.values[self.sources] = sources
        _evaluate(self.gates, self.values, self.values, self.wiring.drives)

    def next_states(self) -> NDArray[np.uint8]:
        """What registers take at the next edge."""
        found = np.zeros(len(self.states.row), np.uint8)
        _evaluate(self.states, self.values, found, np.arange(found.size))
        return found

    def step(self, sources: NDArray[np.uint8], toggles: NDArray[np.int64]) -> None:
        """Let the sources change and gates settle; `toggles` counts."""
        changed = np.flatnonzero(self.values[self.sources] != sources)
        first = len(self.gates.row)
        _settle(self.gates, self.wiring, self.values, toggles, changed + first, self.late[changed, sources[changed]])


def simulate_timed(netlist: Netlist, inputs: Mapping[str, Any], *, settle: int, seed: int = SEED) -> Simulated:
    """Run a netlist with delays: as `simulate_gates`, but `toggles` counts every change of a net.

    Raises:
        ValueError: ports or numbers that do not fit; cells without delays.
    """
    bits = checked_stimulus(netlist, inputs, settle)
    steps, lanes = next(iter(bits.values())).shape[:2]
    run, random = _Timed(netlist), np.random.default_rng(seed)
    ports = np.concatenate([bits[port] for port in netlist.inputs], axis=-1)
    toggles, unused = np.zeros((2, netlist.nets), np.int64)
    changed = np.zeros(len(netlist.registers), bool)
    outputs = {port: np.empty((steps, lanes, len(nets)), np.uint8) for port, nets in netlist.outputs.items()}
    for lane in range(lanes):
        states = random.integers(0, 2, len(netlist.registers), np.uint8)
        for step in range(steps):
            if step:
                before, states = states, run.next_states()
                run.step(run.sourced(ports[step, lane], states), toggles if step >= settle else unused)
                changed |= (states != before) & (step >= settle)
            else:
                run.start(run.sourced(ports[0, lane], states))
            for port, nets in netlist.outputs.items():
                outputs[port][step, lane] = run.values[list(nets)]
    return Simulated(outputs=outputs, toggles=toggles, kept=~changed, cycles=(steps - settle) * lanes, activity="timed")


def _is_inverted(i: Instance, pin: str) -> bool:
    """Whether an output of a register shows the inverse of its state."""
    register, (zero, one) = i.cell.register, (np.uint64(0), ~np.uint64(0))
    assert register is not None
    return bool(function_of(i, pin)({register.state: zero, register.inverse: one}) & np.uint64(1))


def _functions(some: Iterable[tuple[Instance, str, Function]], delays: Delays) -> _Functions:
    nets: list[int] = []
    tables: list[bool] = []
    late, starts, rows = [], [0], []
    for i, pin, f in some:
        both = [delays.get((i.name, name, pin), (0.0, 0.0)) for name in f.names]
        rows.append(len(tables))
        nets += read_nets(i, f)
        late += [(d[FALL], d[RISE]) for d in both]
        tables += f.table()
        starts.append(len(nets))
    return _Functions(
        start=np.array(starts, np.int64),
        nets=np.array(nets, np.int64),
        row=np.array(rows, np.int64),
        table=np.array(tables, np.uint8),
        delays=np.array(late, np.float64).reshape(-1, 2),
    )


@jit
def _result(f: _Functions, g: int, values: NDArray[np.uint8]) -> Any:
    at = 0
    for k in range(f.start[g], f.start[g + 1]):
        at = 2 * at + values[f.nets[k]]
    return f.table[f.row[g] + at]


@jit
def _evaluate(f: _Functions, values: NDArray[np.uint8], into: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
    """All functions in their order."""
    for g in range(f.row.size):
        into[places[g]] = _result(f, g, values)


@jit
def _settle(
    f: _Functions,
    wiring: _Wiring,
    values: NDArray[np.uint8],
    toggles: NDArray[np.int64],
    changed: NDArray[np.int64],
    times: NDArray[np.float64],
) -> None:
    """Events until there are none. A driver has at most one ahead: `due` is its number, 0 where there is none."""
    due = np.zeros(wiring.drives.size, np.int64)
    queue = [(0.0, 0, 0) for _ in range(0)]
    number = 0
    for k in range(changed.size):
        number += 1
        due[changed[k]] = number
        heapq.heappush(queue, (times[k], number, changed[k]))
    while len(queue):
        time, event, driver = heapq.heappop(queue)
        if due[driver] != event:
            continue
        due[driver] = 0
        net = wiring.drives[driver]
        values[net] ^= 1
        toggles[net] += 1
        for k in range(wiring.start[net], wiring.start[net + 1]):
            g = wiring.gate[k]
            new = _result(f, g, values)
            if new == values[wiring.drives[g]]:
                due[g] = 0
            elif due[g] == 0:
                number += 1
                due[g] = number
                heapq.heappush(queue, (time + f.delays[wiring.place[k], new], number, g))
