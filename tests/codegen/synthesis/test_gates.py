"""The gate simulator against Python integers, and against Icarus with Debian's own models of the cells."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from codegen.synthesis import Unit, library_named, simulate_gates, synthesize
from codegen.synthesis.gate_equivalents import gate_equivalents
from codegen.synthesis.gates import to_bits
from codegen.synthesis.libraries import OSU018
from codegen.synthesis.netlist import read_netlist

from .circuits import OWN, by_hand, inverters, mac, mac_bench, needs_iverilog, needs_osu018, needs_yosys, toggling

ADDER = "module add #(parameter W = 8) (input [W-1:0] a, input [W-1:0] b, output [W:0] y); assign y = a + BB; endmodule"


def numbers(bits: np.ndarray) -> np.ndarray:
    return (bits * np.array([1 << i for i in range(bits.shape[-1])], object)).sum(axis=-1)


def test_a_chain_of_inverters_toggles_with_its_input() -> None:
    a = np.array([[0, 1], [1, 1], [0, 1], [1, 1], [1, 0]])
    ran = simulate_gates(inverters(), {"a": a}, settle=1)
    assert np.array_equal(ran.outputs["y"][..., 0], 1 - a)
    assert ran.toggles.tolist() == [0, 0, 4, 4, 4, 4]
    assert ran.cycles == 8


@pytest.mark.parametrize("lanes", [1, 63, 64, 65, 130])
def test_a_flip_flop_toggles_every_cycle_and_starts_anywhere(lanes: int) -> None:
    ran = simulate_gates(toggling(), {"unused": np.zeros((6, lanes), int)}, settle=2)
    q = ran.outputs["q"][..., 0]
    assert (q[1:] != q[:-1]).all()
    assert lanes == 1 or 0 < q[0].sum() < lanes
    assert sorted(ran.toggles.tolist()) == [0, 0, 0, 0, 4 * lanes, 4 * lanes]  # two constants, clock, port; q and d
    assert (ran.cycles, ran.kept.tolist()) == (4 * lanes, [False])


def test_constants_do_not_toggle() -> None:
    netlist = by_hand({"u0": ("NAND2", {"A": "1", "B": 2, "Y": 3})}, {"a": [2]}, {"y": [3], "one": ["1"]})
    ran = simulate_gates(netlist, {"a": [[0], [1], [0]]}, settle=1)
    assert ran.outputs["y"].ravel().tolist() == [1, 0, 1]
    assert ran.outputs["one"].ravel().tolist() == [1, 1, 1]


def test_a_flip_flop_may_show_its_inverse(tmp_path: Path) -> None:
    text = gate_equivalents().replace(
        'function : "IQ";', 'function : "IQ"; } pin (QN) { direction : output; function : "IQN";'
    )
    (tmp_path / "q.lib").write_text(text)
    module = {
        "ports": {"clk": port("input", 2), "a": port("input", 3), "q": port("output", 4), "n": port("output", 5)},
        "cells": {"u0": {"type": "DFF", "connections": {"D": [3], "CK": [2], "Q": [4], "QN": [5]}}},
    }
    netlist = read_netlist(
        json.dumps({"modules": {"top": module}}), "top", "clk", library_named(str(tmp_path / "q.lib"))
    )
    ran = simulate_gates(netlist, {"a": [[0], [1], [1], [0]]}, settle=1)
    assert ran.outputs["q"].ravel()[1:].tolist() == [0, 1, 1]
    assert ran.outputs["n"].ravel()[1:].tolist() == [1, 0, 0]


def port(direction: str, bit: int) -> dict:
    return {"direction": direction, "bits": [bit]}


@needs_yosys
@pytest.mark.parametrize("width", [8, 63, 64, 70])
def test_an_adder_of_any_width_equals_python(width: int) -> None:
    text = ADDER.replace("BB", f"{{{{1{{b[{width - 1}]}}}}, b}}")
    netlist = synthesize(Unit(top="add", files={"add.v": text}, parameters={"W": width}), OWN).netlist
    edges = [0, 1, (1 << width) - 1, 1 << (width - 1)]
    a = np.array([edges * 4], object)
    b = np.array([[e - (1 << width) if e >> (width - 1) else e for e in edges for _ in edges]], object)
    ran = simulate_gates(netlist, {"a": np.repeat(a, 2, axis=0), "b": np.repeat(b, 2, axis=0)}, settle=1)
    assert (numbers(ran.outputs["y"][0]) == (a[0] + b[0]) % (1 << (width + 1))).all()


@needs_yosys
@needs_osu018
@needs_iverilog
def test_icarus_with_the_cells_of_debian_gives_the_same_bits(tmp_path: Path) -> None:
    made, bench = synthesize(mac(), library_named("osu018")), mac_bench(lanes=3)
    ran = simulate_gates(made.netlist, bench.inputs, settle=2)
    (tmp_path / "cells.v").write_text("`timescale 1ns/1ps\n" + OSU018.with_suffix(".v").read_text())
    (tmp_path / "netlist.v").write_text(verilog(made.netlist))
    for lane in range(3):
        (tmp_path / "bench.v").write_text(bench_of({n: np.asarray(v)[:, lane] for n, v in bench.inputs.items()}))
        subprocess.run(
            ["iverilog", "-g2005", "-o", "run", "bench.v", "netlist.v", "cells.v"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        said = subprocess.run(
            ["vvp", "-n", "run"], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.split()
        assert [int(s) for s in said[2:]] == numbers(ran.outputs["acc"][2:, lane]).tolist()


def verilog(netlist) -> str:
    """The netlist as Verilog, written by this test, so that nothing of the simulator is in it."""
    ports = [("input", n, nets) for n, nets in netlist.inputs.items()] + [("input", "clk", (netlist.clock,))]
    ports += [("output", n, nets) for n, nets in netlist.outputs.items()]
    lines = [f"module dut ({', '.join(f'{d} [{len(nets) - 1}:0] {n}' for d, n, nets in ports)});"]
    lines += [f"wire [{netlist.nets - 1}:0] n; assign n[0] = 1'b0; assign n[1] = 1'b1;"]
    for direction, name, nets in ports:
        joined = ", ".join(f"n[{net}]" for net in reversed(nets))
        lines.append(f"assign {{{joined}}} = {name};" if direction == "input" else f"assign {name} = {{{joined}}};")
    for i in netlist.cells:
        lines.append(f"{i.cell.name} {i.name} ({', '.join(f'.{p}(n[{net}])' for p, net in i.nets.items())});")
    return "\n".join([*lines, "endmodule"])


def bench_of(inputs: dict[str, np.ndarray]) -> str:
    steps = ""
    for t in range(len(inputs["a"])):
        steps += f"a = {inputs['a'][t] & 15}; b = {inputs['b'][t] & 15}; clr = {inputs['clr'][t]}; #50; "
        steps += '$display("%0d", acc === 12\'bx ? 0 : acc); clk = 1; #50; clk = 0; #50;\n'
    return (
        "`timescale 1ns/1ps\nmodule bench; reg clk = 0, clr; reg [3:0] a, b; wire [11:0] acc;\n"
        f"dut d (.clr(clr), .a(a), .b(b), .acc(acc), .clk(clk));\ninitial begin\n{steps}$finish; end endmodule"
    )


def test_bits_are_twos_complement_of_any_width() -> None:
    assert to_bits([[-1, 1]], 3, "x").tolist() == [[[1, 1, 1], [1, 0, 0]]]
    assert to_bits(np.array([[1 << 69]], object), 70, "x")[0, 0].tolist() == [0] * 69 + [1]
    assert to_bits(np.array([[np.iinfo(np.uint64).max]], np.uint64), 64, "x").all()
    assert to_bits([[-(1 << 63)]], 64, "x")[0, 0].tolist() == [0] * 63 + [1]


@pytest.mark.parametrize(
    ("inputs", "settle", "says"),
    [
        ({"b": [[0], [1]]}, 1, r"top: ports \['a'\], values for \['b'\]"),
        ({"a": [[0], [2]]}, 1, "top: port a: 2 does not fit 1 bits"),
        ({"a": [[0], [-2]]}, 1, "top: port a: -2 does not fit 1 bits"),
        ({"a": [[0.5], [1]]}, 1, "top: port a: integers are expected, not float64"),
        ({"a": [0, 1]}, 1, r"values must be \[steps, lanes\]"),
        ({"a": [[0], [1]]}, 2, "settle 2 of 2 steps"),
        ({"a": [[0], [1]]}, 0, "settle 0 of 2 steps"),
    ],
)
def test_a_stimulus_that_does_not_fit_is_refused(inputs: dict, settle: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        simulate_gates(inverters(), inputs, settle=settle)
