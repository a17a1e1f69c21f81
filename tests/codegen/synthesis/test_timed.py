"""Glitches: by hand, as Icarus has them, and never fewer toggles than without delays."""

import re
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from codegen.synthesis import check, library_named, power, record, simulate_gates, simulate_timed, synthesize
from codegen.synthesis.gate_equivalents import gate_equivalents

from .circuits import (
    OWN,
    by_hand,
    inverters,
    mac,
    mac_bench,
    needs_iverilog,
    needs_osu018,
    needs_yosys,
    toggling,
)

near = partial(pytest.approx, rel=1e-12, abs=0)
CELL = """cell (G{n}) {{
  pin (A) {{ direction : input; capacitance : 1; }} pin (B) {{ direction : input; capacitance : 1; }}
  pin (Y) {{ direction : output; function : "{function}"; timing () {{ related_pin : "A B"; timing_sense : non_unate;
  cell_rise (scalar) {{ values ("{rise}"); }} cell_fall (scalar) {{ values ("{fall}"); }} }} }} }}
"""
HEAD = 'library (scalars) { time_unit : "1ps"; capacitive_load_unit (1, ff); nom_voltage : 1;\n'


def cells(tmp_path: Path, *some: tuple[str, int, int]):
    """A library of two-input gates: function, delays of the rising and the falling output."""
    bodies = [CELL.format(n=n, function=f, rise=r, fall=d) for n, (f, r, d) in enumerate(some)]
    (tmp_path / "s.lib").write_text("".join([HEAD, *bodies, "}\n"]))
    return library_named(str(tmp_path / "s.lib"))


@pytest.mark.parametrize(("late", "answer", "pulses"), [(50, 10, 1), (50, 49, 1), (50, 51, 0), (5, 10, 0)])
def test_a_signal_and_its_delayed_self_make_a_pulse(tmp_path: Path, late: int, answer: int, pulses: int) -> None:
    """An XOR of both is 0 once settled; it pulses at each change, unless the pulse is shorter than the XOR's delay."""
    library = cells(tmp_path, ("A&B", late, late), ("A^B", answer, answer))
    gates = {"u0": ("G0", {"A": 2, "B": "1", "Y": 3}), "u1": ("G1", {"A": 2, "B": 3, "Y": 4})}
    netlist = by_hand(gates, {"a": [2]}, {"y": [4]}, library)
    a = np.array([[0, 1], [1, 1], [0, 0], [0, 1], [1, 0]])
    changes = int((a[1:] != a[:-1]).sum())
    ran = simulate_timed(netlist, {"a": a}, settle=1)
    assert ran.toggles.tolist() == [0, 0, changes, changes, 2 * pulses * changes]
    assert not ran.outputs["y"].any()
    found, calm = (
        power(netlist, r, voltage=1.0, frequency=1e9) for r in (ran, simulate_gates(netlist, {"a": a}, settle=1))
    )
    assert found.switching == near(calm.switching)  # nothing reads the XOR, and its cell has no energy inside
    assert (found.model, calm.model) == (
        "timed (glitches at the library's delays), no wires, no clock tree",
        "zero-delay, no wires, no clock tree",
    )


def test_a_glitch_costs_what_toggles_cost() -> None:
    """An inverter makes B of an XNOR late: its output pulses at every change, through a gate that charges 0.8 fF."""
    gates = {"u0": ("INV", {"A": 2, "Y": 3}), "u1": ("INV", {"A": 3, "Y": 4}), "u2": ("INV", {"A": 4, "Y": 5})}
    gates |= {"u3": ("XOR2", {"A": 2, "B": 5, "Y": 6}), "u4": ("INV", {"A": 6, "Y": 7})}
    netlist, a = by_hand(gates, {"a": [2]}, {"y": [7]}), np.arange(9).reshape(9, 1) % 2
    timed, calm = (
        power(netlist, f(netlist, {"a": a}, settle=1), voltage=0.9, frequency=1e9)
        for f in (simulate_timed, simulate_gates)
    )
    assert timed.switching - calm.switching == pytest.approx(2 * 0.5 * 0.8e-15 * 0.81 * 1e9)
    assert timed.internal - calm.internal == pytest.approx(2 * 0.5 * 0.4e-15 * (2.33 + 0.67) * 0.81 * 1e9)
    assert (timed.clock, timed.leakage) == (calm.clock, calm.leakage)


