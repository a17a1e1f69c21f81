"""A Liberty library of our own, always there: areas in NAND2 equivalents, of no process.

Areas are the usual gate counts (inverter 2/3, NAND2 1, XOR 7/3, flip-flop 14/3). For power, every input pin is 0.8 fF,
and the nodes inside a cell count 0.4 fF a gate equivalent, charged at each transition of an output or clock pin;
leakage is 1 nW a gate equivalent; 0.9 V. These are round numbers: power in this library compares units and says nothing
of a chip. Delays grow with area and load, only so that mappers prefer small cells and that units compare: 8 ps and 6 ps
a gate equivalent, of a flip-flop as of a gate, and its setup time is as long.
"""

from __future__ import annotations

NAME = "gate-equivalents"
VOLTAGE = 0.9
PIN = 0.8  # fF
INSIDE = 0.4  # fF a gate equivalent
GATES = (  # name, area, function, unateness
    ("INV", 0.67, "!A", "negative"),
    ("BUF", 1.0, "A", "positive"),
    ("NAND2", 1.0, "!(A&B)", "negative"),
    ("NOR2", 1.0, "!(A|B)", "negative"),
    ("NAND3", 1.33, "!(A&B&C)", "negative"),
    ("NOR3", 1.33, "!(A|B|C)", "negative"),
    ("AND2", 1.33, "A&B", "positive"),
    ("OR2", 1.33, "A|B", "positive"),
    ("XOR2", 2.33, "A^B", "non"),
    ("XNOR2", 2.33, "!(A^B)", "non"),
    ("AOI21", 1.33, "!((A&B)|C)", "negative"),
    ("OAI21", 1.33, "!((A|B)&C)", "negative"),
    ("AOI22", 1.67, "!((A&B)|(C&D))", "negative"),
    ("OAI22", 1.67, "!((A|B)&(C|D))", "negative"),
    ("MUX2", 2.33, "(S&B)|(!S&A)", "non"),
)
FLIP_FLOP = 4.67
HEAD = f"""/* Licence: Apache-2.0, as hwsim, which writes this file. Areas in NAND2 equivalents; of no process. */
library ({NAME.replace("-", "_")}) {{
  delay_model : table_lookup;
  time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA"; leakage_power_unit : "1nW";
  pulling_resistance_unit : "1kohm"; capacitive_load_unit (1, ff);
  nom_voltage : {VOLTAGE};
  lu_table_template (delay) {{
    variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
    index_1 ("0.5, 10"); index_2 ("0.01, 0.2");
  }}
"""


def gate_equivalents() -> str:
    """The Liberty text."""
    return "".join([HEAD, *(_gate(*g) for g in GATES), _flip_flop(), "}\n"])


def _gate(name: str, area: float, function: str, unate: str) -> str:
    pins = [p for p in "ABCDS" if p in function]
    inputs = "".join(f"    pin ({p}) {{ direction : input; capacitance : {PIN}; }}\n" for p in pins)
    arcs = "".join(_arc(p, area, unate) for p in pins)
    return (
        f"  cell ({name}) {{ area : {area}; cell_leakage_power : {area};\n{inputs}"
        f'    pin (Y) {{ direction : output; capacitance : 0; max_capacitance : 40; function : "{function}";\n'
        f"{_energy(area)}{arcs}    }}\n  }}\n"
    )


def _delay(area: float) -> float:
    return 0.008 + 0.006 * area


def _arc(pin: str, area: float, unate: str, kind: str = "combinational") -> str:
    d = _delay(area)
    values = f'values ("{d:.4f}, {1.5 * d:.4f}", "{2.5 * d:.4f}, {3 * d:.4f}");'
    tables = " ".join(f"{t} (delay) {{ {values} }}" for t in ("cell_rise", "cell_fall"))
    slopes = " ".join(f"{t} (delay) {{ {values} }}" for t in ("rise_transition", "fall_transition"))
    head = f'related_pin : "{pin}"; timing_type : {kind}; timing_sense : {unate}_unate;'
    return f"      timing () {{ {head} {tables} {slopes} }}\n"


def _energy(area: float) -> str:
    """Half C V^2 of the nodes inside, fJ a transition."""
    energy = f'values ("{0.5 * INSIDE * area * VOLTAGE**2:.6f}");'
    tables = " ".join(f"{t} (scalar) {{ {energy} }}" for t in ("rise_power", "fall_power"))
    return f"      internal_power () {{ {tables} }}\n"


def _flip_flop() -> str:
    time = f'(scalar) {{ values ("{_delay(FLIP_FLOP):.4f}"); }}'
    constraints = " ".join(f"{e}_constraint {time}" for e in ("rise", "fall"))
    setup = f'timing () {{ related_pin : "CK"; timing_type : setup_rising; {constraints} }}'
    return (
        f"  cell (DFF) {{ area : {FLIP_FLOP}; cell_leakage_power : {FLIP_FLOP};\n"
        '    ff (IQ, IQN) { next_state : "D"; clocked_on : "CK"; }\n'
        f"    pin (D) {{ direction : input; capacitance : {PIN};\n      {setup}\n    }}\n"
        f"    pin (CK) {{ direction : input; clock : true; capacitance : {PIN};\n{_energy(FLIP_FLOP)}    }}\n"
        '    pin (Q) { direction : output; capacitance : 0; function : "IQ";\n'
        f"{_energy(FLIP_FLOP)}{_arc('CK', FLIP_FLOP, 'non', 'rising_edge')}    }}\n  }}\n"
    )
