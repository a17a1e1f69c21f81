"""What a netlist must be before anything is counted."""

import json
import re

import pytest

from codegen.synthesis.netlist import read_netlist

from .circuits import OWN, by_hand, inverters, toggling


def test_levels_and_depth() -> None:
    netlist = inverters()
    assert netlist.depth == 3
    assert [i.name for i in netlist.gates] == ["u0", "u1", "u2"]
    assert toggling().depth == 1
    assert toggling().clock is not None
    assert set(toggling().inputs) == {"unused"}


def test_gates_are_put_in_order() -> None:
    cells = {"late": ("INV", {"A": 9, "Y": 4}), "early": ("NAND2", {"A": 2, "B": "1", "Y": 9})}
    assert [i.name for i in by_hand(cells, {"a": [2]}, {"y": [4]}).gates] == ["early", "late"]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"u0": ("INV", {"A": 4, "Y": 7}), "u1": ("INV", {"A": 7, "Y": 4})}, "a loop without a register, or a net"),
        ({"u0": ("INV", {"A": 99, "Y": 4})}, "a net without a driver, at cells u0"),
        ({"u0": ("$_DLATCH_P_", {"D": 3, "Q": 4})}, "1 $_DLATCH_P_ (not in the library)"),
        ({"u0": ("INV", {"A": 2, "Y": 4})}, "cell u0 (INV) reads the clock clk as data; use an enable"),
        ({"u0": ("DFF", {"D": 3, "CK": 3, "Q": 4})}, "u0 (DFF) is not clocked by the rising edge of clk"),
        ({"u0": ("DFF", {"D": 2, "CK": 2, "Q": 4})}, "cell u0 (DFF) reads the clock clk as data"),
        ({"u0": ("DFF", {"D": 98, "CK": 2, "Q": 4})}, "nothing drives an input of register u0"),
        ({}, "nothing drives output y"),
        ({"u0": ("INV", {"A": 4, "Y": 3}), "u1": ("INV", {"A": 3, "Y": 4})}, "2 drivers of one net, of cell u0"),
        ({"u0": ("INV", {"A": "x", "Y": 4})}, "u0: a bit is 'x'; give every bit a value"),
    ],
)
def test_what_cannot_be_simulated_is_refused(cells: dict, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        by_hand(cells, {"clk": [2], "a": [3]}, {"y": [4]})


def test_an_inout_is_refused() -> None:
    module = {"ports": {"p": {"direction": "inout", "bits": [2]}}, "cells": {}}
    with pytest.raises(ValueError, match="top: port p is inout"):
        read_netlist(json.dumps({"modules": {"top": module}}), "top", "clk", OWN)
