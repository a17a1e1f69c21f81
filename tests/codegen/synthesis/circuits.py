"""Small circuits: netlists by hand in the JSON of Yosys, and Verilog with what it must compute."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen.synthesis import Bench, Library, Unit, library_named
from codegen.synthesis.libraries import OSU018
from codegen.synthesis.netlist import Netlist, read_netlist
from codegen.synthesis.yosys import tools

OWN = library_named("gate-equivalents")
SHARED = Path(__file__).parents[4] / "shared/data/liberty"
needs_yosys = pytest.mark.skipif(not tools(), reason="left out: synthesis (apt-get install yosys)")
needs_osu018 = pytest.mark.skipif(not OSU018.is_file(), reason="left out: osu018 (apt-get install qflow-tech-osu018)")
needs_iverilog = pytest.mark.skipif(not shutil.which("iverilog"), reason="left out: Icarus (apt-get install iverilog)")


def by_hand(
    cells: dict[str, tuple[str, dict[str, Any]]],
    inputs: dict[str, list[Any]],
    outputs: dict[str, list[Any]],
    library: Library = OWN,
) -> Netlist:
    """A netlist, in gate equivalents unless a library is given: cells by name as type and bit by pin; bits of ports."""
    module = {
        "ports": {
            n: {"direction": d, "bits": b} for d, p in (("input", inputs), ("output", outputs)) for n, b in p.items()
        },
        "cells": {n: {"type": t, "connections": {p: [b] for p, b in pins.items()}} for n, (t, pins) in cells.items()},
    }
    return read_netlist(json.dumps({"modules": {"top": module}}), "top", "clk", library)


def inverters() -> Netlist:
    """Three in a row."""
    cells = {f"u{i}": ("INV", {"A": 2 + i, "Y": 3 + i}) for i in range(3)}
    return by_hand(cells, {"a": [2]}, {"y": [5]})


def toggling() -> Netlist:
    """A flip-flop that takes its own inverse; it starts at a random bit."""
    cells = {"u0": ("DFF", {"D": 4, "CK": 2, "Q": 3}), "u1": ("INV", {"A": 3, "Y": 4})}
    return by_hand(cells, {"clk": [2], "unused": [5]}, {"q": [3]})


MAC = """
module mac #(parameter W = 4, A = 12) (
  input clk, input clr, input signed [W-1:0] a, input signed [W-1:0] b, output reg signed [A-1:0] acc);
  reg signed [W-1:0] ar, br;
  reg cr;
  wire signed [2*W-1:0] p = ar * br;
  always @(posedge clk) begin ar <= a; br <= b; cr <= clr; acc <= (cr ? ZERO : acc) + p; end
endmodule
"""


def mac(width: int = 4, acc: int = 12, *, bug: bool = False) -> Unit:
    """A multiplier and accumulator; the bug is that a concatenation is unsigned, so the product loses its sign."""
    text = MAC.replace("ZERO", "{A{1'b0}}" if bug else "$signed({A{1'b0}})")
    return Unit(top="mac", files={"mac.v": text}, parameters={"W": width, "A": acc})


def mac_bench(width: int = 4, acc: int = 12, *, steps: int = 20, lanes: int = 70) -> Bench:
    """Random operands; sums in Python integers, modulo 2**acc."""
    random, half = np.random.default_rng(1), 1 << (width - 1)
    a, b = random.integers(-half, half, (2, steps, lanes))
    clear = np.zeros((steps, lanes), np.int64)
    clear[0] = 1
    sums = np.zeros((steps, lanes), object)
    for t in range(2, steps):
        for lane in range(lanes):
            sums[t, lane] = sum(int(x) * int(y) for x, y in zip(a[: t - 1, lane], b[: t - 1, lane], strict=True))
    return Bench(
        description="uniform operands, seed 1",
        inputs={"clr": clear, "a": a, "b": b},
        outputs={"acc": sums % 2**acc},
        settle=2,
    )
