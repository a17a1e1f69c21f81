"""verify_unit: a unit's Verilog against the op that it holds, on codes, with equality."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from hwsim.formats import Codes

from .checks import Mismatch, Row
from .rtl import Unit
from .rtl.unit import Stimulus
from .runners.verilog import icarus_version, run_unit

VECTORS = 10_000


def verify_unit(unit: Unit, vectors: int = VECTORS, seed: int = 0, verilog: Mapping[str, str] | None = None) -> Row:
    """Simulate a unit on its stimulus and compare with the op's `run`.

    Args:
        unit: the unit.
        vectors: random vectors, where the input has too many codes for all.
        seed: of the stimulus.
        verilog: texts to simulate; default what `emit_verilog` writes. A netlist of the same ports will do.

    Raises:
        ValueError: no simulator.
        RuntimeError: the simulator refuses the text, or a result is unknown (X).
    """
    codes = unit.stimulus(np.random.default_rng(seed), vectors)
    start = time.perf_counter()
    want, have = unit.expected(codes), run_unit(unit, codes, verilog)
    wrong = {port: y.astype(np.int64) != have[port].astype(np.int64) for port, y in want.items()}
    first = None
    for port, w in wrong.items():
        if w.any() and first is None:
            first = _mismatch(unit, codes, port, int(w.argmax()), want[port], have[port])
    seconds = time.perf_counter() - start
    compared, differ = sum(y.size for y in want.values()), sum(int(w.sum()) for w in wrong.values())
    return Row("verilog", "unit", icarus_version(), len(want), compared, differ, seconds, first)


def _mismatch(unit: Unit, codes: Stimulus, port: str, i: int, want: Codes, have: Codes) -> Mismatch:
    """The difference of vector `i`, with everything that went in."""
    shown = ", ".join(f"{p} {np.asarray(c[i]).tolist()}" for p, c in codes.items())
    contract, rounding = unit.describe()
    return Mismatch(port, f"unit {unit.module.name}", (i,), int(want[i]), int(have[i]), contract, rounding, shown)
