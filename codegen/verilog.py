"""emit_verilog: a hardware unit as synthesizable Verilog-2001, equal to the simulator on every code."""

from __future__ import annotations

from .render import render
from .rtl import Unit


def emit_verilog(unit: Unit) -> dict[str, str]:
    """The unit's Verilog, file name to text; result codes appear `unit.latency` edges after their input.

    Args:
        unit: one of `codegen.rtl`. What it has several of is a module in a file of its own, and comes first.

    Data ports carry codes as bits (two's complement for signed integers). There is no reset: what is registered is
    defined `latency` edges after the first input, an accumulator from its first ``first`` on.
    """
    module = unit.module
    return {f"{m.name}.v": render("verilog", "module", unit=m) for m in (*module.parts, module)}
