"""Numbers of a small library, by hand; and what is refused."""

import re
from functools import partial

import pytest

from codegen.synthesis.cells import Curve
from codegen.synthesis.liberty import read_cells

near = partial(pytest.approx, rel=1e-12, abs=0)  # Why: the default takes any two femtojoules for equal
TEXT = """library (small) {
  capacitive_load_unit (10, ff); voltage_unit : "1V"; leakage_power_unit : "10pW"; default_input_pin_cap : 2;
  operating_conditions (typical) { voltage : 1.5; }
  power_lut_template (both) {
    variable_1 : total_output_net_capacitance; variable_2 : input_transition_time;
    index_1 ("1, 3"); index_2 ("1, 2, 3, 4");
  }
  power_lut_template (slopes) { variable_1 : input_transition_time; index_1 ("1, 2, 3, 4"); }
  power_lut_template (turned) { variable_1 : input_transition_time; variable_2 : total_output_net_capacitance; }
  cell (NAND) {
    area : 4;
    leakage_power () { when : "A"; value : 1; } leakage_power () { when : "!A"; value : 5; }
    pin (A) { direction : input; capacitance : 0.5; internal_power () { power (slopes) { values ("7, 8, 9, 10"); } } }
    pin (B) { direction : input; }
    pin (Y) {
      direction : output; function : "!(A B)";
      internal_power () {
        rise_power (both) { values ("0, 10, 0, 0", "0, 30, 0, 0"); }
        fall_power (turned) { index_1 ("1, 2, 3, 4"); index_2 ("2, 4"); values ("0, 0", "6, 8", "0, 0, 0, 0"); }
      }
    }
  }
  cell (FF) {
    area : 9; cell_leakage_power : 3;
    ff (IQ, IQN) { next_state : "D"; clocked_on : "C"; clear : "!R"; }
    pin (D) { direction : input; } pin (C) { direction : input; } pin (R) { direction : input; }
    pin (Q) { direction : output; function : "IQ"; }
  }
  cell (LATCH) { latch (IQ, IQN) { data_in : "D"; enable : "E"; } }
}
"""


def test_numbers_are_in_si_units() -> None:
    name, voltage, cells = read_cells(TEXT, "t.lib")
    nand = cells["NAND"]
    assert (name, voltage, nand.area) == ("small", 1.5, 4)
    assert nand.leakage == near(3 * 10e-12)
    assert nand.pins["A"].capacitance == near(5e-15)
    assert nand.pins["B"].capacitance == near(20e-15)  # the library's default
    assert nand.pins["A"].energy() == near(8 * 10e-15)  # the second of four slopes
    assert cells["LATCH"].obstacle == "it has a latch"


@pytest.mark.parametrize(("load", "rise", "fall"), [(2, 20, 6), (3, 30, 7), (1, 10, 5), (5, 50, 9)])
def test_energies_follow_the_load_and_go_on_outside(load: float, rise: float, fall: float) -> None:
    pin = read_cells(TEXT, "t.lib")[2]["NAND"].pins["Y"]
    assert [c.at(load * 10e-15) for c in pin.curves] == near([rise * 10e-15, fall * 10e-15])
    assert pin.energy(load * 10e-15) == near((rise + fall) / 2 * 10e-15)


def test_a_curve_takes_the_segment_that_holds_the_load() -> None:
    curve = Curve(loads=(0, 1, 3), energies=(0, 10, 14))
    assert [curve.at(x) for x in (0.5, 1, 2, 3, 4, -1)] == near([5, 10, 12, 14, 16, -10])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("capacitive_load_unit (10, ff);", "", "library small: capacitive_load_unit (NUMBER, ff or pf) is missing"),
        ("10, ff", "10, farads", "capacitive_load_unit '10farads': expected a number and a unit such as 1pF"),
        ("area : 4;", "area : big;", "cell NAND: area: 'big' is no number"),
        ('"7, 8, 9, 10"', '"7, 8, 9, x"', "cell NAND: a table of pin A: 'x' is no number"),
        ('"7, 8, 9, 10"', '"7, 8"', "cell NAND: pin A: power has 2 values on axes of [4]"),
        ("power (slopes) {", "power (none) {", "cell NAND: pin A: power uses the template 'none'"),
        ('"!(A B)"', '"!(A B"', "cell NAND: function '!(A B': a parenthesis is not closed"),
        ('next_state : "D";', "", "cell FF: ff has no next_state"),
        ("voltage : 1.5;", "", "library small: no nom_voltage and no operating_conditions"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError, match=re.escape(f"t.lib: {says}")) as e:
        read_cells(TEXT.replace(old, new), "t.lib")
    assert "\n" not in str(e.value)
