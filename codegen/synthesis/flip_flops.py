"""How registers become flip-flops of a library, for Yosys."""

from __future__ import annotations

from .cells import Cell, Library
from .functions import ONES, Function


def mapping(library: Library) -> str:
    """Verilog that makes the smallest flip-flop a plain one, for libraries where all have a clear or a preset.

    Raises:
        ValueError: no flip-flop that stores one input at the rising edge, or none that can be held inactive.
    """
    if not library.flip_flops:
        raise ValueError(f"library {library.name}: no flip-flop that stores one input when its clock rises")
    cell = library.flip_flops[0]
    register = cell.register
    assert register is not None  # `flip_flops` has only cells with one
    if not register.asynchronous:
        return ""
    pins = {register.next_state.postfix[0]: "D", register.clock.postfix[0]: "C", _output(cell, register.state): "Q"}
    pins |= {pin: f"1'b{int(level)}" for f in register.asynchronous for pin, level in _inactive(cell, f).items()}
    wires = ", ".join(f".{pin}({wire})" for pin, wire in pins.items())
    return f"module \\$_DFF_P_ (input D, C, output Q);\n  {cell.name} _TECHMAP_REPLACE_ ({wires});\nendmodule\n"


def _output(cell: Cell, state: str) -> str:
    for name, pin in cell.pins.items():
        if pin.output and pin.function and pin.function.postfix == (state,):
            return name
    raise ValueError(f"cell {cell.name}: no output shows {state}")


def _inactive(cell: Cell, function: Function) -> dict[str, bool]:
    if len(function.names) == 1:
        pin = function.names[0]
        return {pin: not function({pin: ONES})}
    raise ValueError(f"cell {cell.name}: {function.text} is no clear or preset of one pin")
