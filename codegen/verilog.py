"""emit_verilog: a hardware unit as synthesizable Verilog-2001, equal to the simulator on every code."""

from __future__ import annotations

from .render import render
from .rtl import Unit


def emit_verilog(unit: Unit) -> dict[str, str]:
    """The unit's Verilog, file name to text; result codes appear `unit.latency` edges after their input.

    Args:
        unit: a `PwlUnit`, `LutUnit`, `RequantUnit`, `ShiftUnit`, `MacUnit` or `ElementwiseUnit`.

    Data ports carry codes as bits (two's complement for signed integers). There is no reset: what is registered is
    defined `latency` edges after the first input, an accumulator from its first ``first`` on.
    """
    module = unit.module
    return {f"{module.name}.v": render("verilog", "module", unit=module)}
