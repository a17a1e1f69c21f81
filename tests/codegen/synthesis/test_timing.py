"""Longest paths: by hand, and as OpenSTA has them."""

import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from codegen.synthesis import library_named, static_timing, synthesize
from codegen.synthesis.cells import Library
from codegen.synthesis.delays import Table
from codegen.synthesis.netlist import Netlist
from codegen.synthesis.timing import untimed

from .circuits import OWN, SHARED, by_hand, inverters, mac, needs_osu018, needs_yosys, toggling

near = partial(pytest.approx, rel=1e-9, abs=0)
needs_sta = pytest.mark.skipif(not shutil.which("sta"), reason="left out: OpenSTA (apt-get install opensta)")
TEXT = """library (small) {
  time_unit : "1ns"; capacitive_load_unit (1, pf); nom_voltage : 1;
  lu_table_template (both) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance; index_1 ("0, 1"); index_2 ("0, 1");
  }
  lu_table_template (load) { variable_1 : total_output_net_capacitance; index_1 ("0, 1"); }
  lu_table_template (setup) {
    variable_1 : related_pin_transition; variable_2 : constrained_pin_transition; index_1 ("0, 1"); index_2 ("0, 1");
  }
  cell (INV) {
    pin (A) { direction : input; capacitance : 1; fall_capacitance : 2; fall_capacitance_range (1, 3); }
    pin (Y) { direction : output; function : "!A";
      timing () { related_pin : "A"; timing_sense : negative_unate;
        cell_rise (both) { values ("1, 2", "3, 6"); } cell_fall (scalar) { values ("5"); }
        rise_transition (scalar) { values ("0.5"); } fall_transition (load) { values ("0, 0.25"); } }
      timing () { related_pin : "A"; timing_type : hold_rising; rise_constraint (none) { values ("1, 2"); } } } }
  cell (XOR) {
    pin (A) { direction : input; capacitance : 1; } pin (B) { direction : input; capacitance : 1; }
    pin (Y) { direction : output; function : "A ^ B";
      timing () { related_pin : "A B"; timing_sense : non_unate;
        cell_rise (scalar) { values ("3"); } cell_fall (scalar) { values ("2"); } } } }
  cell (BARE) {
    pin (A) { direction : input; capacitance : 1; } pin (Y) { direction : output; function : "A"; } }
  cell (FF) {
    ff (IQ, IQN) { next_state : "D"; clocked_on : "C"; }
    pin (C) { direction : input; capacitance : 1; }
    pin (D) { direction : input; capacitance : 2;
      timing () { related_pin : "C"; timing_type : setup_rising;
        rise_constraint (setup) { values ("1, 3", "9, 9"); } fall_constraint (scalar) { values ("0"); } } }
    pin (Q) { direction : output; function : "IQ";
      timing () { related_pin : "C"; timing_type : rising_edge;
        cell_rise (scalar) { values ("7"); } cell_fall (scalar) { values ("4"); }
        rise_transition (scalar) { values ("0.1"); } fall_transition (scalar) { values ("0.2"); } } } }
}
"""


def small(tmp_path: Path, text: str = TEXT) -> Library:
    (tmp_path / "small.lib").write_text(text)
    return library_named(str(tmp_path / "small.lib"))


CHAIN = {
    "r0": ("FF", {"D": 3, "C": 2, "Q": 4}),
    "u0": ("INV", {"A": 4, "Y": 5}),
    "u1": ("INV", {"A": 5, "Y": 6}),
    "r1": ("FF", {"D": 6, "C": 2, "Q": 7}),
}


def test_a_chain_by_hand(tmp_path: Path) -> None:
    """Rising: 7 to Q; u0 falls 5 later with a slew of 0.25 x 3 pF; u1 rises 1 + 2 s + l + 2 s l = 7.5 later at 2 pF.

    The setup time is 1 + 2 x 0.5 at the slew of u1; the other edge arrives at 4 + 2.8 + 5 and has no setup time.
    """
    found = static_timing(by_hand(CHAIN, {"clk": [2], "a": [3]}, {"q": [7]}, small(tmp_path)))
    assert found.critical_path == near(21.5e-9)
    assert found.max_frequency == near(1 / 21.5e-9)
    steps = [(s.instance, s.pin, s.edge, round(s.arrival * 1e9, 6)) for s in found.path]
    assert steps == [
        ("r0", "Q", "rise", 7),
        ("u0", "Y", "fall", 12),
        ("u1", "Y", "rise", 19.5),
        ("r1", "D", "rise", 19.5),
    ]


