"""An exact simulator of a mapped netlist, without delays: 64 lanes a word, all gates of one level and one cell at once.

A step is a clock cycle: inputs change, gates settle, outputs are read, then the clock rises and registers take their
next state. Registers start at random bits, so a unit that needs a reset shows it. Lanes are independent sequences.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .functions import ONES, Function, Words
from .netlist import Instance, Netlist

WORD = 64
SEED = 20


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What a stimulus did.

    Args:
        outputs: bits of each output port, [steps, lanes, width].
        toggles: changes of each net between successive steps, from `settle` on, over all lanes.
        kept: per register, in the order of the netlist, whether its state never changed from `settle` on.
        cycles: clock cycles in which toggles were counted, over all lanes.
        activity: ``zero-delay`` or ``timed``: whether `toggles` has at most one change a step or glitches too.
    """

    outputs: dict[str, NDArray[np.uint8]]
    toggles: NDArray[np.int64]
    kept: NDArray[np.bool_]
    cycles: int
    activity: str = "zero-delay"


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Cells of one kind that are evaluated together: `function` of rows of nets."""

    function: Function
    reads: dict[str, NDArray[np.int64]]
    drives: NDArray[np.int64]

    def run(self, values: Words) -> Any:
        return self.function({pin: values[rows] for pin, rows in self.reads.items()})


def simulate_gates(netlist: Netlist, inputs: Mapping[str, Any], *, settle: int, seed: int = SEED) -> Simulated:
    """Run a netlist.

    Args:
        netlist: what to run.
        inputs: integers by port, [steps, lanes]: signed or unsigned, any width.
        settle: steps before toggles are counted; at least 1.
        seed: of the bits at which registers start.

    Raises:
        ValueError: ports or numbers that do not fit.
    """
    bits = checked_stimulus(netlist, inputs, settle)
    steps, lanes = next(iter(bits.values())).shape[:2]
    words = {port: _packed(b) for port, b in bits.items()}
    mask = _packed(np.ones((lanes, 1), np.uint8))[0]
    values = np.zeros((netlist.nets, mask.size), np.uint64)
    values[1] = ONES
    gates, states = _batches(netlist.gates), _states(netlist)
    random = np.random.default_rng(seed)
    for b in states:
        b.start(values, random)
    toggles, changed = np.zeros(netlist.nets, np.int64), np.zeros(len(netlist.registers), bool)
    outputs = {port: np.empty((steps, lanes, len(nets)), np.uint8) for port, nets in netlist.outputs.items()}
    for step in range(steps):
        before = values.copy()
        if step:
            for s in states:
                s.clock(before, values)
        for port, nets in netlist.inputs.items():
            values[list(nets)] = words[port][step]
        for batch in gates:
            values[batch.drives] = batch.run(values)
        if step >= settle:
            moved = (values ^ before) & mask
            toggles += np.bitwise_count(moved).sum(axis=1, dtype=np.int64)
            changed |= moved[_first_outputs(netlist)].any(axis=1) if netlist.registers else changed
        for port, nets in netlist.outputs.items():
            outputs[port][step] = _unpacked(values[list(nets)], lanes)
    return Simulated(outputs=outputs, toggles=toggles, kept=~changed, cycles=(steps - settle) * lanes)


def checked_stimulus(netlist: Netlist, inputs: Mapping[str, Any], settle: int) -> dict[str, NDArray[np.uint8]]:
    """Bits of the inputs; ValueError for ports, numbers or a `settle` that do not fit."""
    bits = stimulus_bits(netlist.inputs, inputs, netlist.top)
    steps = len(next(iter(bits.values())))
    if not 1 <= settle < steps:
        raise ValueError(f"{netlist.top}: settle {settle} of {steps} steps; it is at least 1 and leaves a step")
    return bits


def stimulus_bits(ports: Mapping[str, Any], values: Mapping[str, Any], top: str) -> dict[str, NDArray[np.uint8]]:
    """Integers as bits [steps, lanes, width], the least significant first; ValueError names what does not fit."""
    if set(ports) != set(values):
        raise ValueError(f"{top}: ports {sorted(ports)}, values for {sorted(values)}; give one array a port")
    shapes = {port: np.shape(v) for port, v in values.items()}
    if not shapes or len(set(shapes.values())) > 1 or any(len(s) != 2 or 0 in s for s in shapes.values()):
        raise ValueError(f"{top}: values must be [steps, lanes], alike for all ports; they are {shapes}")
    return {port: to_bits(values[port], len(nets), f"{top}: port {port}") for port, nets in ports.items()}


def to_bits(values: Any, width: int, name: str) -> NDArray[np.uint8]:
    """Two's complement bits of integers in a new last axis; ValueError if one is no integer of `width` bits."""
    array = np.asarray(values)
    if array.dtype.kind not in "iubO":
        raise ValueError(f"{name}: integers are expected, not {array.dtype}")
    numbers = array.astype(object) if array.dtype.kind == "O" or width > WORD else array
    low, high = int(array.min()), int(array.max())
    if low < -(1 << (width - 1)) or high >= 1 << width:
        raise ValueError(f"{name}: {low if low < 0 and high < 1 << width else high} does not fit {width} bits")
    if numbers.dtype.kind != "O":
        wide = numbers.astype(np.int64) if numbers.dtype.kind != "u" else numbers.astype(np.uint64)
        places = np.arange(width, dtype=wide.dtype)
        return ((wide[..., None] >> places) & wide.dtype.type(1)).astype(np.uint8)
    size = -(-width // 8)
    raw = b"".join((int(v) % (1 << width)).to_bytes(size, "little") for v in numbers.ravel())
    flat = np.frombuffer(raw, np.uint8).reshape(*array.shape, size)
    return np.unpackbits(flat, axis=-1, bitorder="little")[..., :width]


def _packed(bits: NDArray[np.uint8]) -> Words:
    """[..., lanes, width] bits as [..., width, words]."""
    lanes = bits.shape[-2]
    turned = np.moveaxis(bits, -2, -1)
    padded = np.pad(turned, [(0, 0)] * (turned.ndim - 1) + [(0, -lanes % WORD)])
    return np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)


