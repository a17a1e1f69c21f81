"""``timing`` groups of a Liberty pin.

Those are read that a unit with one rising clock has: from inputs, from the clock to an output, and setup times. Others
(hold, asynchronous pins, the falling edge, pulse widths) set no shortest clock period of such a unit.

Source: Liberty User Guide, version 2017.06, chapter 5.
"""

from __future__ import annotations

from itertools import pairwise

from .delays import EDGES, Arc, Table
from .liberty_tables import Units, read_table
from .liberty_text import Group

KINDS = {
    "combinational": "combinational",
    "combinational_rise": "combinational",
    "combinational_fall": "combinational",
    "rising_edge": "rising_edge",
    "setup_rising": "setup_rising",
}
SLEWS = ("input_net_transition", "input_transition_time", "constrained_pin_transition")
LOAD, CLOCK_SLEW = "total_output_net_capacitance", "related_pin_transition"


def read_arcs(cell: str, pin: Group, units: Units) -> tuple[Arc, ...]:
    """Arcs of a pin, one a related pin.

    Raises:
        ValueError: tables that cannot be read, with the names of cell and pin.
    """
    try:
        return tuple(
            _arc(group, related, kind, units, pin.name)
            for group in pin.inside("timing")
            if (kind := KINDS.get(group.attributes.get("timing_type", "combinational")))
            for related in group.attributes.get("related_pin", "").split()
        )
    except ValueError as e:
        raise ValueError(f"cell {cell}: {e}") from None


def _arc(group: Group, related: str, kind: str, units: Units, pin: str) -> Arc:
    tables = {g.kind: g for g in group.groups}
    delay, slew = ("{}_constraint", "none") if kind == "setup_rising" else ("cell_{}", "{}_transition")

    def both(name: str) -> tuple[Table | None, Table | None]:
        rise, fall = (_table(tables[n], units, pin) if (n := name.format(e)) in tables else None for e in EDGES)
        return rise, fall

    return Arc(
        related=related,
        kind=kind,
        sense=group.attributes.get("timing_sense", "non_unate"),  # Why: the worst of both senses is safe
        delays=both(delay),
        slews=both(slew),
    )


def _table(group: Group, units: Units, pin: str) -> Table:
    """In SI units, slews first."""
    axes, values = read_table(group, units, pin)
    slews: tuple[float, ...] = (0.0,)
    others: tuple[float, ...] = (0.0,)
    for variable, axis in axes:
        if variable in SLEWS:
            slews = tuple(x * units.time for x in axis)
        elif variable in (LOAD, CLOCK_SLEW):
            others = tuple(x * (units.capacitance if variable == LOAD else units.time) for x in axis)
        else:
            raise ValueError(f"pin {pin}: {group.kind} depends on {variable!r}; only slews and one load are read")
        if any(a >= b for a, b in pairwise(axis)):
            raise ValueError(f"pin {pin}: the axis {variable} of {group.kind} does not ascend")
    turned = values.T if axes and axes[0][0] not in SLEWS else values
    rows = turned.reshape(len(slews), len(others)) * units.time
    return Table(slews=slews, others=others, values=tuple(tuple(map(float, row)) for row in rows))
