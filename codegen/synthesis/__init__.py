"""Area, critical path and power of any Verilog unit: synthesized by Yosys, checked at gate level, with a cell library.

In short, where dots stand for what the user has:

library = library_named("gate-equivalents")
made = synthesize(Unit(top="mac", files={"mac.v": text}), library)
checked = check(made, Bench(description="...", inputs={...}, outputs={...}, settle=3))
record(checked, frequency=500e6)
"""

from __future__ import annotations

from .cells import Library
from .checked import Bench, Checked, check
from .gates import Simulated, simulate_gates
from .libraries import library_named
from .power import Power, power
from .record import measure, record
from .timed import simulate_timed
from .timing import Timing, static_timing
from .yosys import Synthesized, Unit, synthesize

__all__ = [
    "Bench",
    "Checked",
    "Library",
    "Power",
    "Simulated",
    "Synthesized",
    "Timing",
    "Unit",
    "check",
    "library_named",
    "measure",
    "power",
    "record",
    "simulate_gates",
    "simulate_timed",
    "static_timing",
    "synthesize",
]