def _unpacked(words: Words, lanes: int) -> NDArray[np.uint8]:
    """[width, words] as [lanes, width] bits."""
    return np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")[:, :lanes].T


@dataclass(frozen=True, kw_only=True)
class _State:
    """Registers of one kind: their next state, and their outputs as functions of state and inverse."""

    next_state: _Batch
    outputs: tuple[tuple[Function, NDArray[np.int64]], ...]
    names: tuple[str, str]

    def show(self, values: Words, state: Words) -> None:
        seen = {self.names[0]: state, self.names[1]: ~state}
        for function, rows in self.outputs:
            values[rows[rows >= 0]] = function(seen)[rows >= 0]

    def start(self, values: Words, random: np.random.Generator) -> None:
        shape = (self.next_state.drives.size, values.shape[1])
        self.show(values, random.integers(0, 1 << 64, shape, np.uint64))

    def clock(self, before: Words, values: Words) -> None:
        shape = (self.next_state.drives.size, values.shape[1])
        self.show(values, np.broadcast_to(self.next_state.run(before), shape).astype(np.uint64))


def _batches(gates: tuple[Instance, ...]) -> list[_Batch]:
    """Gates by level and function: cells of one level do not read each other."""
    level: dict[int, int] = {}
    groups: dict[tuple[int, str, str], list[Instance]] = defaultdict(list)
    for i in gates:
        at = 1 + max((level.get(n, 0) for n in i.reads()), default=0)
        for pin, net in i.drives():
            level[net] = at
            groups[at, i.cell.name, pin].append(i)
    return [_batch(some, pin) for (_, _, pin), some in sorted(groups.items(), key=lambda item: item[0])]


def _batch(some: list[Instance], pin: str) -> _Batch:
    function = function_of(some[0], pin)
    return _Batch(function=function, reads=_rows(some, function), drives=np.array([i.nets[pin] for i in some]))


def _rows(some: list[Instance], function: Function) -> dict[str, NDArray[np.int64]]:
    read = np.array([read_nets(i, function) for i in some], np.int64).reshape(len(some), len(function.names))
    return dict(zip(function.names, read.T, strict=True))


def function_of(i: Instance, pin: str) -> Function:
    """The function of an output; ValueError where the library gives none."""
    function = i.cell.pins[pin].function
    if function is None:
        raise ValueError(f"cell {i.cell.name}: pin {pin} has no function, so it cannot be simulated")
    return function


def read_nets(i: Instance, function: Function) -> list[int]:
    """Nets that a function of a cell reads, in its order; ValueError for a pin that is not connected."""
    if floating := [pin for pin in function.names if pin not in i.nets]:
        raise ValueError(f"cell {i.name} ({i.cell.name}): input {floating[0]} is not connected")
    return [i.nets[pin] for pin in function.names]


def _states(netlist: Netlist) -> list[_State]:
    groups: dict[str, list[Instance]] = defaultdict(list)
    for i in netlist.registers:
        groups[i.cell.name].append(i)
    return [_state(some) for some in groups.values()]


def _state(some: list[Instance]) -> _State:
    cell = some[0].cell
    assert cell.register is not None
    f = cell.register.next_state
    outputs = tuple(
        (pin.function, np.array([i.nets.get(name, -1) for i in some]))
        for name, pin in cell.pins.items()
        if pin.output and pin.function
    )
    batch = _Batch(function=f, reads=_rows(some, f), drives=np.arange(len(some)))
    return _State(next_state=batch, outputs=outputs, names=(cell.register.state, cell.register.inverse))


def _first_outputs(netlist: Netlist) -> list[int]:
    return [i.drives()[0][1] for i in netlist.registers]