def test_without_reconvergence_there_are_no_glitches() -> None:
    a = np.random.default_rng(1).integers(0, 2, (9, 5))
    for netlist, inputs in ((inverters(), {"a": a}), (toggling(), {"unused": a})):
        timed, calm = (f(netlist, inputs, settle=1) for f in (simulate_timed, simulate_gates))
        assert timed.toggles.tolist() == calm.toggles.tolist()
        assert timed.kept.tolist() == calm.kept.tolist()
        assert timed.cycles == calm.cycles


def test_a_register_answers_after_its_clock() -> None:
    """A port and the register that takes it change at the edge, the register later: their XOR, always 1, pulses."""
    cells = {"u0": ("DFF", {"D": 3, "CK": 2, "Q": 4}), "u1": ("XOR2", {"A": 3, "B": 4, "Y": 5})}
    netlist = by_hand(cells, {"clk": [2], "a": [3]}, {"y": [5]})
    ran = simulate_timed(netlist, {"a": np.arange(9).reshape(9, 1) % 2}, settle=2)
    assert ran.outputs["y"][1:].all()
    assert ran.toggles[list(netlist.outputs["y"])].tolist() == [2 * 7]


def test_delays_of_one_edge_are_not_enough(tmp_path: Path) -> None:
    (tmp_path / "n.lib").write_text(re.sub(r"cell_fall \(delay\) \{[^}]*\}", "", gate_equivalents()))
    netlist = by_hand({"u0": ("INV", {"A": 2, "Y": 3})}, {"a": [2]}, {"y": [3]}, library_named(str(tmp_path / "n.lib")))
    with pytest.raises(ValueError, match="top: cell u0 has no delay of one edge of Y from A"):
        simulate_timed(netlist, {"a": [[0], [1]]}, settle=1)


def test_a_register_may_show_its_inverse(tmp_path: Path) -> None:
    """It takes the inverse of the inverse that it shows, so it holds."""
    (tmp_path / "n.lib").write_text(gate_equivalents().replace('function : "IQ"', 'function : "IQN"'))
    cells = {"u0": ("DFF", {"D": 4, "CK": 2, "Q": 3}), "u1": ("INV", {"A": 3, "Y": 4})}
    netlist = by_hand(cells, {"clk": [2], "a": [5]}, {"q": [3]}, library_named(str(tmp_path / "n.lib")))
    ran = simulate_timed(netlist, {"a": np.zeros((5, 9), int)}, settle=1)
    assert (ran.kept.tolist(), int(ran.toggles.sum())) == ([True], 0)
    assert 0 < ran.outputs["q"][0].sum() < 9


FUNCTIONS = {"A^B": "a ^ b", "!(A&B)": "~(a & b)", "A|B": "a | b"}


@needs_iverilog
@pytest.mark.parametrize("seed", range(3))
def test_toggles_are_those_of_icarus(tmp_path: Path, seed: int) -> None:
    random, steps, ports, gates = np.random.default_rng(seed), 40, 8, 60
    some = [(str(random.choice(list(FUNCTIONS))), *map(int, random.integers(100, 9999, 2))) for _ in range(gates)]
    reads = [[int(n) for n in random.choice(np.arange(max(0, g - 12), g + ports), 2, False)] for g in range(gates)]
    made = {f"u{g}": (f"G{g}", {"A": 2 + a, "B": 2 + b, "Y": 2 + ports + g}) for g, (a, b) in enumerate(reads)}
    nets = [2 + n for n in range(ports + gates)]
    netlist = by_hand(made, {"a": nets[:ports]}, {"y": nets[ports:]}, cells(tmp_path, *some))
    a = random.integers(0, 1 << ports, (steps, 1))
    ran = simulate_timed(netlist, {"a": a}, settle=1)
    calm = simulate_gates(netlist, {"a": a}, settle=1)
    assert ran.toggles.sum() > calm.toggles.sum()
    rows = [*netlist.inputs["a"], *netlist.outputs["y"]]
    assert icarus(tmp_path, some, reads, a[:, 0].tolist(), ports) == ran.toggles[rows].tolist()


