"""The functional check at gate level: without it a netlist has no area.

Why so strict: a sign bug (a concatenation is unsigned, so a product was extended with zeros) once gave a MAC with a
plausible area, 30 % too small.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gates import SEED, Simulated, simulate_gates, stimulus_bits
from .timed import simulate_timed
from .yosys import Synthesized


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A stimulus and what it must give.

    Args:
        description: what it is: the source of the operands, the seed.
        inputs: integers by input port without the clock, [steps, lanes].
        outputs: the expected integers by output port, [steps, lanes], as they stand before the clock edge of each step.
        settle: steps at the start in which outputs are not compared and toggles not counted; at least 1.
    """

    description: str
    inputs: Mapping[str, Any] = field(repr=False)
    outputs: Mapping[str, Any] = field(repr=False)
    settle: int

    def sha256(self) -> str:
        """Of all numbers, whatever their NumPy type."""
        digest = hashlib.sha256(f"{self.settle}".encode())
        for port, values in (*sorted(self.inputs.items()), *sorted(self.outputs.items())):
            numbers = np.asarray(values)
            digest.update(f"{port} {numbers.shape} {' '.join(str(int(v)) for v in numbers.ravel())}".encode())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A netlist that gave every expected bit; only `check` makes one.

    Args:
        synthesized: the netlist and where it comes from.
        bench: what it was given.
        ran: what it did.
    """

    synthesized: Synthesized
    bench: Bench
    ran: Simulated


SIMULATORS = {"zero-delay": simulate_gates, "timed": simulate_timed}


def check(synthesized: Synthesized, bench: Bench, *, seed: int = SEED, activity: str = "zero-delay") -> Checked:
    """Simulate the netlist and compare every bit of every output from `settle` on.

    Args:
        synthesized: what to check.
        bench: what it must do.
        seed: of the bits at which registers start.
        activity: ``zero-delay``, or ``timed`` for a simulation with delays, in which glitches count.

    Raises:
        ValueError: the first output that differs, with step, lane and both values; or ports that do not fit.
    """
    netlist = synthesized.netlist
    if activity not in SIMULATORS:
        raise ValueError(f"{netlist.top}: activity {activity!r}; it is {' or '.join(SIMULATORS)}")
    if not netlist.outputs:
        raise ValueError(f"{netlist.top}: no outputs, so there is nothing to check")
    expected = stimulus_bits(netlist.outputs, bench.outputs, netlist.top)
    ran = SIMULATORS[activity](netlist, bench.inputs, settle=bench.settle, seed=seed)
    for port, found in ran.outputs.items():
        if found.shape != expected[port].shape:
            text = f"{found.shape[:2]} steps and lanes go in, {expected[port].shape[:2]} are expected at {port}"
            raise ValueError(f"{netlist.top}: {text}")
        wrong = (found != expected[port]).any(axis=-1)
        wrong[: bench.settle] = False
        if wrong.any():
            step, lane = (int(n) for n in np.argwhere(wrong)[0])
            both = f"{_number(found[step, lane])} instead of {_number(expected[port][step, lane])}"
            share = f"{int(wrong.sum())} of {wrong[bench.settle :].size} values"
            text = f"{port} is {both} at step {step}, lane {lane} ({share}); no area for a wrong netlist"
            raise ValueError(f"{netlist.top} on {synthesized.library.name}: {text}")
    return Checked(synthesized=synthesized, bench=bench, ran=ran)


def _number(bits: NDArray[np.uint8]) -> str:
    return hex(sum(int(b) << i for i, b in enumerate(bits)))