def test_either_edge_makes_either_edge_of_an_exclusive_or(tmp_path: Path) -> None:
    cells = {"u0": ("INV", {"A": 2, "Y": 3}), "u1": ("XOR", {"A": 2, "B": 3, "Y": 4})}
    found = static_timing(by_hand(cells, {"a": [2]}, {"y": [4]}, small(tmp_path)))
    assert found.critical_path == near((5 + 3) * 1e-9)  # u0 falls, then u1 rises
    assert [(s.instance, s.pin, s.edge) for s in found.path] == [
        ("", "a", "rise"), ("u0", "Y", "fall"), ("u1", "Y", "rise"), ("", "y", "rise")]  # fmt: skip


def test_an_arc_may_have_one_edge(tmp_path: Path) -> None:
    library = small(tmp_path, TEXT.replace('cell_fall (scalar) { values ("2"); }', ""))
    found = static_timing(by_hand({"u0": ("XOR", {"A": 2, "B": 3, "Y": 4})}, {"a": [2, 3]}, {"y": [4]}, library))
    assert found.critical_path == near(3e-9)
    assert found.path[-1].edge == "rise"


def test_constants_and_wires_take_no_time() -> None:
    found = static_timing(by_hand({}, {"a": [2]}, {"y": [2], "one": ["1"]}))
    assert (found.critical_path, found.max_frequency) == (0, None)
    found = static_timing(by_hand({"u0": ("INV", {"A": "1", "Y": 3})}, {"a": [2]}, {"y": [3]}))
    assert (found.critical_path, found.path) == (0, ())


def test_a_table_goes_on_outside() -> None:
    table = Table(slews=(1, 2, 4), others=(0, 1), values=((0, 1), (10, 11), (30, 31)))
    assert [table.at(s, o) for s, o in ((1, 0), (3, 0.5), (0, 0), (5, 0), (2, 2), (2, -1))] == [0, 20.5, -10, 40, 12, 9]


def test_the_own_library_by_hand() -> None:
    d, (low, high) = 0.008 + 0.006 * 0.67, (0.5, 10)

    def delay(slew: float, load: float) -> float:
        u, v = (slew - 0.01) / (0.2 - 0.01), (load - low) / (high - low)
        rows = [round(d * k, 4) for k in (1, 1.5, 2.5, 3)]
        return (rows[0] * (1 - u) + rows[1] * u) * (1 - v) + (rows[2] * (1 - u) + rows[3] * u) * v

    first, second = delay(0, 0.8), delay(delay(0, 0.8), 0.8)
    third = delay(second, 0)
    assert static_timing(inverters()).critical_path == near((first + second + third) * 1e-9)
    assert static_timing(toggling()).critical_path > 2 * (0.008 + 0.006 * 4.67) * 1e-9