def icarus(folder: Path, some: list, reads: list, stimulus: list[int], ports: int) -> list[int]:
    """Changes of every net after the first vector."""
    total = ports + len(some)
    lines = ["`timescale 1ps/1ps", "module bench;", f"reg [{ports - 1}:0] a; integer count [0:{total - 1}]; integer i;"]
    lines += [f"wire n{n};" for n in range(total)] + [f"assign n{n} = a[{n}];" for n in range(ports)]
    for g, ((function, rise, fall), (x, y)) in enumerate(zip(some, reads, strict=True)):
        text = re.sub("[ab]", lambda m, x=x, y=y: f"n{x if m.group() == 'a' else y}", FUNCTIONS[function])
        lines.append(f"assign #({rise}, {fall}) n{ports + g} = {text};")
    lines += [f"always @(n{n}) count[{n}] = count[{n}] + 1;" for n in range(total)]
    lines += ["initial begin", f"a = {stimulus[0]}; #1000000;", f"for (i = 0; i < {total}; i = i + 1) count[i] = 0;"]
    lines += [f"a = {v}; #1000000;" for v in stimulus[1:]]
    lines += [f'for (i = 0; i < {total}; i = i + 1) $display("%0d", count[i]);', "$finish; end", "endmodule"]
    (folder / "b.v").write_text("\n".join(lines) + "\n")
    subprocess.run(["iverilog", "-g2012", "-o", "b.vvp", "b.v"], cwd=folder, check=True)
    said = subprocess.run(["vvp", "-n", "b.vvp"], cwd=folder, check=True, capture_output=True, text=True).stdout
    return [int(line) for line in said.split()]


@needs_yosys
@pytest.mark.parametrize("name", ["gate-equivalents", pytest.param("osu018", marks=needs_osu018)])
def test_a_mac_settles_as_without_delays_and_toggles_more(name: str) -> None:
    bench = mac_bench(8, 24, lanes=7)
    netlist = synthesize(mac(8, 24), library_named(name)).netlist
    timed, calm = (f(netlist, bench.inputs, settle=4) for f in (simulate_timed, simulate_gates))
    assert (timed.outputs["acc"][4:] == calm.outputs["acc"][4:]).all()
    assert (timed.toggles >= calm.toggles).all()
    assert not ((timed.toggles - calm.toggles) % 2).any()  # a glitch is two changes
    assert timed.toggles.sum() > 1.3 * calm.toggles.sum()
    assert (timed.kept == calm.kept).all()
    held = [n for i in netlist.registers for _, n in i.drives()]
    assert timed.toggles[held].tolist() == calm.toggles[held].tolist()


@needs_yosys
def test_records_say_which_activity_they_have() -> None:
    made = synthesize(mac(), OWN)
    calm, timed = (
        record(check(made, mac_bench(lanes=7), activity=a), frequency=5e8)["power"] for a in ("zero-delay", "timed")
    )
    assert (calm["model"], timed["model"]) == (
        "zero-delay, no wires, no clock tree",
        "timed (glitches at the library's delays), no wires, no clock tree",
    )
    assert timed["clocked"]["switching_w"] > calm["clocked"]["switching_w"]
    assert timed["clocked"]["clock_w"] == calm["clocked"]["clock_w"]
    wrong = synthesize(mac(bug=True), OWN)
    with pytest.raises(ValueError, match="no area for a wrong netlist"):
        check(wrong, mac_bench(lanes=7), activity="timed")
    with pytest.raises(ValueError, match="activity 'guessed'; it is zero-delay or timed"):
        check(made, mac_bench(lanes=7), activity="guessed")