def test_cells_without_delays_are_named(tmp_path: Path) -> None:
    netlist = by_hand({"u0": ("BARE", {"A": 2, "Y": 3})}, {"a": [2]}, {"y": [3]}, small(tmp_path))
    assert untimed(netlist) == ("BARE",)
    with pytest.raises(ValueError, match=re.escape("top: the library gives no delays of 1 cells: BARE")):
        static_timing(netlist)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('index_1 ("0, 1"); index_2 ("0, 1");\n  }\n  lu', 'index_1 ("1, 1"); index_2 ("0, 1");\n  }\n  lu', "ascend"),
        ("(load) { variable_1 : total_output_net_capacitance", "(load) { variable_1 : fanout", "depends on 'fanout'"),
        ('values ("1, 2", "3, 6")', 'values ("1, 2")', "cell_rise has 2 values on axes of [2, 2]"),
        ("cell_rise (both)", "cell_rise (nowhere)", "uses the template 'nowhere'"),
    ],
)
def test_bad_tables_are_named_when_asked_for(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in TEXT
    netlist = by_hand(CHAIN, {"clk": [2], "a": [3]}, {"q": [7]}, small(tmp_path, TEXT.replace(old, new, 1)))
    with pytest.raises(ValueError, match=rf"^cell INV: pin Y: .*{re.escape(says)}"):
        static_timing(netlist)


def ripple(library: Library, names: dict[str, str], clock: str, bits: int = 6) -> Netlist:
    """Registers, a ripple-carry adder of XOR and NAND, a register a sum."""
    cells: dict[str, tuple[str, dict[str, Any]]] = {}
    net = iter(range(100, 1000))

    def gate(kind: str, a: Any, b: Any) -> int:
        cells[f"u{len(cells)}"] = (names[kind], {"A": a, "B": b, "Y": (y := next(net))})
        return y

    def register(d: Any) -> int:
        cells[f"u{len(cells)}"] = (names["FF"], {"D": d, clock: 2, "Q": (q := next(net))})
        return q

    carry: Any = register(3)
    sums = []
    for i in range(bits):
        a, b = register(10 + i), register(20 + i)
        half = gate("XOR", a, b)
        sums.append(register(gate("XOR", half, carry)))
        carry = gate("NAND", gate("NAND", a, b), gate("NAND", half, carry))
    inputs = {"clk": [2], "c": [3], "a": [10 + i for i in range(bits)], "b": [20 + i for i in range(bits)]}
    return by_hand(cells, inputs, {"y": [*sums, register(carry)]}, library)


def ripple_of(name: str) -> tuple[Netlist, Library]:
    if name == "osu018":
        library, clock = library_named("osu018"), "CLK"
        names = {"XOR": "XOR2X1", "NAND": "NAND2X1", "FF": "DFFPOSX1"}
    else:
        library, clock, names = OWN, "CK", {"XOR": "XOR2", "NAND": "NAND2", "FF": "DFF"}
    return ripple(library, names, clock), library


RECORDED = {"gate-equivalents": 0.292793, "osu018": 1.505108}  # ns, of OpenSTA 2.0.17
NAMES = ["gate-equivalents", pytest.param("osu018", marks=needs_osu018)]


@pytest.mark.parametrize("name", NAMES)
def test_an_adder_is_as_opensta_had_it(name: str) -> None:
    assert static_timing(ripple_of(name)[0]).critical_path * 1e9 == pytest.approx(RECORDED[name], rel=1e-5)


def opensta(netlist: Netlist, library: Library, folder: Path) -> float:
    """The longest path in the library's unit of time, as OpenSTA has it; without the library's guess of wires."""
    clock = {} if netlist.clock is None else {"clk": (netlist.clock,)}
    ports = [("input", clock | dict(netlist.inputs)), ("output", dict(netlist.outputs))]
    named = [(f"{p}{i}", way, n) for way, some in ports for p, nets in some.items() for i, n in enumerate(nets)]
    lines = [f"module top ({', '.join(p for p, _, _ in named)});", *(f"{way} {p};" for p, way, _ in named)]
    lines += [f"wire n{n};" for n in range(2, netlist.nets)]
    lines += [f"assign n{n} = {p};" if way == "input" else f"assign {p} = {_wire(n)};" for p, way, n in named]
    lines += [
        f"{i.cell.name} {i.name} ({', '.join(f'.{p}({_wire(n)})' for p, n in i.nets.items())});" for i in netlist.cells
    ]
    (folder / "n.v").write_text("\n".join([*lines, "endmodule\n"]))
    text = re.sub(r"default_wire_load\w* *:[^;]*;|wire_load_selection *\([^)]*\) *\{[^}]*\}", "", library.text)
    (folder / "l.lib").write_text(text, encoding="latin-1")
    ways = "set_input_delay 0 -clock clk [all_inputs]\nset_output_delay 0 -clock clk [all_outputs]\n"
    clocked = "create_clock -name clk -period 1000 [get_ports clk0]\n"
    script = f"read_liberty l.lib\nread_verilog n.v\nlink_design top\n{clocked}{ways}"
    (folder / "s.tcl").write_text(f"{script}report_checks -path_delay max -digits 6\nexit\n")
    said = subprocess.run(["sta", "-no_splash", "-exit", "s.tcl"], cwd=folder, capture_output=True, text=True).stdout
    arrival = re.findall(r"([-\d.]+)\s+data arrival", said)
    setup = re.findall(r"([-\d.]+)\s+[-\d.]+\s+library setup", said)
    assert arrival, said
    return float(arrival[0]) - sum(map(float, setup))


def _wire(net: int) -> str:
    return f"1'b{net}" if net < 2 else f"n{net}"


@needs_sta
@pytest.mark.parametrize("name", NAMES)
def test_opensta_still_says_so(name: str, tmp_path: Path) -> None:
    assert opensta(*ripple_of(name), tmp_path) == pytest.approx(RECORDED[name], rel=1e-4)


FILES = [pytest.param(str(SHARED / f"{n}.lib.gz"), id=n) for n in ("gt2n", "sg13g2", "sky130hd")]


@needs_yosys
@needs_sta
@pytest.mark.parametrize("name", [*NAMES, *FILES])
def test_a_mac_is_as_in_opensta(name: str, tmp_path: Path) -> None:
    if name.endswith(".gz") and not Path(name).is_file():
        pytest.skip("left out: a library that does not come with hwsim")
    library = library_named(name, leave_out=("*lpflow*", "*dly*") if "sky130" in name else ())
    netlist = synthesize(mac(), library, arithmetic=("apart",)).netlist
    unit = 1e12 if "gt2n" in name else 1e9
    assert static_timing(netlist).critical_path * unit == pytest.approx(opensta(netlist, library, tmp_path), rel=1e-4)
